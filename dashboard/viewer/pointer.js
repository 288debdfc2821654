// Hands on the pictures: wheel, mouse, pen and fingers.
//
//   wheel                 scrolls the plane under the pointer; with Ctrl (or a trackpad's pinch) zooms there
//   left button           the chosen tool, else pans; with the cross-hair shown it moves that (Shift pans)
//   middle, right button  pan; window and level
//   click                 picks the voxel
//   one finger            scrolls the slices; pans once zoomed in. Two fingers pinch and pan. A tap picks

import { draggedWindow, shownWindow } from "./levels.js";
import { goToVoxel, pick, pointAt, step } from "./navigate.js";
import { pan, zoomAt } from "./zoom.js";

const WHEEL_NOTCH = 50; // CSS pixels; a mouse's notch sends 100 or more, a trackpad many small ones
const TRACKPAD_SLICE = 30;
const FINGER_SLICE = 14;
const STILL_PX = 4; // less movement than this is a click
const MIDDLE = 1;
const RIGHT = 2;

/**
 * @import { GreyWindow, Hit, OpenViewer, Pane, View, Viewer } from "./types.d.ts"
 * @typedef {{clientX: number, clientY: number}} Point
 * @typedef {{middle: Point, apart: number}} Fingers
 * @typedef {object} Stroke what the pointers that are down do
 * @property {"tool" | "window" | "pan" | "cross" | "scroll" | "pinch"} kind
 * @property {Point} start
 * @property {Point} last
 * @property {boolean} moved
 * @property {GreyWindow} window at its start
 * @property {Fingers} [fingers] of a pinch
 */

/** @param {Viewer} viewer */
export function wirePointer(viewer) {
  const hands = new Hands(/** @type {OpenViewer} */ (viewer)); // it hears of no pointer before
  const options = { passive: false, signal: viewer.listening.signal };
  viewer.addEventListener("scan", () => hands.letGo());
  for (const pane of viewer.panes) {
    /**
     * @type {<Name extends keyof HTMLElementEventMap>(name: Name, handle: (event: HTMLElementEventMap[Name]) => void) => void}
     */
    const on = (name, handle) => pane.canvas.addEventListener(name, (event) => viewer.scan && handle(event), options);
    on("pointerdown", (event) => hands.down(pane, event));
    on("pointermove", (event) => hands.move(pane, event));
    on("pointerup", (event) => hands.up(pane, event));
    on("pointercancel", (event) => hands.up(pane, event, true));
    on("pointerleave", () => hands.leave());
    on("wheel", (event) => hands.wheel(pane, event));
    on("contextmenu", (event) => event.preventDefault());
  }
}

