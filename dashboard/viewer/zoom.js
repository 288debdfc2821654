// Zoom and pan: the scale and the centre that all panes share.

import { paintedChoice } from "./shown.js";

/** @import { Axis, Hit, Pane, Scan, View, Viewer, Voxel } from "./types.d.ts" */

const MOST_ZOOM = 32;

/** Places the panes that are shown, at one scale, so that a centimetre is as long in each of them. @param {Viewer} viewer */
export function placePanes(viewer) {
  const { view } = viewer;
  const shown = viewer.shownPanes();
  const scale = view.zoom * Math.min(...shown.map((pane, i) => pane.fittingScale(view.panes[i].plane)));
  shown.forEach((pane, i) => pane.place(paintedChoice(viewer, view.panes[i]), view, scale));
  return shown;
}

/** The view's centre in voxels, also where nobody has moved it. @param {View} view @param {Scan} scan @returns {Voxel} */
export function centreOf({ centre }, { size }) {
  return centre ?? { x: size.x / 2, y: size.y / 2, z: size.z / 2 };
}

/** @param {Viewer} viewer @param {Pane} pane @param {number} dx CSS pixels @param {number} dy */
export function pan(viewer, pane, dx, dy) {
  viewer.change({ centre: pannedCentre(pane, centreOf(viewer.view, pane.scan), dx, dy) });
  placePanes(viewer);
}

/**
 * @param {Viewer} viewer @param {Pane} pane
 * @param {{clientX: number, clientY: number} | null} point that stays where it is; null for the pane's middle
 * @param {number} factor
 */
export function zoomAt(viewer, pane, point, factor) {
  const { view } = viewer;
  const zoom = clamp(view.zoom * factor, 1, MOST_ZOOM);
  const here = centreOf(view, pane.scan);
  const centre = zoom === 1 ? null : point ? zoomedCentre(pane, here, pane.hitAt(point), zoom / view.zoom) : here;
  viewer.change({ zoom, centre });
  placePanes(viewer);
}

/**
 * The view's centre after a drag of (dx, dy) CSS pixels; the scan's middle never leaves it by more than the scan.
 * @param {Pick<Pane, "plane" | "scan" | "pixelRatio" | "pxU" | "pxV">} pane @param {Voxel} centre @param {number} dx
 * @param {number} dy @returns {Voxel}
 */
export function pannedCentre(pane, centre, dx, dy) {
  const { across, down } = pane.scan.planes[pane.plane];
  const { size } = pane.scan;
  const moved = { ...centre };
  moved[across] = clamp(centre[across] - (dx * pane.pixelRatio) / pane.pxU, 0, size[across]);
  moved[down] = clamp(centre[down] - (dy * pane.pixelRatio) / pane.pxV, 0, size[down]);
  return moved;
}

/**
 * The view's centre that keeps a point of the picture where it is while the scale grows by `factor`.
 * @param {Pick<Pane, "plane" | "scan">} pane @param {Voxel} centre @param {Pick<Hit, "u" | "v">} hit @param {number} factor
 * @returns {Voxel}
 */
export function zoomedCentre(pane, centre, hit, factor) {
  const { across, down } = pane.scan.planes[pane.plane];
  const { size } = pane.scan;
  const towards = (/** @type {Axis} */ axis, /** @type {number} */ at) => clamp(at - (at - centre[axis]) / factor, 0, size[axis]);
  return { ...centre, [across]: towards(across, hit.u), [down]: towards(down, hit.v) };
}

/** @param {number} value @param {number} least @param {number} most */
export function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
