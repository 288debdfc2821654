// From a scan's address to its first picture.

import { worstPosition } from "./compare.js";
import { showScan } from "./controls.js";
import { loadAhead, loadScan, positionOf } from "./scan.js";
import { beginLayers, showOther } from "./shown.js";
import { Slices } from "./slices.js";
import { clamp } from "./zoom.js";

/** @import { Axis, Scan, Viewer, Voxel } from "./types.d.ts" */

/** Loads the scan that Python names, unless another is named meanwhile. @param {Viewer} viewer */
export async function load(viewer) {
  const { url } = viewer.data;
  const isWanted = () => url === viewer.data.url && !viewer.listening.signal.aborted; // no other scan, nor a closed viewer
  // What was read off the scan before says nothing of this one.
  Object.assign(viewer, { scan: null, hover: null, worked: 0 });
  viewer.part("readout").textContent = "";
  viewer.say("Loading scan…");
  try {
    const scan = await loadScan(url, (share) => isWanted() && viewer.say(`Loading scan… ${Math.round(100 * share)} %`));
    if (isWanted()) open(viewer, scan);
  } catch (error) {
    if (isWanted()) viewer.say(error.message, { retry: true });
  }
}

/** @param {Viewer} viewer @param {Scan} scan */
function open(viewer, scan) {
  const isFirst = !viewer.slices;
  viewer.scan = scan;
  viewer.slices = new Slices(scan);
  for (const pane of viewer.panes) pane.open(viewer.slices);
  beginLayers(viewer, { fromLink: isFirst && viewer.data.url === viewer.linked });
  if (viewer.isOpen()) showScan(viewer);
  viewer.say("");
  const { window, centre } = viewer.view;
  // Intensities have no common scale, so another scan begins with its own window.
  viewer.change({
    at: firstPlace(viewer, scan), picked: null, hidden: false,
    window: isFirst ? window : null, centre: centre && inside(centre, scan.size),
  });
  showOther(viewer, viewer.view.other);
  viewer.dispatchEvent(new Event("scan"));
  viewer.layOut();
  if ([null, document.body].includes(/** @type {HTMLElement | null} */ (document.activeElement))) viewer.focus(); // nobody types
  const { next } = viewer.data;
  if (next) requestAnimationFrame(() => loadAhead(next, scan)); // after the first pictures, which were asked for before
}

/**
 * The slice that was asked for, else the worst; the cross-hair where it was, or in the middle.
 * @param {Viewer} viewer @param {Scan} scan @returns {Voxel}
 */
function firstPlace({ data: { slice, organ }, view: { at } }, scan) {
  const place = (/** @type {Axis} */ axis) => (at[axis] < 0 ? scan.size[axis] >> 1 : Math.min(at[axis], scan.size[axis] - 1));
  const asked = scan.organs.find(({ name }) => name === organ)?.id;
  const z = slice === null ? worstPosition(scan.counts, scan.depth, asked) : positionOf(scan, slice);
  return { x: place("x"), y: place("y"), z };
}

/** A link or a larger scan may have shown a place beyond. @param {Voxel} centre @param {Voxel} size @returns {Voxel} */
function inside({ x, y, z }, size) {
  return { x: clamp(x, 0, size.x), y: clamp(y, 0, size.y), z: clamp(z, 0, size.z) };
}
