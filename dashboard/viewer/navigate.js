// Where the reader goes and points: slices, voxels, places of disagreement.

import { nextDifference } from "./compare.js";
import { positionOf } from "./scan.js";
import { clamp } from "./zoom.js";

/** @import { Hit, Pane, Viewer, Voxel } from "./types.d.ts" */

/** @param {Viewer} viewer @param {number} position of an axial slice; the nearest that there is */
export function goTo(viewer, position) {
  goToVoxel(viewer, { ...viewer.view.at, z: position });
}

/** @param {Viewer} viewer @param {number | null} number of the slice; the nearest that there is */
export function goToNumber(viewer, number) {
  if (viewer.scan && number !== null && Number.isFinite(number)) goTo(viewer, positionOf(viewer.scan, number));
  viewer.redraw(); // a refused entry goes back to the present number
}

/** @param {Viewer} viewer @param {Voxel} voxel the nearest that there is */
export function goToVoxel(viewer, { x, y, z }) {
  if (!viewer.scan) return;
  const { size } = viewer.scan;
  viewer.change({ at: { x: clamp(x, 0, size.x - 1), y: clamp(y, 0, size.y - 1), z: clamp(z, 0, size.z - 1) } });
}

/**
 * Scrolls the plane of a pane, by default of the one that was touched last.
 * @param {Viewer} viewer @param {number} slices @param {Pane} [pane]
 */
export function step(viewer, slices, pane = viewer.panes[viewer.active]) {
  if (!viewer.scan) return;
  const { through } = viewer.scan.planes[pane.plane];
  goToVoxel(viewer, { ...viewer.view.at, [through]: viewer.view.at[through] + slices });
}

/** @param {Viewer} viewer @param {1 | -1} direction @param {number} [below] see nextDifference */
export function goToDifference(viewer, direction, below) {
  if (!viewer.scan) return;
  const position = nextDifference(viewer.scan.counts, viewer.view.at.z, direction, viewer.view.organs, below);
  if (position >= 0) goTo(viewer, position);
  else viewer.announce(direction > 0 ? "No further slice differs." : "No earlier slice differs.");
}

/** The reader means this voxel. @param {Viewer} viewer @param {Pick<Hit, "voxel">} hit */
export function pick(viewer, { voxel }) {
  if (!voxel || !viewer.scan) return;
  viewer.change({ picked: voxel, at: voxel });
  const place = { slice: viewer.scan.sliceNumbers[voxel.z], x: voxel.x, y: voxel.y };
  viewer.root.dispatchEvent(new CustomEvent("gutcheck-pick", { bubbles: true, composed: true, detail: place })); // for page_keys.js
  viewer.setTriggerValue("pick", { url: viewer.data.url, ...place });
}

/** Shows the place under the pointer in the other panes, and reads it off. @param {Viewer} viewer @param {Hit | null} hit */
export function pointAt(viewer, hit) {
  if (!hit?.voxel && !viewer.hover) return;
  viewer.hover = hit?.voxel ? hit : null;
  viewer.redraw();
}
