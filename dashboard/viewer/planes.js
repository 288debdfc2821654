// The three planes of a scan: which axes a picture shows and what lies at its edges, how large a voxel is in it, and its voxels.

/** @import { Axis, Plane, PlaneName, Scan, Voxel } from "./types.d.ts" */

/**
 * The planes where nobody knows how the patient lies, by the names that links use: the slices as they are stored are "axial"
 * there, whatever they show. @type {Record<PlaneName, Plane>}
 */
export const PLANES = {
  axial: { title: "Slices", across: "x", down: "y", through: "z" },
  coronal: { title: "Rows", across: "x", down: "z", through: "y" },
  sagittal: { title: "Columns", across: "y", down: "z", through: "x" },
};

/** @type {Record<string, string>} by where the axis through it leads */
const TITLES = { I: "Axial", S: "Axial", A: "Coronal", P: "Coronal", L: "Sagittal", R: "Sagittal" };
/** What a reader sees at an edge: F and H, of the feet and the head, as MR has them. @type {Record<string, string>} */
const SHOWN = { L: "L", R: "R", A: "A", P: "P", I: "F", S: "H" };
/** And at the one opposite. @type {Record<string, string>} */
const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", I: "H", S: "F" };
const RANKS = ["LR", "AP", "IS"]; // of two axes the later leads down: from the front to the back, from the head to the feet

/**
 * The planes of a scan, called by what they show of the patient, with the patient's sides at their edges.
 * @param {string | null | undefined} orientation where slices, rows and columns lead, such as IPL; nothing where nobody knows
 * @returns {Record<PlaneName, Plane>}
 */
export function planesOf(orientation) {
  if (!orientation) return PLANES;
  /** @type {Record<Axis, string>} */
  const leads = { z: orientation[0], y: orientation[1], x: orientation[2] };
  const rank = (/** @type {Axis} */ axis) => RANKS.findIndex((pair) => pair.includes(leads[axis]));
  const known = (/** @type {Plane} */ plane) => {
    const { through } = plane;
    // The slices themselves stay as they are stored: they are what is drawn on.
    const [across, down] = through !== "z" && rank(plane.across) > rank(plane.down) ? [plane.down, plane.across] : [plane.across, plane.down];
    const [right, bottom] = [leads[across], leads[down]];
    const edges = { top: OPPOSITE[bottom], right: SHOWN[right], bottom: SHOWN[bottom], left: OPPOSITE[right] };
    return { title: TITLES[leads[through]], across, down, through, edges };
  };
  return { axial: known(PLANES.axial), coronal: known(PLANES.coronal), sagittal: known(PLANES.sagittal) };
}

/**
 * Width and height of a plane's picture, in mm (or in voxel sides where the spacing is unknown).
 * @param {Scan} scan @param {PlaneName} plane
 */
export function extent(scan, plane) {
  const { across, down } = scan.planes[plane];
  return { width: scan.size[across] * scan.step[across], height: scan.size[down] * scan.step[down] };
}

/**
 * The voxel that lies at (u, v) of a picture, or null beside it.
 * @param {Scan} scan @param {PlaneName} plane @param {number} position @param {number} u @param {number} v
 */
export function voxelOf(scan, plane, position, u, v) {
  const { across, down, through } = scan.planes[plane];
  const [a, d] = [Math.floor(u), Math.floor(v)];
  if (!(a >= 0 && d >= 0 && a < scan.size[across] && d < scan.size[down])) return null;
  return /** @type {Voxel} */ (/** @type {unknown} */ ({ [across]: a, [down]: d, [through]: position }));
}

/** Index of a voxel in the scan's arrays. @param {Scan} scan @param {Voxel} voxel */
export function indexOf(scan, { x, y, z }) {
  return (z * scan.size.y + y) * scan.size.x + x;
}
