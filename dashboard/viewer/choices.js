// What the reader chooses to see: layout, contents, planes, organs and overlay.

import { layoutOf, layoutsOf, PLANE_NAMES, withLayout } from "./layout.js";
import { showOther } from "./shown.js";
import { clamp } from "./zoom.js";

/** @import { PlaneName, Viewer } from "./types.d.ts" */

/** @param {Viewer} viewer @param {string} name of LAYOUTS */
export function setLayout(viewer, name) {
  viewer.active = 0;
  viewer.change(withLayout(viewer.view, name, viewer.scan?.drawn));
  viewer.layOut();
}

/** @param {Viewer} viewer */
export function nextLayout(viewer) {
  const names = layoutsOf(viewer.scan);
  setLayout(viewer, names[(names.indexOf(layoutOf(viewer.view.panes)) + 1) % names.length]);
}

/** @param {Viewer} viewer @param {number} index of the pane @param {string} value a content, or other:RUN/EVALUATION */
export function showContent(viewer, index, value) {
  const [content, ...id] = value.split(":");
  const panes = viewer.view.panes.map((pane, i) => (i === index ? { ...pane, content } : pane));
  viewer.change({ panes, ...(content === "other" && { other: id.join(":") }) });
  if (content === "other") showOther(viewer, viewer.view.other);
  viewer.layOut();
}

/** @param {Viewer} viewer @param {number} index of the pane @param {PlaneName} plane */
export function showPlane(viewer, index, plane) {
  viewer.change({ panes: viewer.view.panes.map((pane, i) => (i === index ? { ...pane, plane } : pane)) });
  viewer.layOut();
}

/** Another plane for all panes; where each has its own, the keys go to the next pane. @param {Viewer} viewer */
export function nextPlane(viewer) {
  const { panes } = viewer.view;
  if (layoutOf(panes) === "planes") {
    viewer.active = (viewer.active + 1) % panes.length;
    viewer.redraw();
    return;
  }
  const plane = PLANE_NAMES[(PLANE_NAMES.indexOf(panes[0].plane) + 1) % PLANE_NAMES.length];
  viewer.change({ panes: panes.map((pane) => ({ ...pane, plane })) });
  viewer.layOut();
}

/** @param {Viewer} viewer @param {number} id */
export function toggleOrgan(viewer, id) {
  const organs = new Set(viewer.view.organs);
  if (!organs.delete(id)) organs.add(id);
  viewer.change({ organs, hidden: false });
}

/** @param {Viewer} viewer */
export function toggleHidden(viewer) {
  viewer.change({ hidden: !viewer.view.hidden });
}

/** @param {Viewer} viewer */
export function toggleMode(viewer) {
  viewer.change({ mode: viewer.view.mode === "fill" ? "contour" : "fill", hidden: false });
}

/** @param {Viewer} viewer @param {number} step */
export function addOpacity(viewer, step) {
  viewer.change({ opacity: Math.round(clamp(viewer.view.opacity + step, 0, 1) * 100) / 100, hidden: false });
}
