// What each key does: one table, read by the handler and by the key list that "?" shows. Modules may add theirs.
// The Review page itself uses a e m x w u y g z q t (verdicts, findings), which must stay free here.

import { addOpacity, nextLayout, nextPlane, toggleHidden, toggleMode, toggleOrgan } from "./choices.js";
import { goToDifference, goToVoxel, pick, step } from "./navigate.js";
import { noteWork } from "./work.js";
import { pan, zoomAt } from "./zoom.js";

/** @import { Binding, Viewer } from "./types.d.ts" */

const PAN_PX = 40;
const ZOOM_STEP = 1.25;
const CROSS_VOXELS = 2; // a press moves the cross-hair

/** @type {Binding[]} */
export const BINDINGS = [
  { keys: ["ArrowDown", "ArrowRight"], shown: "↓ →", does: "Next slice", run: (v) => step(v, 1) },
  { keys: ["ArrowUp", "ArrowLeft"], shown: "↑ ←", does: "Previous slice", run: (v) => step(v, -1) },
  { keys: ["PageDown"], shown: "Page Down", does: "Ten slices on", run: (v) => step(v, 10) },
  { keys: ["PageUp"], shown: "Page Up", does: "Ten slices back", run: (v) => step(v, -10) },
  { keys: ["Home"], shown: "Home", does: "First slice", run: (v) => step(v, -Infinity) },
  { keys: ["End"], shown: "End", does: "Last slice", run: (v) => step(v, Infinity) },
  { keys: ["n"], shown: "N", does: "Next slice where the two clearly differ", run: (v) => goToDifference(v, 1) },
  { keys: ["p"], shown: "P", does: "Previous slice where the two clearly differ", run: (v) => goToDifference(v, -1) },
  { keys: ["N"], shown: "Shift N", does: "Next slice with any difference", run: (v) => goToDifference(v, 1, 1) },
  { keys: ["P"], shown: "Shift P", does: "Previous slice with any difference", run: (v) => goToDifference(v, -1, 1) },
  { keys: ["1"], shown: "1", does: "Show or hide the stomach", run: (v) => toggleOrgan(v, 1) },
  { keys: ["2"], shown: "2", does: "Show or hide the small bowel", run: (v) => toggleOrgan(v, 2) },
  { keys: ["3"], shown: "3", does: "Show or hide the large bowel", run: (v) => toggleOrgan(v, 3) },
  { keys: [" "], shown: "Space", does: "Hide or show the overlay", run: toggleHidden },
  { keys: ["f"], shown: "F", does: "Filled or outlined", run: toggleMode },
  { keys: ["["], shown: "[", does: "More transparent", run: (v) => addOpacity(v, -0.1) },
  { keys: ["]"], shown: "]", does: "More opaque", run: (v) => addOpacity(v, 0.1) },
  { keys: ["l"], shown: "L", does: "Next layout: 1 to 4 panes, three planes", run: nextLayout },
  { keys: ["v"], shown: "V", does: "Next plane; with three planes, the next pane", run: nextPlane },
  { keys: ["h"], shown: "H", does: "Show or hide the cross-hair", run: (v) => v.change({ cross: !v.view.cross }) },
  { keys: ["+", "="], shown: "+", does: "Zoom in", run: (v) => zoomAt(v, v.panes[v.active], null, ZOOM_STEP) },
  { keys: ["-"], shown: "−", does: "Zoom out", run: (v) => zoomAt(v, v.panes[v.active], null, 1 / ZOOM_STEP) },
  { keys: ["0"], shown: "0", does: "Whole slices again (zoom and pan back)", run: (v) => v.change({ zoom: 1, centre: null }) },
  { keys: ["ArrowLeft"], shift: true, shown: "Shift arrows", does: "Pan; move the cross-hair where it is shown", run: (v) => push(v, -1, 0) },
  { keys: ["ArrowRight"], shift: true, run: (v) => push(v, 1, 0) },
  { keys: ["ArrowUp"], shift: true, run: (v) => push(v, 0, -1) },
  { keys: ["ArrowDown"], shift: true, run: (v) => push(v, 0, 1) },
  { keys: ["Enter"], shown: "Enter", does: "Cross-hair; again: pin a finding there", run: (v) => pinAtCross(v) },
  { keys: ["9"], shown: "9", does: "The scan's own window and level again", run: (v) => v.change({ window: null }) },
  { keys: ["r"], shown: "R", does: "Ruler: drag in a picture", run: (v) => v.ruler.toggle() },
  { keys: ["Delete", "Backspace"], shown: "Delete", does: "Delete the last ruler", run: (v) => v.ruler.removeLast() },
  { keys: ["?"], shown: "?", does: "This list", run: (v) => v.toggleHelp() },
];

const STREAMLIT_KEYS = ["c", "C", "r", "R"]; // clear the cache, rerun: never meant by someone who reads a scan

/**
 * Shows what lies further that way; where the cross-hair is shown, moves that.
 * @param {Viewer} viewer @param {number} across steps @param {number} down
 */
function push(viewer, across, down) {
  const pane = viewer.panes[viewer.active];
  if (!viewer.view.cross) return pan(viewer, pane, -across * PAN_PX, -down * PAN_PX);
  if (!viewer.scan) return undefined;
  const { at } = viewer.view;
  const axes = viewer.scan.planes[pane.plane];
  const moved = { [axes.across]: at[axes.across] + across * CROSS_VOXELS, [axes.down]: at[axes.down] + down * CROSS_VOXELS };
  return goToVoxel(viewer, { ...at, ...moved });
}

/** @param {Viewer} viewer */
function pinAtCross(viewer) {
  if (viewer.view.cross) pick(viewer, { voxel: viewer.view.at });
  else viewer.change({ cross: true });
}

/** @param {Viewer} viewer @param {KeyboardEvent} event */
export function handleKey(viewer, event) {
  const binding = BINDINGS.find((known) => means(known, event));
  if (binding || (STREAMLIT_KEYS.includes(event.key) && !event.ctrlKey && !event.metaKey)) event.stopPropagation();
  if (!binding || belongsToControl(event) || (viewer.helpIsOpen() && event.key !== "?")) return;
  event.preventDefault();
  binding.run(viewer);
  if (event.isTrusted && event.key !== "?") noteWork(viewer);
}

/** @param {Binding} binding @param {KeyboardEvent} event */
function means({ keys, ctrl = false, shift }, event) {
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  const typed = event.getModifierState("AltGraph"); // AltGr types [ and ] on many keyboards
  if (ctrl ? !(event.ctrlKey || event.metaKey) : modified && !typed) return false;
  return keys.includes(event.key) && (event.key.startsWith("Arrow") ? event.shiftKey === Boolean(shift) : true);
}

/**
 * True where the control in focus has its own use for the key: typing, moving a slider, choosing, pressing a button.
 * @param {KeyboardEvent} event
 */
function belongsToControl(event) {
  const target = event.composedPath()[0];
  if (target instanceof HTMLSelectElement) return !event.ctrlKey;
  const typed = event.key.length > 1 || /[\d -]/.test(event.key);
  if (target instanceof HTMLInputElement) return typed;
  return target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
}
