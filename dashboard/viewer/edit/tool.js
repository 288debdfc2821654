// Brush, eraser and fill as one tool of the viewer: the pointer on the correction's axial picture.

import { CORRECTION } from "../blend.js";

/**
 * @import { Session } from "./session.js"
 * @import { Axis, Hit, Pane, Tool } from "../types.d.ts"
 * @typedef {"brush" | "eraser" | "bucket"} ToolName
 */

/** @implements {Tool} */
export class DrawTool {
  cursor = "crosshair";

  /** @param {ToolName} name @param {Session} session */
  constructor(name, session) {
    this.name = name;
    this.session = session;
    /** @type {Hit | null} */
    this.hover = null;
  }

  /** @param {Hit} hit @param {PointerEvent} event */
  down({ pane, plane, position, voxel }, event) {
    const { editor } = this.session;
    // With Shift a drag pans, whatever the tool.
    if (!editor || !voxel || plane !== "axial" || pane.content !== "correction" || event.shiftKey) return false;
    this.session.noteActivity();
    if (this.name === "bucket") this.session.tell(editor.fill(position, voxel));
    else {
      editor.press(position, voxel, this.name === "eraser");
      this.session.viewer.labelsChanged(CORRECTION, [position]);
    }
    return true;
  }

  /** @param {Hit} hit */
  move(hit) {
    this.hover = hit;
    const { editor, viewer } = this.session;
    if (editor?.pressed) {
      editor.drag({ x: Math.floor(hit.u), y: Math.floor(hit.v) });
      viewer.labelsChanged(CORRECTION, [editor.pressed.z]);
    } else viewer.redraw();
  }

  up() {
    if (this.session.editor?.pressed) this.session.editor.lift();
  }

  leave() {
    this.hover = null;
    this.session.viewer.redraw();
  }

  /**
   * The brush's rim, in every axial pane, so that it can be held against the reference.
   * @param {CanvasRenderingContext2D} context @param {Pane} pane
   */
  paint(context, pane) {
    const { editor } = this.session;
    if (!editor || !this.hover?.voxel || this.hover.plane !== "axial" || pane.plane !== "axial" || this.name === "bucket") return;
    const { organ, diameter } = editor.settings;
    const { step, organs } = editor.scan;
    const [x, y] = pane.toScreen(this.hover.voxel.x + 0.5, this.hover.voxel.y + 0.5);
    const radius = (/** @type {Axis} */ axis, /** @type {number} */ px) => Math.max(0.5, diameter / 2 / step[axis]) * px;
    const rim = new Path2D();
    rim.ellipse(x, y, radius("x", pane.pxU), radius("y", pane.pxV), 0, 0, 2 * Math.PI);
    const rgb = organs.find(({ id }) => id === organ)?.rgb ?? [];
    pane.stroke(rim, "rgb(0 0 0 / 70%)", 3.5 * pane.pixelRatio);
    pane.stroke(rim, this.name === "eraser" ? "#fff" : `rgb(${rgb.join(" ")})`, 1.5 * pane.pixelRatio);
  }
}
