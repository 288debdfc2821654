// What each key does: one table, read by the handler and by the key list that "?" shows.

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** @type {{keys: string[], shown: string, does: string, run: (viewer: Viewer) => void}[]} */
export const BINDINGS = [
  { keys: ["ArrowDown", "ArrowRight"], shown: "↓ →", does: "Next slice", run: (v) => v.step(1) },
  { keys: ["ArrowUp", "ArrowLeft"], shown: "↑ ←", does: "Previous slice", run: (v) => v.step(-1) },
  { keys: ["PageDown"], shown: "Page Down", does: "Ten slices on", run: (v) => v.step(10) },
  { keys: ["PageUp"], shown: "Page Up", does: "Ten slices back", run: (v) => v.step(-10) },
  { keys: ["Home"], shown: "Home", does: "First slice", run: (v) => v.goTo(0) },
  { keys: ["End"], shown: "End", does: "Last slice", run: (v) => v.goTo(Infinity) },
  { keys: ["n"], shown: "N", does: "Next slice where the two clearly differ", run: (v) => v.goToDifference(1) },
  { keys: ["p"], shown: "P", does: "Previous slice where the two clearly differ", run: (v) => v.goToDifference(-1) },
  { keys: ["N"], shown: "Shift N", does: "Next slice with any difference", run: (v) => v.goToDifference(1, 1) },
  { keys: ["P"], shown: "Shift P", does: "Previous slice with any difference", run: (v) => v.goToDifference(-1, 1) },
  { keys: ["1"], shown: "1", does: "Show or hide the stomach", run: (v) => v.toggleOrgan(1) },
  { keys: ["2"], shown: "2", does: "Show or hide the small bowel", run: (v) => v.toggleOrgan(2) },
  { keys: ["3"], shown: "3", does: "Show or hide the large bowel", run: (v) => v.toggleOrgan(3) },
  { keys: [" "], shown: "Space", does: "Hide or show the overlay", run: (v) => v.toggleHidden() },
  { keys: ["f"], shown: "F", does: "Filled or outlined", run: (v) => v.toggleMode() },
  { keys: ["["], shown: "[", does: "More transparent", run: (v) => v.addOpacity(-0.1) },
  { keys: ["]"], shown: "]", does: "More opaque", run: (v) => v.addOpacity(0.1) },
  { keys: ["?"], shown: "?", does: "This list", run: (v) => v.toggleHelp() },
];

const STREAMLIT_KEYS = ["c", "C", "r", "R"]; // clear the cache, rerun: never meant by someone who reads a scan

/**
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
export function handleKey(viewer, event) {
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (modified && !event.getModifierState("AltGraph")) return; // AltGr types [ and ] on many keyboards
  const binding = BINDINGS.find(({ keys }) => keys.includes(event.key));
  if (binding || STREAMLIT_KEYS.includes(event.key)) event.stopPropagation();
  if (!binding || belongsToControl(event) || (viewer.helpIsOpen() && event.key !== "?")) return;
  event.preventDefault();
  binding.run(viewer);
}

/** True where the control in focus has its own use for the key: typing, moving a slider, pressing a button. */
function belongsToControl(event) {
  const target = event.composedPath()[0];
  const typed = event.key.length > 1 || /[\d ]/.test(event.key);
  if (target instanceof HTMLInputElement) return typed;
  return target instanceof HTMLButtonElement && event.key === " ";
}
