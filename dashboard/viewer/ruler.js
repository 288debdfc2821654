// Rulers: drawn by a drag in any plane, read in mm, kept on their slice until they are deleted or another scan is opened.


/**
 * @import { Hit, Pane, PlaneName, Scan, Tool, Viewer } from "./types.d.ts"
 * @typedef {{plane: PlaneName, position: number, from: [number, number], to: [number, number]}} Line
 */

const END_PX = 4;
const SHORT_PX = 5; // CSS pixels; less is a click, and no ruler

/** @implements {Tool} */
export class Ruler {
  name = "ruler";
  cursor = "crosshair";

  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {Line | null} */
    this.drawing = null;
    viewer.addPainter((context, pane) => this.paintAll(pane));
    viewer.addEventListener("scan", () => (this.lines = []));
  }

  toggle() {
    this.viewer.setTool(this.viewer.tool === this ? null : this);
  }

  /** @param {Hit} hit */
  down({ plane, position, u, v, voxel }) {
    if (!voxel) return false;
    this.drawing = { plane, position, from: [u, v], to: [u, v] };
    this.lines.push(this.drawing);
    return true;
  }

  /** @param {Hit} hit */
  move({ pane, plane, position, u, v }) {
    const { drawing } = this;
    if (!drawing || plane !== drawing.plane || position !== drawing.position) return;
    const { size, planes } = pane.scan;
    const { across, down } = planes[plane];
    drawing.to = [Math.min(size[across], Math.max(0, u)), Math.min(size[down], Math.max(0, v))];
    this.viewer.redraw();
  }

  /** @param {Hit} hit */
  up({ pane }) {
    const { drawing } = this;
    this.drawing = null;
    if (!drawing) return;
    const [ax, ay] = pane.toScreen(...drawing.from);
    const [bx, by] = pane.toScreen(...drawing.to);
    if (Math.hypot(bx - ax, by - ay) < SHORT_PX * pane.pixelRatio) this.lines.pop();
    else this.viewer.announce(`Ruler: ${this.textOf(pane.scan, drawing)}`);
    this.viewer.redraw();
  }

  removeLast() {
    if (this.lines.pop()) this.viewer.redraw();
  }

  /** A line's length in mm, or in native pixels where the spacing is unknown. @param {Scan} scan @param {Line} line */
  textOf({ step, millimetres, planes }, { plane, from, to }) {
    const { across, down } = planes[plane];
    const length = Math.hypot((to[0] - from[0]) * step[across], (to[1] - from[1]) * step[down]);
    return millimetres ? `${length.toFixed(1)} mm` : `${length.toFixed(1)} px`;
  }

  /** @param {Pane} pane */
  paintAll(pane) {
    for (const line of this.lines) {
      if (line.plane === pane.plane && line.position === pane.position) this.paintLine(pane, line);
    }
  }

  /** @param {Pane} pane @param {Line} line */
  paintLine(pane, line) {
    const { context, pixelRatio } = pane;
    const [ax, ay] = pane.toScreen(...line.from);
    const [bx, by] = pane.toScreen(...line.to);
    const path = new Path2D();
    path.moveTo(ax, ay);
    path.lineTo(bx, by);
    for (const [x, y] of [[ax, ay], [bx, by]]) {
      path.moveTo(x + END_PX * pixelRatio, y);
      path.arc(x, y, END_PX * pixelRatio, 0, 2 * Math.PI);
    }
    pane.stroke(path, "rgb(0 0 0 / 75%)", 4 * pixelRatio);
    pane.stroke(path, "#ffe08a", 1.75 * pixelRatio);
    context.save();
    pane.write(this.textOf(pane.scan, line), Math.max(ax, bx) + 8 * pixelRatio, ax > bx ? ay : by);
    context.restore();
  }
}
