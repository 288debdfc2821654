// What stands where: the contents that a pane can show, the layouts, and the selects that choose them.

import { CORRECTION, OTHER, PREDICTION, REFERENCE } from "./blend.js";
import { PLANES } from "./planes.js";

/** @import { Layer, PaneChoice, PlaneName, Scan, View, Viewer } from "./types.d.ts" */

/**
 * What a pane shows: the label maps whose outlines it draws (dashed where it is the second of two), the one it fills with, and
 * those without which it shows nothing.
 * @type {Record<string, {title: string, layers: Layer[], fill: number | null, needs: string[]}>}
 */
export const CONTENTS = {
  image: { title: "Image", layers: [], fill: null, needs: [] },
  reference: { title: "Reference", layers: [{ shift: REFERENCE }], fill: REFERENCE, needs: ["reference"] },
  prediction: { title: "Prediction", layers: [{ shift: PREDICTION }], fill: PREDICTION, needs: ["prediction"] },
  both: { title: "Both outlines", layers: [{ shift: REFERENCE }, { shift: PREDICTION, dashed: true }], fill: null, needs: ["reference", "prediction"] },
  errors: { title: "Errors", layers: [], fill: null, needs: ["reference", "prediction"] },
  other: { title: "Other run", layers: [{ shift: OTHER }], fill: OTHER, needs: ["other"] },
  correction: { title: "Correction", layers: [{ shift: CORRECTION }], fill: CORRECTION, needs: ["correction"] },
};

export const MOST_PANES = 4;
/** Contents of 1, 2, 3 and 4 panes, before the reader has chosen others. */
const USUAL = [["both"], ["reference", "prediction"], ["image", "reference", "prediction"], ["image", "reference", "prediction", "errors"]];
export const PLANE_NAMES = /** @type {PlaneName[]} */ (Object.keys(PLANES));

/**
 * So many panes of one plane; those that are there keep what they show, unless they showed the usual.
 * @param {number} count @param {PaneChoice[]} panes @param {PlaneName} plane @returns {PaneChoice[]}
 */
export function sideBySide(count, panes, plane) {
  const usual = USUAL.some((contents) => contents.join() === panes.map((pane) => pane.content).join());
  return USUAL[count - 1].map((content, i) => ({ content: (!usual && panes[i]?.content) || content, plane }));
}

/** Axial, coronal and sagittal of one content. @param {string} content @returns {PaneChoice[]} */
export function threePlanes(content) {
  return PLANE_NAMES.map((plane) => ({ content, plane }));
}

/** "1" to "4", or "planes" where each pane has a plane of its own. @param {PaneChoice[]} panes */
export function layoutOf(panes) {
  return new Set(panes.map((pane) => pane.plane)).size > 1 ? "planes" : String(panes.length);
}

/**
 * The layout named, from the present one.
 * @param {View} view @param {string} name
 * @param {boolean} [drawn] whether there are label maps
 * @returns {Pick<View, "panes" | "cross">}
 */
export function withLayout(view, name, drawn = true) {
  const plane = view.panes[0].plane;
  if (!drawn) return name === "planes" ? { panes: threePlanes("image"), cross: true } : { panes: [{ content: "image", plane }], cross: false };
  if (name !== "planes") return { panes: sideBySide(Number(name), view.panes, plane), cross: false };
  const content = view.panes.find((pane) => pane.content !== "image")?.content ?? "both";
  return { panes: threePlanes(view.panes.length === 2 && content === "reference" ? "both" : content), cross: true };
}

export const LAYOUTS = ["1", "2", "3", "4", "planes"];

/** Those that show something else of a scan; the bare picture beside itself would not. @param {Scan | null} scan */
export function layoutsOf(scan) {
  return scan && !scan.drawn ? ["1", "planes"] : LAYOUTS;
}

/** Fills a pane's selects with what can be shown now. @param {Viewer} viewer */
export function fillSelects(viewer) {
  const options = contentOptions(viewer);
  viewer.panes.forEach((pane, i) => {
    const [content, plane] = [viewer.part(`content-${i}`), viewer.part(`plane-${i}`)];
    content.replaceChildren(...options.map(([value, title]) => new Option(title, value)));
    const titles = viewer.scan?.planes ?? PLANES;
    plane.replaceChildren(...PLANE_NAMES.map((name) => new Option(titles[name].title, name)));
  });
}

/** Values and titles. @param {Viewer} viewer */
function contentOptions(viewer) {
  const fixed = Object.entries(CONTENTS).filter(([name, { needs }]) => name !== "other" && needs.every((layer) => viewer.layers.has(layer)));
  const runs = viewer.data.others.map(({ id, title }) => [`other:${id}`, title]);
  return [...fixed.map(([name, { title }]) => [name, title]), ...runs];
}

/** Shows as many figures as there are panes, and makes their selects say what they show. @param {Viewer} viewer */
export function syncLayout(viewer) {
  const { panes, other } = viewer.view;
  viewer.part("panes").dataset.count = String(panes.length);
  viewer.figures.forEach((figure, i) => {
    figure.hidden = i >= panes.length;
    if (figure.hidden) return;
    const { content, plane } = panes[i];
    viewer.part(`content-${i}`).value = content === "other" ? `other:${other}` : content;
    viewer.part(`plane-${i}`).value = plane;
  });
  viewer.part("layout").value = layoutOf(panes);
}
