// The map of the whole scan under the panes: a row an organ, where each side has it, and how much the two disagree.

import { dice } from "./compare.js";

/**
 * @import { OrganCounts } from "./compare.js"
 * @import { Data, Region, Scan, View } from "./types.d.ts"
 */

export const ROW_PX = 26;
const LANES = { reference: [2, 4], prediction: [7, 4], loss: [13, 11] }; // top and height in a row, CSS pixels
const LOSS = "rgb(255 159 28)";
const SEEN_LOSS = 0.05;
const REACH_PX = 6; // of a click around a region's mark
const MOST_MARKS = 12;

/** The strip's unchanging part is painted once; a scroll only moves the cursor. */
export class Strip {
  /** @type {Scan} */
  scan;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.still = document.createElement("canvas");
    this.stillContext = /** @type {CanvasRenderingContext2D} */ (this.still.getContext("2d", { alpha: false }));
    this.key = "";
    this.blind = false;
  }

  /**
   * @param {Scan} scan @param {View} view
   * @param {number[]} findings positions with findings
   * @param {Pick<Data, "blind" | "organ">} data blind: only where each side has the organs, not how much the two disagree;
   *   organ: whose row is framed
   */
  paint(scan, view, findings, { blind, organ }) {
    const { canvas, context, still } = this;
    const scale = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * scale));
    const height = scan.organs.length * ROW_PX * scale;
    const key = [width, [...view.organs].sort(), findings, blind, organ].join();
    if (key !== this.key || scan !== this.scan) {
      Object.assign(this, { key, scan, blind });
      Object.assign(canvas, { width, height });
      Object.assign(still, { width, height });
      paintStill(this.stillContext, scan, view, findings, scale, blind, organ);
    }
    context.drawImage(still, 0, 0);
    const x = (view.at.z + 0.5) * (width / scan.depth);
    context.fillStyle = "rgb(0 0 0 / 70%)";
    context.fillRect(x - 2 * scale, 0, 4 * scale, height);
    context.fillStyle = "#fff";
    context.fillRect(x - scale, 0, 2 * scale, height);
  }

  /** The slice position under a pointer event. @param {PointerEvent} event */
  positionAt(event) {
    return Math.min(this.scan.depth - 1, Math.max(0, Math.floor(this.share(event) * this.scan.depth)));
  }

  /** The region whose mark lies under a pointer event, if there is one. @param {PointerEvent} event @returns {Region | null} */
  regionAt(event) {
    if (this.blind) return null;
    const area = this.canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - area.top) / ROW_PX);
    const place = this.share(event) * area.width;
    const near = (/** @type {Region} */ { organ, z }) =>
      this.scan.organs[row]?.name === organ && Math.abs(((z + 0.5) / this.scan.depth) * area.width - place) <= REACH_PX;
    return marks(this.scan).find(near) ?? null;
  }

  /** How far across the strip a pointer event lies, 0 to 1. @param {PointerEvent} event */
  share(event) {
    const area = this.canvas.getBoundingClientRect();
    return (event.clientX - area.left) / area.width;
  }
}

/**
 * @param {CanvasRenderingContext2D} context @param {Scan} scan @param {View} view @param {number[]} findings
 * @param {number} scale device pixels a CSS pixel
 * @param {boolean} blind
 * @param {string | null} asked organ in question
 */
function paintStill(context, scan, view, findings, scale, blind, asked) {
  context.scale(scale, scale);
  const [width, height] = [context.canvas.width / scale, context.canvas.height / scale];
  context.fillStyle = "#0b0d10";
  context.fillRect(0, 0, width, height);
  const step = width / scan.depth;
  scan.organs.forEach((organ, row) => {
    context.globalAlpha = view.organs.has(organ.id) ? 1 : 0.25;
    context.fillStyle = "#20242a";
    context.fillRect(0, (row + 1) * ROW_PX - 1, width, 1);
    const counts = /** @type {OrganCounts} */ (scan.counts.get(organ.id));
    paintRow(context, counts, `rgb(${organ.rgb.join(" ")})`, row * ROW_PX, step, blind);
    const mine = blind ? [] : marks(scan).filter((region) => region.organ === organ.name);
    for (const { z } of mine) paintDiamond(context, (z + 0.5) * step, row * ROW_PX + LANES.loss[0] + 5);
    if (organ.name === asked) paintFrame(context, row, width);
  });
  context.globalAlpha = 1;
  paintFindings(context, findings, step);
}

/** The largest regions; more marks than a few would hide the bars. @param {Scan} scan */
function marks(scan) {
  return scan.regions.filter(({ kind }) => kind !== "boundary").slice(0, MOST_MARKS);
}

/**
 * @param {CanvasRenderingContext2D} context @param {OrganCounts} counts @param {string} colour
 * @param {number} top CSS pixels
 * @param {number} step of a slice
 * @param {boolean} blind
 */
function paintRow(context, counts, colour, top, step, blind) {
  for (let z = 0; z < counts.both.length; z++) {
    const left = Math.round(z * step); // whole pixels, or neighbouring slices would show seams
    const width = Math.max(1, Math.round((z + 1) * step) - left);
    context.fillStyle = colour;
    if (counts.reference[z]) context.fillRect(left, top + LANES.reference[0], width, LANES.reference[1]);
    if (counts.prediction[z]) context.fillRect(left, top + LANES.prediction[0], width, LANES.prediction[1]);
    const lost = 1 - dice(counts, z); // NaN where neither has the organ, and then nothing is drawn
    if (blind || !(lost > SEEN_LOSS)) continue;
    const high = lost * LANES.loss[1];
    context.fillStyle = LOSS;
    context.fillRect(left, top + LANES.loss[0] + LANES.loss[1] - high, width, high);
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} row @param {number} width */
function paintFrame(context, row, width) {
  context.globalAlpha = 1;
  context.strokeStyle = "rgb(255 255 255 / 75%)";
  context.strokeRect(0.5, row * ROW_PX + 0.5, width - 1, ROW_PX - 2);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y */
function paintDiamond(context, x, y) {
  const mark = new Path2D(`M${x} ${y - 4}L${x + 3.5} ${y}L${x} ${y + 4}L${x - 3.5} ${y}Z`);
  context.strokeStyle = "#000";
  context.lineWidth = 2;
  context.stroke(mark);
  context.fillStyle = "#fff";
  context.fill(mark);
}

/** @param {CanvasRenderingContext2D} context @param {number[]} positions @param {number} step */
function paintFindings(context, positions, step) {
  context.fillStyle = "#fff";
  for (const position of positions) {
    const x = (position + 0.5) * step;
    context.fill(new Path2D(`M${x - 4} 0L${x + 4} 0L${x} 5Z`));
  }
}
