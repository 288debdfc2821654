// Window and level: which intensities are black and white. The full depth is fetched when a reader first asks for another window.

import { loadIntensities } from "./scan.js";

/** @import { GreyWindow, OpenViewer, Scan, View, Viewer } from "./types.d.ts" */

const STEPS = 400; // CSS pixels of a drag across the whole window
/**
 * Shares of the scan's own window and range; a scan of MR has no absolute scale.
 * @type {Record<string, {title: string, of: (own: Scan["window"]) => GreyWindow | null}>}
 */
export const PRESETS = {
  scan: { title: "Scan's own", of: () => null },
  bright: { title: "Brighter", of: ({ low, high }) => ({ low, high: low + 0.6 * (high - low) }) },
  dark: { title: "Darker", of: ({ low, high }) => ({ low, high: low + 1.6 * (high - low) }) },
  contrast: { title: "High contrast", of: ({ low, high }) => ({ low: low + 0.15 * (high - low), high: low + 0.65 * (high - low) }) },
  full: { title: "Full range", of: ({ min, max }) => ({ low: min, high: Math.max(max, min + 1) }) },
};

/** The window that is shown: the reader's, else the scan's own. @param {Scan} scan @param {View} view */
export function shownWindow(scan, view) {
  return view.window ?? { low: scan.window.low, high: scan.window.high };
}

/** What a stored intensity stands for in the file it came from, such as HU. @param {Scan} scan @param {number} stored */
export function ownValue({ grey: [slope, intercept] }, stored) {
  return tidy(stored * slope + intercept, slope);
}

/** Whole numbers where the file's are. @param {number} value @param {number} slope */
function tidy(value, slope) {
  return slope === 1 ? Math.round(value) : Number(value.toPrecision(4));
}

/** Width and level as clinicians name them, in the file's values. @param {Scan} scan @param {GreyWindow} window */
export function widthAndLevel(scan, { low, high }) {
  return { width: tidy((high - low) * scan.grey[0], scan.grey[0]), level: ownValue(scan, (low + high) / 2) };
}

/**
 * The window after a drag: across for the width, down for the level.
 * @param {Scan} scan @param {GreyWindow} from
 * @param {number} dx CSS pixels
 * @param {number} dy
 */
export function draggedWindow(scan, from, dx, dy) {
  const range = scan.window.high - scan.window.low;
  const width = Math.max(1, from.high - from.low + (dx / STEPS) * range);
  const level = (from.low + from.high) / 2 - (dy / STEPS) * range;
  return { low: level - width / 2, high: level + width / 2 };
}

/**
 * Makes the grey values follow the window. Until the intensities are there the grey values themselves are stretched, so that
 * the first drag answers at once.
 * @param {OpenViewer} viewer
 */
export function applyWindow(viewer) {
  const { scan, view } = viewer;
  if (view.window && !scan.deep) askForIntensities(viewer);
  const key = view.window ? `${view.window.low}/${view.window.high}/${Boolean(scan.deep)}` : "";
  if (scan.lutKey === key) return;
  scan.lutKey = key;
  scan.lut = view.window && greyOf(scan, view.window);
  viewer.slices?.forget();
}

/**
 * core.data.images.Window.apply, for every intensity (or, before they are there, for those that the grey values stand for).
 * @param {Scan} scan @param {GreyWindow} window
 */
function greyOf(scan, { low, high }) {
  const own = scan.window;
  const count = scan.deep ? (scan.deep instanceof Uint16Array ? 65536 : 256) : 256;
  const span = Math.max(high - low, 1e-6);
  return Uint8ClampedArray.from({ length: count }, (_, i) => {
    const intensity = scan.deep ? i : own.low + (i / 255) * (own.high - own.low);
    return ((intensity - low) * 255) / span;
  });
}

/** @param {OpenViewer} viewer */
function askForIntensities(viewer) {
  const { scan } = viewer;
  scan.asked ??= loadIntensities(scan, viewer.data.url)
    .then(() => viewer.redraw())
    .catch((error) => viewer.announce(error.message));
}

/** Wires the window's numbers and presets. @param {Viewer} viewer */
export function wireWindow(viewer) {
  const { part } = viewer;
  part("preset").append(...Object.entries(PRESETS).map(([name, { title }]) => new Option(title, name)), new Option("Own", "own"));
  part("preset").onchange = () => {
    const preset = PRESETS[part("preset").value];
    if (viewer.scan && preset) viewer.change({ window: preset.of(viewer.scan.window) });
  };
  const typed = () => {
    const [width, level] = [part("width").valueAsNumber, part("level").valueAsNumber];
    if (!viewer.scan || !Number.isFinite(level)) return;
    const [slope, intercept] = viewer.scan.grey;
    const [wide, middle] = [width / slope, (level - intercept) / slope];
    if (wide >= 1) viewer.change({ window: { low: middle - wide / 2, high: middle + wide / 2 } });
  };
  part("width").onchange = typed;
  part("level").onchange = typed;
  for (const name of ["width", "level"]) part(name).ondblclick = () => viewer.change({ window: null });
}

/** Makes the numbers and the preset say what is shown. @param {OpenViewer} viewer */
export function syncWindow(viewer) {
  const { part, scan, view } = viewer;
  const shown = shownWindow(scan, view);
  const { width, level } = widthAndLevel(scan, shown);
  for (const [name, value] of Object.entries({ width, level })) {
    if (part(name) !== viewer.focused() && part(name).value !== String(value)) part(name).value = String(value);
  }
  const same = (/** @type {GreyWindow | null} */ window) => JSON.stringify(window) === JSON.stringify(view.window);
  part("preset").value = Object.keys(PRESETS).find((name) => same(PRESETS[name].of(scan.window))) ?? "own";
}
