// What lies under the pointer, in words: place, intensity, classes and confidence.

import { CORRECTION, errorKind, OTHER, PREDICTION, REFERENCE } from "./blend.js";
import { ownValue } from "./levels.js";
import { indexOf } from "./planes.js";

/** @import { Axis, OpenViewer, Scan, Voxel } from "./types.d.ts" */

const NO_MM = "Voxel spacing unknown or axes not at right angles: lengths in pixels, planes not to scale";

/** @param {OpenViewer} viewer */
export function syncReadout(viewer) {
  const { scan, hover, view } = viewer;
  const voxel = hover?.voxel ?? (view.cross ? view.at : null);
  const text = voxel ? readout(viewer, scan, voxel) : scan.millimetres ? "" : NO_MM;
  if (viewer.part("readout").textContent !== text) viewer.part("readout").textContent = text;
}

/** @param {OpenViewer} viewer @param {Scan} scan @param {Voxel} voxel */
function readout(viewer, scan, voxel) {
  const parts = [place(scan, voxel), `slice ${scan.sliceNumbers[voxel.z]}`, intensity(scan, voxel)];
  const label = scan.labels[indexOf(scan, voxel)];
  const organ = (/** @type {number} */ shift) => scan.organs.find(({ id }) => id === ((label >> shift) & 3));
  const title = (/** @type {number} */ shift) => organ(shift)?.title.toLowerCase() ?? "background";
  if (!scan.drawn) return parts.join(" · ");
  parts.push(`reference ${title(REFERENCE)}`, `prediction ${title(PREDICTION)}`);
  if (viewer.layers.has("other")) parts.push(`other run ${title(OTHER)}`);
  if (viewer.layers.has("correction")) parts.push(`correction ${title(CORRECTION)}`);
  const kind = errorKind((label >> REFERENCE) & 3, (label >> PREDICTION) & 3);
  const error = scan.errorKinds.find(({ name }) => name === kind && name !== "agreement");
  if (error) parts.push(error.title.toLowerCase());
  return [...parts, ...confidence(scan, voxel, (label >> PREDICTION) & 3)].join(" · ");
}

/** @param {Scan} scan @param {Voxel} voxel */
function place(scan, { x, y, z }) {
  if (!scan.millimetres) return `column ${x}, row ${y}`;
  const mm = (/** @type {Axis} */ axis, /** @type {number} */ at) => (at * scan.step[axis]).toFixed(1);
  return `x ${mm("x", x)}  y ${mm("y", y)}  z ${mm("z", z)} mm`;
}

/** Exact once the intensities are there; before, what the grey value stands for. @param {Scan} scan @param {Voxel} voxel */
function intensity(scan, voxel) {
  const at = indexOf(scan, voxel);
  if (scan.deep) return `intensity ${ownValue(scan, scan.deep[at])}`;
  const { low, high } = scan.window;
  return `intensity ≈ ${ownValue(scan, low + (scan.image[at] / 255) * (high - low))}`;
}

/**
 * The network's mean confidence in that organ on that slice; evaluations store none for each voxel.
 * @param {Scan} scan @param {Voxel} voxel @param {number} id
 */
function confidence(scan, voxel, id) {
  const organ = scan.organs.find((known) => known.id === id);
  const value = organ && scan.confidence?.[organ.name]?.[voxel.z];
  return !organ || value === null || value === undefined ? [] : [`confidence ${value.toFixed(2)} (${organ.title.toLowerCase()}, this slice)`];
}
