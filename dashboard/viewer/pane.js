// One pane: a slice with one label map, drawn at its physical aspect, with its markers.

import { compose } from "./blend.js";
import { outlines } from "./contour.js";

const MARKER_PX = 8;

export class Pane {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} shift which label map: REFERENCE or PREDICTION
   */
  constructor(canvas, shift) {
    this.canvas = canvas;
    this.shift = shift;
    this.context = canvas.getContext("2d", { alpha: false });
    this.native = document.createElement("canvas"); // the composed slice, one pixel a voxel
  }

  /** @param {import("./scan.js").Scan} scan */
  open(scan) {
    this.scan = scan;
    Object.assign(this.native, { width: scan.width, height: scan.height });
    this.composed = new ImageData(scan.width, scan.height);
    this.pixels = new Uint32Array(this.composed.data.buffer);
  }

  /** Fits the drawing surface to the element, in device pixels; true where that blanked it. */
  resize() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * scale));
    const height = Math.max(1, Math.round(canvas.clientHeight * scale));
    if (width === canvas.width && height === canvas.height) return false;
    Object.assign(canvas, { width, height });
    return true;
  }

  /**
   * @param {import("./viewer.js").View} view
   * @param {Uint32Array} table colours, see blend.js
   * @param {object[]} findings those of this slice
   * @param {{x: number, y: number, pane: Pane} | null} hover
   */
  paint(view, table, findings, hover) {
    compose(this.scan, view.position, this.shift, table, this.pixels);
    this.native.getContext("2d").putImageData(this.composed, 0, 0);
    const { context, canvas } = this;
    const { left, top, width, height } = this.box();
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false; // a reader judges voxels, so they are shown as they are
    context.drawImage(this.native, left, top, width, height);
    if (view.mode === "contour" && !view.hidden) this.paintOutlines(view);
    for (const finding of findings) this.paintFinding(finding);
    if (view.picked?.position === view.position) this.paintCross(view.picked, "#fff", MARKER_PX);
    if (hover && hover.pane !== this) this.paintCross(hover, "rgb(255 255 255 / 80%)", MARKER_PX / 2);
    canvas.dataset.slice = this.scan.sliceNumbers[view.position];
  }

  /** Where the slice lies on the canvas, in device pixels: as large as fits, centred. */
  box() {
    const { width: w, height: h } = this.canvas;
    const width = Math.min(w, h * this.scan.aspect);
    const height = width / this.scan.aspect;
    return { left: (w - width) / 2, top: (h - height) / 2, width, height };
  }

  /** Voxel coordinates (fractions allowed) to canvas pixels. */
  toScreen(x, y) {
    const { left, top, width, height } = this.box();
    return [left + (x * width) / this.scan.width, top + (y * height) / this.scan.height];
  }

  /** The voxel under a pointer event, or null beside the slice. */
  voxelAt(event) {
    if (!this.scan) return null;
    const area = this.canvas.getBoundingClientRect();
    const { left, top, width, height } = this.box();
    const onCanvasX = ((event.clientX - area.left) / area.width) * this.canvas.width;
    const onCanvasY = ((event.clientY - area.top) / area.height) * this.canvas.height;
    const x = Math.floor(((onCanvasX - left) / width) * this.scan.width);
    const y = Math.floor(((onCanvasY - top) / height) * this.scan.height);
    return x >= 0 && y >= 0 && x < this.scan.width && y < this.scan.height ? { x, y } : null;
  }

  /** @returns {number[]} red, green and blue of a voxel as composed, before scaling to the screen */
  pixel(x, y) {
    const at = (y * this.scan.width + x) * 4;
    return [...this.composed.data.slice(at, at + 3)];
  }

  paintOutlines(view) {
    const { left, top, width, height } = this.box();
    const [sx, sy] = [width / this.scan.width, height / this.scan.height];
    const paths = outlines(this.scan, view.position, this.shift, view.organs, (x, y) => [left + x * sx, top + y * sy]);
    const line = 1.75 * (window.devicePixelRatio || 1);
    this.context.lineCap = "square";
    for (const { id, rgb } of this.scan.organs) {
      if (!paths.has(id)) continue;
      this.context.globalAlpha = Math.min(1, 2 * view.opacity); // a thin line at half strength would be lost
      this.stroke(paths.get(id), "rgb(0 0 0 / 45%)", line * 2); // a dark rim keeps the colour visible on bright bowel
      this.stroke(paths.get(id), `rgb(${rgb.join(" ")})`, line);
      this.context.globalAlpha = 1;
    }
  }

  paintFinding({ x, y, organ, kind }) {
    const scale = window.devicePixelRatio || 1;
    const [cx, cy] = this.toScreen(x + 0.5, y + 0.5);
    const colour = this.scan.organs.find(({ id, name }) => organ === id || organ === name)?.rgb ?? [255, 255, 255];
    const ring = new Path2D();
    ring.arc(cx, cy, MARKER_PX * scale, 0, 2 * Math.PI);
    this.stroke(ring, "#000", 5 * scale);
    this.stroke(ring, "#fff", 3 * scale);
    this.stroke(ring, `rgb(${colour.join(" ")})`, 1.5 * scale);
    this.write(String(kind ?? "").charAt(0).toUpperCase(), cx + (MARKER_PX + 4) * scale, cy, scale);
  }

  write(text, x, y, scale) {
    this.context.font = `600 ${12 * scale}px sans-serif`;
    this.context.textBaseline = "middle";
    this.context.strokeStyle = "#000";
    this.context.lineWidth = 3 * scale;
    this.context.strokeText(text, x, y);
    this.context.fillStyle = "#fff";
    this.context.fillText(text, x, y);
  }

  paintCross({ x, y }, colour, arm) {
    const scale = window.devicePixelRatio || 1;
    const [cx, cy] = this.toScreen(x + 0.5, y + 0.5);
    const cross = new Path2D();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      cross.moveTo(cx + dx * 3 * scale, cy + dy * 3 * scale);
      cross.lineTo(cx + dx * (3 + arm) * scale, cy + dy * (3 + arm) * scale);
    }
    this.stroke(cross, "rgb(0 0 0 / 70%)", 3.5 * scale);
    this.stroke(cross, colour, 1.5 * scale);
  }

  stroke(path, colour, width) {
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    this.context.stroke(path);
  }
}
