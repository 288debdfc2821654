// Whether the reader works on the scan or only looks at it: what the reader does with hand or key, told to Python now and then.

/** @import { Viewer } from "./types.d.ts" */

const AGAIN_AFTER_MS = 30_000; // often enough for the active minutes, which leave pauses over 60 s out
const ACTS = ["pointerdown", "wheel", "input"];

/** @param {Viewer} viewer */
export function wireWork(viewer) {
  const options = { capture: true, passive: true, signal: viewer.listening.signal };
  // A program that moves a slider, or the scan that opens, is no reader.
  for (const name of ACTS) viewer.root.addEventListener(name, (event) => event.isTrusted && noteWork(viewer), options);
}

/** The reader has done something with the scan that is shown. @param {Viewer} viewer */
export function noteWork(viewer) {
  if (!viewer.scan) return;
  const now = performance.now();
  if (viewer.worked && now - viewer.workedAt < AGAIN_AFTER_MS) return;
  viewer.worked += 1;
  viewer.workedAt = now;
  viewer.report();
}

/** While it is being drawn, a report would cut that off, and it would be drawn twice. */
export function isPageDrawn() {
  const app = /** @type {HTMLElement | null} */ (document.querySelector("[data-test-script-state]"));
  return app?.dataset.testScriptState !== "running";
}