class Hands {
  /** @param {OpenViewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {Map<number, PointerEvent>} */
    this.touching = new Map(); // pointers that are down, by id
    /** @type {Stroke | null} */
    this.stroke = null;
    this.rest = 0; // of a wheel's movement, less than a slice
  }

  /** @param {Pane} pane @param {PointerEvent} event */
  down(pane, event) {
    const { viewer } = this;
    event.preventDefault(); // no selection, no scrolling by the middle button
    pane.canvas.setPointerCapture(event.pointerId);
    viewer.activate(pane);
    viewer.focus();
    this.touching.set(event.pointerId, event);
    if (this.touching.size === 2) this.beginPinch(pane, event);
    else if (this.touching.size === 1) this.begin(pane, event);
  }

  /** @param {Pane} pane @param {PointerEvent} event */
  begin(pane, event) {
    const { view, tool, scan } = this.viewer;
    const hit = pane.hitAt(event);
    const kind = this.kindOf(event, view);
    const taken = kind !== "window" && event.button === 0 && tool?.down(hit, event);
    this.stroke = { kind: taken ? "tool" : kind, start: event, last: event, moved: false, window: shownWindow(scan, view) };
  }

  /** @param {PointerEvent} event @param {View} view @returns {Stroke["kind"]} */
  kindOf({ button, pointerType, shiftKey }, view) {
    if (button === RIGHT) return "window";
    if (button === MIDDLE || shiftKey) return "pan";
    if (view.cross) return "cross";
    return pointerType === "touch" && view.zoom <= 1 ? "scroll" : "pan";
  }

  /** @param {Pane} pane @param {PointerEvent} event */
  beginPinch(pane, event) {
    if (this.stroke?.kind === "tool") this.viewer.tool?.up?.(pane.hitAt(event), event);
    const window = shownWindow(this.viewer.scan, this.viewer.view);
    this.stroke = { kind: "pinch", start: event, last: event, moved: true, window, fingers: this.fingers() };
  }

  /** The middle between two fingers and their distance. @returns {Fingers} */
  fingers() {
    const [a, b] = [...this.touching.values()];
    const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
    return { middle, apart: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)) };
  }

  /** @param {Pane} pane @param {PointerEvent} event */
  move(pane, event) {
    const { viewer, stroke } = this;
    const hit = pane.hitAt(event);
    pointAt(viewer, hit);
    if (this.touching.has(event.pointerId)) this.touching.set(event.pointerId, event);
    if (!stroke || stroke.kind === "tool") viewer.tool?.move?.(hit, event);
    if (!stroke || stroke.kind === "tool") return;
    if (stroke.fingers) this.pinch(pane, stroke, stroke.fingers);
    else this.drag(pane, stroke, hit, event);
  }

  /** @param {Pane} pane @param {Stroke} stroke @param {Fingers} before */
  pinch(pane, stroke, before) {
    if (this.touching.size < 2) return;
    const now = this.fingers();
    pan(this.viewer, pane, now.middle.clientX - before.middle.clientX, now.middle.clientY - before.middle.clientY);
    zoomAt(this.viewer, pane, now.middle, now.apart / before.apart);
    stroke.fingers = now;
  }

  /** @param {Pane} pane @param {Stroke} stroke @param {Hit} hit @param {PointerEvent} event */
  drag(pane, stroke, hit, event) {
    const { viewer } = this;
    const [dx, dy] = [event.clientX - stroke.start.clientX, event.clientY - stroke.start.clientY];
    if (!stroke.moved && Math.hypot(dx, dy) < STILL_PX) return;
    stroke.moved = true;
    if (stroke.kind === "window") viewer.change({ window: draggedWindow(viewer.scan, stroke.window, dx, dy) });
    else if (stroke.kind === "cross" && hit.voxel) goToVoxel(viewer, hit.voxel);
    else if (stroke.kind === "scroll") this.scroll(pane, stroke, event);
    else if (stroke.kind === "pan") pan(viewer, pane, event.clientX - stroke.last.clientX, event.clientY - stroke.last.clientY);
    if (stroke.kind !== "scroll") stroke.last = event;
  }

  /** @param {Pane} pane @param {Stroke} stroke @param {PointerEvent} event */
  scroll(pane, stroke, event) {
    const slices = Math.trunc((stroke.last.clientY - event.clientY) / FINGER_SLICE);
    if (!slices) return;
    stroke.last = event;
    step(this.viewer, slices, pane);
  }

  /** @param {Pane} pane @param {PointerEvent} event @param {boolean} [cancelled] */
  up(pane, event, cancelled = false) {
    const { viewer, stroke } = this;
    this.touching.delete(event.pointerId);
    if (!stroke) return;
    if (stroke.kind === "tool") viewer.tool?.up?.(pane.hitAt(event), event);
    else if (!stroke.moved && !cancelled && event.button === 0) pick(viewer, pane.hitAt(event));
    if (!this.touching.size || stroke.kind !== "pinch") this.stroke = null;
  }

  /** Another scan has come under the hand. */
  letGo() {
    this.touching.clear();
    Object.assign(this, { stroke: null, rest: 0 });
  }

  leave() {
    if (this.stroke) return;
    pointAt(this.viewer, null);
    this.viewer.tool?.leave?.();
  }

  /** @param {Pane} pane @param {WheelEvent} event */
  wheel(pane, event) {
    event.preventDefault();
    const delta = event.deltaMode ? event.deltaY * WHEEL_NOTCH : event.deltaY;
    const isNotch = Math.abs(delta) >= WHEEL_NOTCH;
    if (event.ctrlKey || event.metaKey) {
      zoomAt(this.viewer, pane, event, Math.exp(-delta * (isNotch ? 0.002 : 0.01)));
      return;
    }
    this.viewer.activate(pane);
    this.rest = isNotch ? Math.sign(delta) * TRACKPAD_SLICE : this.rest + delta;
    const slices = Math.trunc(this.rest / TRACKPAD_SLICE);
    this.rest -= slices * TRACKPAD_SLICE;
    if (slices) step(this.viewer, slices, pane);
    pointAt(this.viewer, pane.hitAt(event));
  }
}
