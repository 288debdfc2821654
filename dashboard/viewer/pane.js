// One pane: a slice of one plane with what is laid over it, drawn at its physical aspect; and where a pointer lies on it.

import { compose, REFERENCE } from "./blend.js";
import { CONTENTS } from "./layout.js";
import { extent, voxelOf } from "./planes.js";
import { centreOf } from "./zoom.js";

/**
 * @import { Picture, Slices } from "./slices.js"
 * @import { Hit, Layer, PaneChoice, PlaneName, Scan, Tables, View, Voxel } from "./types.d.ts"
 */

const PAIR = 15; // both label maps at once, for the error map
const SINGLE = 3;
const LINE_PX = 1.75;
const DASH_PX = [7, 5];

export class Pane {
  /** @type {Slices} */
  slices;
  /** @type {Scan} */
  scan;
  /** @type {{picture: Picture, table: Uint32Array, shift: number} | null} what was composed last */
  drawn = null;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.native = document.createElement("canvas"); // the composed slice, one pixel a voxel
    this.paper = /** @type {CanvasRenderingContext2D} */ (this.native.getContext("2d"));
    this.pixelRatio = 1;
    this.content = "image";
    /** @type {PlaneName} */
    this.plane = "axial";
    this.position = 0;
    // Where the picture's first voxel lies on the canvas, and a voxel's sides there.
    this.left = this.top = this.pxU = this.pxV = 0;
    this.composed = new ImageData(1, 1);
    this.pixels = new Uint32Array(this.composed.data.buffer);
  }

  /** @param {Slices} slices */
  open(slices) {
    this.slices = slices;
    this.scan = slices.scan;
    this.drawn = null;
  }

  /** Fits the drawing surface to the element, in device pixels; true where that blanked it. */
  resize() {
    const { canvas } = this;
    this.pixelRatio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * this.pixelRatio));
    const height = Math.max(1, Math.round(canvas.clientHeight * this.pixelRatio));
    if (width === canvas.width && height === canvas.height) return false;
    Object.assign(canvas, { width, height });
    return true;
  }

  /** The largest scale at which the whole slice fits, in canvas pixels a mm. @param {PlaneName} plane */
  fittingScale(plane) {
    const { width, height } = extent(this.scan, plane);
    return Math.min(this.canvas.width / width, this.canvas.height / height);
  }

  /**
   * Decides what is painted and where it lies.
   * @param {PaneChoice} choice @param {View} view
   * @param {number} scale canvas pixels a mm
   */
  place({ content, plane }, view, scale) {
    const { across, down, through } = this.scan.planes[plane];
    const { step } = this.scan;
    const centre = centreOf(view, this.scan);
    Object.assign(this, { content, plane, position: view.at[through], pxU: step[across] * scale, pxV: step[down] * scale });
    this.left = this.canvas.width / 2 - centre[across] * this.pxU;
    this.top = this.canvas.height / 2 - centre[down] * this.pxV;
  }

  /**
   * Voxel coordinates of the picture (fractions allowed) to canvas pixels.
   * @param {number} u @param {number} v @returns {[number, number]}
   */
  toScreen(u, v) {
    return [this.left + u * this.pxU, this.top + v * this.pxV];
  }

  /** @param {{clientX: number, clientY: number}} point @returns {Hit} */
  hitAt({ clientX, clientY }) {
    const area = this.canvas.getBoundingClientRect();
    const u = (((clientX - area.left) / area.width) * this.canvas.width - this.left) / this.pxU;
    const v = (((clientY - area.top) / area.height) * this.canvas.height - this.top) / this.pxV;
    const { plane, position } = this;
    return { pane: this, plane, position, u, v, voxel: voxelOf(this.scan, plane, position, u, v) };
  }

  /** Where a voxel's centre lies on this pane; null where it is not on the slice shown. @param {Voxel} voxel */
  screenOf(voxel) {
    const { across, down, through } = this.scan.planes[this.plane];
    return voxel[through] === this.position ? this.toScreen(voxel[across] + 0.5, voxel[down] + 0.5) : null;
  }

  /** @param {View} view @param {Tables} tables */
  paint(view, tables) {
    const { context, canvas, scan } = this;
    const { width, height } = this.fill(tables);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false; // a reader judges voxels, so they are shown as they are
    context.drawImage(this.native, this.left, this.top, width * this.pxU, height * this.pxV);
    const { layers } = CONTENTS[this.content];
    if (!view.hidden && (view.mode === "contour" || layers.length > 1)) layers.forEach((layer) => this.paintOutlines(layer, view));
    canvas.dataset.slice = String(this.plane === "axial" ? scan.sliceNumbers[this.position] : this.position);
  }

  /** Composes the slice, unless it is the one that was composed last. @param {Tables} tables */
  fill(tables) {
    const picture = this.slices.picture(this.plane, this.position);
    const { fill } = CONTENTS[this.content];
    const isErrors = this.content === "errors";
    const table = isErrors ? tables.errors : fill === null ? tables.grey : tables.organs;
    const shift = fill ?? REFERENCE;
    if (this.drawn?.picture === picture && this.drawn.table === table && this.drawn.shift === shift) return picture;
    this.drawn = { picture, table, shift };
    const { width, height, grey, labels } = picture;
    if (this.composed.width !== width || this.composed.height !== height) {
      Object.assign(this.native, { width, height });
      this.composed = new ImageData(width, height);
      this.pixels = new Uint32Array(this.composed.data.buffer);
    }
    compose(grey, labels, shift, isErrors ? PAIR : SINGLE, table, this.pixels);
    this.paper.putImageData(this.composed, 0, 0);
    return picture;
  }

  /**
   * @returns {number[]} red, green and blue of a voxel as composed, before scaling to the screen @param {number} u @param {number} v
   */
  pixel(u, v) {
    const at = (v * this.composed.width + u) * 4;
    return [...this.composed.data.slice(at, at + 3)];
  }

  /** @param {Layer} layer @param {View} view */
  paintOutlines({ shift, dashed }, view) {
    const { context } = this;
    const line = LINE_PX * this.pixelRatio;
    const toCanvas = new DOMMatrix([this.pxU, 0, 0, this.pxV, this.left, this.top]);
    const outlines = this.slices.outlines(this.plane, this.position, shift);
    context.globalAlpha = Math.min(1, 2 * view.opacity); // a thin line at half strength would be lost
    for (const { id, rgb } of this.scan.organs) {
      const outline = outlines.get(id);
      if (!view.organs.has(id) || !outline) continue;
      const path = new Path2D();
      path.addPath(outline, toCanvas);
      context.setLineDash(dashed ? DASH_PX.map((px) => px * this.pixelRatio) : []);
      this.stroke(path, "rgb(0 0 0 / 45%)", line * 2); // a dark rim keeps the colour visible on bright bowel
      this.stroke(path, `rgb(${rgb.join(" ")})`, line);
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** @param {Path2D} path @param {string} colour @param {number} width canvas pixels */
  stroke(path, colour, width) {
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    this.context.stroke(path);
  }

  /**
   * White text with a dark rim.
   * @param {string} text
   * @param {number} x canvas pixels
   * @param {number} y @param {CanvasTextAlign} [align]
   */
  write(text, x, y, align = "left") {
    const { context, pixelRatio } = this;
    Object.assign(context, { font: `600 ${12 * pixelRatio}px sans-serif`, textBaseline: "middle", textAlign: align });
    Object.assign(context, { strokeStyle: "rgb(0 0 0 / 80%)", lineWidth: 3 * pixelRatio, lineJoin: "round", fillStyle: "#fff" });
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}
