// Hands on the pictures: wheel, mouse, pen and fingers.
//
//   wheel                 scrolls the plane under the pointer; with Ctrl (or a trackpad's pinch) zooms there
//   left button           the chosen tool, else pans; with the cross-hair shown it moves that (Shift pans)
//   middle, right button  pan; window and level
//   click                 picks the voxel
//   one finger            scrolls the slices; pans once zoomed in. Two fingers pinch and pan. A tap picks

import { draggedWindow, shownWindow } from "./levels.js";
import { PLANES } from "./planes.js";

const WHEEL_NOTCH = 50; // CSS pixels; a mouse's notch sends 100 or more, a trackpad many small ones
const TRACKPAD_SLICE = 30;
const FINGER_SLICE = 14;
const STILL_PX = 4; // less movement than this is a click
const MIDDLE = 1;
const RIGHT = 2;

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** @param {Viewer} viewer */
export function wirePointer(viewer) {
  const hands = new Hands(viewer);
  const options = { passive: false, signal: viewer.listening.signal };
  viewer.addEventListener("scan", () => hands.letGo());
  for (const pane of viewer.panes) {
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
  constructor(viewer) {
    this.viewer = viewer;
    this.touching = new Map(); // pointers that are down, by id
    this.stroke = null; // what the pointers that are down do
    this.rest = 0; // of a wheel's movement, less than a slice
  }

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

  begin(pane, event) {
    const { view, tool, scan } = this.viewer;
    const hit = pane.hitAt(event);
    const kind = this.kindOf(event, view);
    const taken = kind !== "window" && event.button === 0 && tool?.down(hit, event);
    this.stroke = { kind: taken ? "tool" : kind, start: event, last: event, moved: false, window: shownWindow(scan, view) };
  }

  kindOf({ button, pointerType, shiftKey }, view) {
    if (button === RIGHT) return "window";
    if (button === MIDDLE || shiftKey) return "pan";
    if (view.cross) return "cross";
    return pointerType === "touch" && view.zoom <= 1 ? "scroll" : "pan";
  }

  beginPinch(pane, event) {
    if (this.stroke?.kind === "tool") this.viewer.tool?.up?.(pane.hitAt(event), event);
    this.stroke = { kind: "pinch", moved: true, fingers: this.fingers() };
  }

  /** The middle between two fingers and their distance. */
  fingers() {
    const [a, b] = [...this.touching.values()];
    const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
    return { middle, apart: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)) };
  }

  move(pane, event) {
    const { viewer, stroke } = this;
    const hit = pane.hitAt(event);
    viewer.pointAt(hit);
    if (this.touching.has(event.pointerId)) this.touching.set(event.pointerId, event);
    if (!stroke || stroke.kind === "tool") viewer.tool?.move?.(hit, event);
    if (!stroke || stroke.kind === "tool") return;
    if (stroke.kind === "pinch") this.pinch(pane);
    else this.drag(pane, hit, event);
  }

  pinch(pane) {
    if (this.touching.size < 2) return;
    const { fingers } = this.stroke;
    const now = this.fingers();
    this.viewer.pan(pane, now.middle.clientX - fingers.middle.clientX, now.middle.clientY - fingers.middle.clientY);
    this.viewer.zoomAt(pane, now.middle, now.apart / fingers.apart);
    this.stroke.fingers = now;
  }

  drag(pane, hit, event) {
    const { viewer, stroke } = this;
    const [dx, dy] = [event.clientX - stroke.start.clientX, event.clientY - stroke.start.clientY];
    if (!stroke.moved && Math.hypot(dx, dy) < STILL_PX) return;
    stroke.moved = true;
    if (stroke.kind === "window") viewer.change({ window: draggedWindow(viewer.scan, stroke.window, dx, dy) });
    else if (stroke.kind === "cross") hit.voxel && viewer.goToVoxel(hit.voxel);
    else if (stroke.kind === "scroll") this.scroll(pane, event);
    else viewer.pan(pane, event.clientX - stroke.last.clientX, event.clientY - stroke.last.clientY);
    if (stroke.kind !== "scroll") stroke.last = event;
  }

  scroll(pane, event) {
    const slices = Math.trunc((this.stroke.last.clientY - event.clientY) / FINGER_SLICE);
    if (!slices) return;
    this.stroke.last = event;
    this.viewer.step(slices, pane);
  }

  up(pane, event, cancelled = false) {
    const { viewer, stroke } = this;
    this.touching.delete(event.pointerId);
    if (!stroke) return;
    if (stroke.kind === "tool") viewer.tool?.up?.(pane.hitAt(event), event);
    else if (!stroke.moved && !cancelled && event.button === 0) viewer.pick(pane.hitAt(event));
    if (!this.touching.size || stroke.kind !== "pinch") this.stroke = null;
  }

  /** Another scan has come under the hand. */
  letGo() {
    this.touching.clear();
    Object.assign(this, { stroke: null, rest: 0 });
  }

  leave() {
    if (this.stroke) return;
    this.viewer.pointAt(null);
    this.viewer.tool?.leave?.();
  }

  wheel(pane, event) {
    event.preventDefault();
    const delta = event.deltaMode ? event.deltaY * WHEEL_NOTCH : event.deltaY;
    const isNotch = Math.abs(delta) >= WHEEL_NOTCH;
    if (event.ctrlKey || event.metaKey) {
      this.viewer.zoomAt(pane, event, Math.exp(-delta * (isNotch ? 0.002 : 0.01)));
      return;
    }
    this.viewer.activate(pane);
    this.rest = isNotch ? Math.sign(delta) * TRACKPAD_SLICE : this.rest + delta;
    const slices = Math.trunc(this.rest / TRACKPAD_SLICE);
    this.rest -= slices * TRACKPAD_SLICE;
    if (slices) this.viewer.step(slices, pane);
    this.viewer.pointAt(pane.hitAt(event));
  }
}

/** The view's centre after a drag of (dx, dy) CSS pixels; the scan's middle never leaves it by more than the scan. */
export function pannedCentre(pane, centre, dx, dy) {
  const { across, down } = PLANES[pane.plane];
  const { size } = pane.scan;
  const moved = { ...centre };
  moved[across] = clamp(centre[across] - (dx * pane.pixelRatio) / pane.pxU, 0, size[across]);
  moved[down] = clamp(centre[down] - (dy * pane.pixelRatio) / pane.pxV, 0, size[down]);
  return moved;
}

/** The view's centre that keeps a point of the picture where it is while the scale grows by `factor`. */
export function zoomedCentre(pane, centre, hit, factor) {
  const { across, down } = PLANES[pane.plane];
  const { size } = pane.scan;
  const towards = (axis, at) => clamp(at - (at - centre[axis]) / factor, 0, size[axis]);
  return { ...centre, [across]: towards(across, hit.u), [down]: towards(down, hit.v) };
}

export function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
