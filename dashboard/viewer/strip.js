// The map of the whole scan under the panes: a row an organ, where each side has it, and where the two disagree.

import { dice } from "./compare.js";

export const ROW_PX = 24;
const LANES = { reference: [3, 5], prediction: [10, 5], disagreement: [17, 4] }; // top and height in a row, CSS pixels
const DISAGREEMENT = "255 159 28";

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./scan.js").Scan} scan
 * @param {import("./viewer.js").View} view
 * @param {Set<number>} marked positions with findings
 */
export function paintStrip(canvas, scan, view, marked) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, scan.organs.length * ROW_PX];
  Object.assign(canvas, { width: Math.max(1, Math.round(width * scale)), height: Math.round(height * scale) });
  const context = canvas.getContext("2d", { alpha: false });
  context.scale(scale, scale);
  context.fillStyle = "#0b0d10";
  context.fillRect(0, 0, width, height);
  const step = width / scan.depth;
  scan.organs.forEach((organ, row) => {
    context.globalAlpha = view.organs.has(organ.id) ? 1 : 0.25;
    paintRow(context, scan.counts.get(organ.id), `rgb(${organ.rgb.join(" ")})`, row * ROW_PX, step);
  });
  context.globalAlpha = 1;
  paintMarks(context, marked, step);
  paintCursor(context, (view.position + 0.5) * step, height);
}

function paintRow(context, counts, colour, top, step) {
  for (let z = 0; z < counts.both.length; z++) {
    const left = Math.round(z * step); // whole pixels, or neighbouring slices would show seams
    const right = Math.round((z + 1) * step);
    const bar = ([lane, height], style) => {
      context.fillStyle = style;
      context.fillRect(left, top + lane, Math.max(1, right - left), height);
    };
    if (counts.reference[z]) bar(LANES.reference, colour);
    if (counts.prediction[z]) bar(LANES.prediction, colour);
    const lost = 1 - dice(counts, z); // NaN where neither has the organ, and then nothing is drawn
    if (lost > 0.05) bar(LANES.disagreement, `rgb(${DISAGREEMENT} / ${Math.min(1, 2 * lost)})`);
  }
}

function paintMarks(context, marked, step) {
  context.fillStyle = "#fff";
  for (const position of marked) {
    const x = (position + 0.5) * step;
    context.beginPath();
    context.moveTo(x - 4, 0);
    context.lineTo(x + 4, 0);
    context.lineTo(x, 5);
    context.fill();
  }
}

function paintCursor(context, x, height) {
  context.fillStyle = "rgb(0 0 0 / 70%)";
  context.fillRect(x - 2, 0, 4, height);
  context.fillStyle = "#fff";
  context.fillRect(x - 1, 0, 2, height);
}

/** The slice position under a pointer event. */
export function positionAt(canvas, scan, event) {
  const area = canvas.getBoundingClientRect();
  const share = (event.clientX - area.left) / area.width;
  return Math.min(scan.depth - 1, Math.max(0, Math.floor(share * scan.depth)));
}
