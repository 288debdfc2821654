// What a pane shows where the label map that it was to show is not here: the prediction, or in words what is still on its way.

import { CONTENTS, fillSelects } from "./layout.js";
import { fetchOther, layOther } from "./scan.js";

/** @import { OpenViewer, PaneChoice, Viewer } from "./types.d.ts" */

/**
 * Whether the label maps that a content needs are here, on its way (or failed, which the pane then says), or neither.
 * @param {Viewer} viewer @param {string} content
 */
function stateOf(viewer, content) {
  const lacks = CONTENTS[content].needs.filter((layer) => !viewer.layers.has(layer));
  if (!lacks.length) return "here";
  return lacks.every((layer) => viewer.awaited.has(layer)) ? "awaited" : "missing";
}

/**
 * The scan on screen has these label maps, and no other; a link may name a correction, which comes after the scan.
 * @param {Viewer} viewer @param {{fromLink: boolean}} opened
 */
export function beginLayers(viewer, { fromLink }) {
  viewer.layers = new Set(viewer.scan?.drawn === false ? [] : ["reference", "prediction"]);
  viewer.awaited = new Map();
  if (fromLink && viewer.data.edit?.versions?.length) viewer.awaited.set("correction", "The correction is loading…");
}

/** A label map is here, or is no longer. @param {Viewer} viewer @param {string} name @param {boolean} has */
export function setLayer(viewer, name, has) {
  if (has) {
    viewer.layers.add(name);
    viewer.awaited.delete(name);
  } else viewer.layers.delete(name);
  settlePanes(viewer);
  fillSelects(viewer);
  viewer.labelsChanged();
}

/**
 * A pane whose label map is not here, nor will be, shows the prediction: the reader would take an empty picture for one where
 * nothing was drawn. Where there is none either, it shows the image, once. @param {Viewer} viewer
 */
function settlePanes(viewer) {
  const { panes } = viewer.view;
  if (!viewer.scan || panes.every(({ content }) => stateOf(viewer, content) !== "missing")) return;
  const instead = viewer.layers.has("prediction") ? "prediction" : "image";
  const settled = panes.map((pane) => (stateOf(viewer, pane.content) === "missing" ? { ...pane, content: instead } : pane));
  const isNew = (/** @type {PaneChoice} */ { content, plane }, /** @type {number} */ i) => settled.findIndex((pane) => pane.content === content && pane.plane === plane) === i;
  viewer.change({ panes: instead === "image" ? settled.filter(isNew) : settled });
}

/**
 * What a pane paints: no outlines of a label map that is still on its way.
 * @param {Viewer} viewer @param {PaneChoice} choice @returns {PaneChoice}
 */
export function paintedChoice(viewer, choice) {
  return stateOf(viewer, choice.content) === "here" ? choice : { ...choice, content: "image" };
}

/** Says in each pane why it shows less than its name promises. @param {OpenViewer} viewer */
export function syncNotes(viewer) {
  viewer.view.panes.forEach(({ content }, i) => {
    const note = viewer.part(`note-${i}`);
    const awaited = CONTENTS[content].needs.map((layer) => viewer.awaited.get(layer)).find(Boolean) ?? "";
    const text = stateOf(viewer, content) === "here" ? hiddenText(viewer, content) : awaited;
    if (note.textContent !== text) note.textContent = text;
    note.hidden = !text;
  });
}

/** What the reader has switched off, which stays so from scan to scan. @param {OpenViewer} viewer @param {string} content */
function hiddenText({ scan, view }, content) {
  if (content === "image") return "";
  if (view.hidden) return "Overlay hidden";
  if (view.opacity === 0) return "Overlay transparent";
  const hidden = scan.organs.filter(({ id }) => !view.organs.has(id)).map(({ title }) => title.toLowerCase());
  return hidden.length ? `Hidden: ${hidden.join(", ")}` : "";
}

/**
 * Fetches a second run's prediction and lays it beside the first.
 * @param {Viewer} viewer @param {string | null} id RUN/EVALUATION
 */
export async function showOther(viewer, id) {
  const { scan, data } = viewer;
  const wanted = data.others.find((run) => run.id === id);
  viewer.awaited.delete("other");
  if (!scan || !wanted || scan.other === id) return viewer.setLayer("other", Boolean(scan && wanted));
  // Until it is here the pane would show the run before under this one's name.
  viewer.awaited.set("other", `${wanted.title} is loading…`);
  viewer.setLayer("other", false);
  const isWanted = () => scan === viewer.scan && id === viewer.view.other;
  try {
    const bytes = await fetchOther(scan, wanted.url);
    if (!isWanted()) return;
    layOther(scan, bytes);
    scan.other = id;
    viewer.setLayer("other", true);
  } catch (error) {
    if (isWanted()) failLayer(viewer, "other", `${wanted.title} is not shown. ${error.message}`);
  }
}

/**
 * A label map that was on its way will not come: the pane that waits for it says why.
 * @param {Viewer} viewer @param {string} layer @param {string} text
 */
export function failLayer(viewer, layer, text) {
  if (!viewer.awaited.has(layer)) return;
  viewer.awaited.set(layer, text);
  viewer.announce(text);
  viewer.redraw();
}
