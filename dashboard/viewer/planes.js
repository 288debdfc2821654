// The three planes of a scan: which axes a picture shows, how large a voxel is in it, and its grey values and labels.

/** @import { Axis, PlaneName, Scan, Voxel } from "./types.d.ts" */

/** @type {Record<PlaneName, {title: string, across: "x" | "y", down: "y" | "z", through: Axis}>} */
export const PLANES = {
  axial: { title: "Axial", across: "x", down: "y", through: "z" },
  coronal: { title: "Coronal", across: "x", down: "z", through: "y" },
  sagittal: { title: "Sagittal", across: "y", down: "z", through: "x" },
};

/**
 * Width and height of a plane's picture, in mm (or in voxel sides where the spacing is unknown).
 * @param {Scan} scan @param {PlaneName} plane
 */
export function extent(scan, plane) {
  const { across, down } = PLANES[plane];
  return { width: scan.size[across] * scan.step[across], height: scan.size[down] * scan.step[down] };
}

/**
 * The voxel that lies at (u, v) of a picture, or null beside it.
 * @param {Scan} scan @param {PlaneName} plane @param {number} position @param {number} u @param {number} v
 */
export function voxelOf(scan, plane, position, u, v) {
  const { across, down, through } = PLANES[plane];
  const [a, d] = [Math.floor(u), Math.floor(v)];
  if (!(a >= 0 && d >= 0 && a < scan.size[across] && d < scan.size[down])) return null;
  return /** @type {Voxel} */ (/** @type {unknown} */ ({ [across]: a, [down]: d, [through]: position }));
}

/** Index of a voxel in the scan's arrays. @param {Scan} scan @param {Voxel} voxel */
export function indexOf(scan, { x, y, z }) {
  return (z * scan.size.y + y) * scan.size.x + x;
}

