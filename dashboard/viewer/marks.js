// What lies over a picture besides label maps: cross-hair, findings, the pointer's place, the patient's sides, scale bar, number.

const MARKER_PX = 8;
const GAP_PX = 10;
const BAR_MM = [200, 100, 50, 20, 10, 5, 2, 1];
const BAR_SHARE = 0.3; // of the pane's width, at most
const EDGE_PX = 12; // of a letter from the picture's edge
const NARROW_PX = 420; // below this, letters in the middle would stand in what the captions and the scale bar take
const CAPTION_PX = 28;
const WORDS = { axial: "slice", coronal: "row", sagittal: "column" };

/** @import { Finding, Pane, Voxel } from "./types.d.ts" */

/** Two lines that meet at the cross-hair's voxel, with a gap so that they don't hide it. @param {Pane} pane @param {Voxel} at */
export function paintCrosshair(pane, at) {
  const { across, down } = pane.scan.planes[pane.plane];
  const { canvas, pixelRatio } = pane;
  const [x, y] = pane.toScreen(at[across] + 0.5, at[down] + 0.5);
  const gap = GAP_PX * pixelRatio;
  const lines = new Path2D();
  for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, canvas.width, y], [x, 0, x, y - gap], [x, y + gap, x, canvas.height]]) {
    lines.moveTo(x0, y0);
    lines.lineTo(x1, y1);
  }
  pane.stroke(lines, "rgb(0 0 0 / 60%)", 3 * pixelRatio);
  pane.stroke(lines, "rgb(255 255 255 / 75%)", pixelRatio);
}

/**
 * A small open cross at a voxel.
 * @param {Pane} pane @param {Voxel} voxel @param {string} [colour]
 * @param {number} [arm] CSS pixels
 */
export function paintPlace(pane, voxel, colour = "#fff", arm = MARKER_PX) {
  const place = pane.screenOf(voxel);
  if (!place) return;
  const [x, y] = place;
  const scale = pane.pixelRatio;
  const cross = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    cross.moveTo(x + dx * 3 * scale, y + dy * 3 * scale);
    cross.lineTo(x + dx * (3 + arm) * scale, y + dy * (3 + arm) * scale);
  }
  pane.stroke(cross, "rgb(0 0 0 / 70%)", 3.5 * scale);
  pane.stroke(cross, colour, 1.5 * scale);
}

/**
 * A ring in the organ's colour, and the first letter of the finding's kind.
 * @param {Pane} pane @param {Finding & {voxel: Voxel}} finding
 */
export function paintFinding(pane, { voxel, organ, kind }) {
  const place = pane.screenOf(voxel);
  if (!place) return;
  const [x, y] = place;
  const scale = pane.pixelRatio;
  const colour = pane.scan.organs.find(({ id, name }) => organ === id || organ === name)?.rgb ?? [255, 255, 255];
  const ring = new Path2D();
  ring.arc(x, y, MARKER_PX * scale, 0, 2 * Math.PI);
  pane.stroke(ring, "#000", 5 * scale);
  pane.stroke(ring, "#fff", 3 * scale);
  pane.stroke(ring, `rgb(${colour.join(" ")})`, 1.5 * scale);
  pane.write(String(kind ?? "").charAt(0).toUpperCase(), x + (MARKER_PX + 4) * scale, y);
}

/** The longest round length that fits, where the voxels' size is known. @param {Pane} pane */
export function paintScaleBar(pane) {
  const { canvas, pixelRatio, scan } = pane;
  if (!scan.millimetres) return;
  const pxPerMm = pane.pxU / scan.step[scan.planes[pane.plane].across];
  const mm = BAR_MM.find((length) => length * pxPerMm <= BAR_SHARE * canvas.width);
  if (!mm) return;
  const [left, bottom, tick] = [12 * pixelRatio, canvas.height - 12 * pixelRatio, 4 * pixelRatio];
  const right = left + mm * pxPerMm;
  const bar = new Path2D();
  bar.moveTo(left, bottom - tick);
  bar.lineTo(left, bottom);
  bar.lineTo(right, bottom);
  bar.lineTo(right, bottom - tick);
  pane.stroke(bar, "rgb(0 0 0 / 80%)", 4 * pixelRatio);
  pane.stroke(bar, "#fff", 1.5 * pixelRatio);
  pane.write(mm < 10 ? `${mm} mm` : `${mm / 10} cm`, right + 8 * pixelRatio, bottom - 2 * pixelRatio);
}

/** The patient's side at each edge, where it is known. @param {Pane} pane */
export function paintEdges(pane) {
  const { canvas, pixelRatio, scan, plane } = pane;
  const { edges } = scan.planes[plane];
  canvas.dataset.edges = edges ? edges.top + edges.right + edges.bottom + edges.left : "";
  if (!edges) return;
  const inset = EDGE_PX * pixelRatio;
  const [across, down] = [canvas.width / 2, canvas.height / 2];
  const clear = canvas.width < NARROW_PX * pixelRatio ? inset + CAPTION_PX * pixelRatio : inset;
  pane.write(edges.top, across, clear, "center");
  pane.write(edges.right, canvas.width - inset, down, "center");
  pane.write(edges.bottom, across, canvas.height - clear, "center");
  pane.write(edges.left, inset, down, "center");
}

/** Which slice of its plane this is. @param {Pane} pane */
export function paintNumber(pane) {
  const { canvas, pixelRatio, plane, position, scan } = pane;
  const number = plane === "axial" ? scan.sliceNumbers[position] : position;
  pane.write(`${WORDS[plane]} ${number}`, canvas.width - 10 * pixelRatio, canvas.height - 14 * pixelRatio, "right");
}
