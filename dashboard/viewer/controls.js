// The toolbar, the slice slider and the status texts: user's actions in, the present view out.

import { setLayout, showContent, showPlane, toggleHidden, toggleOrgan } from "./choices.js";
import { verdict } from "./compare.js";
import { BINDINGS } from "./keys.js";
import { CONTENTS, layoutsOf } from "./layout.js";
import { syncWindow, wireWindow } from "./levels.js";
import { goTo, goToNumber, goToVoxel } from "./navigate.js";
import { syncReadout } from "./readout.js";

const THUMB_PX = 14; // as in viewer.css
const ANNOUNCE_AFTER_MS = 600;

/**
 * @import { Binding, ErrorKind, OpenViewer, Organ, Pane, PlaneName, Region, Scan, Viewer } from "./types.d.ts"
 * @typedef {"reference" | "prediction"} Side
 */

/** Wires all controls once; the viewer's methods do the rest. @param {Viewer} viewer */
export function wireControls(viewer) {
  const { part } = viewer;
  part("previous").onclick = () => goTo(viewer, viewer.view.at.z - 1);
  part("next").onclick = () => goTo(viewer, viewer.view.at.z + 1);
  part("slider").oninput = () => goTo(viewer, part("slider").valueAsNumber);
  part("number").onchange = () => goToNumber(viewer, part("number").valueAsNumber);
  part("opacity").oninput = () => viewer.change({ opacity: part("opacity").valueAsNumber / 100 });
  part("hide").onclick = () => toggleHidden(viewer);
  part("fill").onclick = () => viewer.change({ mode: "fill", hidden: false });
  part("contour").onclick = () => viewer.change({ mode: "contour", hidden: false });
  part("layout").onchange = () => setLayout(viewer, part("layout").value);
  part("cross").onclick = () => viewer.change({ cross: !viewer.view.cross });
  part("ruler").onclick = () => viewer.ruler.toggle();
  part("reset").onclick = () => viewer.change({ zoom: 1, centre: null });
  part("help").onclick = part("close").onclick = () => viewer.toggleHelp();
  part("retry").onclick = () => viewer.load();
  part("keys").replaceChildren(...BINDINGS.filter(({ shown }) => shown).map(helpRow));
  // After a click with the mouse the keys belong to the scan again; whoever tabs keeps the control.
  viewer.root.addEventListener("pointerup", ({ target }) => {
    if (target instanceof Element && target.closest("button, input[type=range]")) requestAnimationFrame(() => viewer.focus());
  }, { signal: viewer.listening.signal });
  viewer.panes.forEach((_, i) => {
    part(`content-${i}`).onchange = () => showContent(viewer, i, part(`content-${i}`).value);
    part(`plane-${i}`).onchange = () => showPlane(viewer, i, /** @type {PlaneName} */ (part(`plane-${i}`).value));
  });
  wireWindow(viewer);
  wireStrip(viewer);
}

/** @param {Binding} binding */
function helpRow({ shown, does }) {
  const row = document.createElement("tr");
  row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: shown }));
  row.append(Object.assign(document.createElement("td"), { textContent: does }));
  return row;
}

/** @param {Viewer} viewer */
function wireStrip(viewer) {
  const { strip } = viewer;
  const { canvas } = strip;
  canvas.onpointerdown = (event) => {
    if (!viewer.scan) return;
    canvas.setPointerCapture(event.pointerId);
    const region = strip.regionAt(event);
    if (region) goToVoxel(viewer, region);
    else goTo(viewer, strip.positionAt(event));
  };
  canvas.onpointermove = (event) => {
    if (!viewer.scan) return;
    if (event.buttons) goTo(viewer, strip.positionAt(event));
    const region = strip.regionAt(event);
    canvas.title = region ? `${titleOf(viewer.scan, region)}: ${region.voxels.toLocaleString("en")} voxels` : "";
  };
}

/** @param {Scan} scan @param {Region} region */
function titleOf(scan, { organ, kind }) {
  return `${scan.organs.find(({ name }) => name === organ)?.title}, ${kind.replaceAll("_", " ")}`;
}

/** Builds what depends on the scan: the organs' chips and rows, the slider's range. @param {OpenViewer} viewer */
export function showScan(viewer) {
  const { part, scan } = viewer;
  viewer.root.dataset.drawn = String(scan.drawn);
  for (const option of part("layout").options) option.hidden = !layoutsOf(scan).includes(option.value);
  part("chips").replaceChildren(...scan.organs.map((organ) => chip(viewer, organ)));
  part("names").replaceChildren(...scan.organs.map((organ) => named(organ)));
  part("kinds").replaceChildren(...scan.errorKinds.map((kind) => named(kind)));
  part("scores").replaceChildren(...scan.organs.map(() => document.createElement("span")));
  const asked = scan.organs.findIndex(({ name }) => name === viewer.data.organ);
  part("names").children[asked]?.setAttribute("aria-current", "true");
  const slider = part("slider");
  slider.max = String(scan.depth - 1);
  // The thumb's centre stands over its slice in the strip below.
  slider.style.marginLeft = `calc(${50 / scan.depth}% - ${THUMB_PX / 2}px)`;
  slider.style.width = `calc(${100 - 100 / scan.depth}% + ${THUMB_PX}px)`;
  Object.assign(part("number"), { min: String(scan.sliceNumbers[0]), max: String(scan.sliceNumbers.at(-1)) });
  part("badge").textContent = viewer.data.blind ? "" : scan.leak;
}

/** A square of the colour. @param {Organ | ErrorKind} of */
export function swatch({ rgb }) {
  const square = Object.assign(document.createElement("span"), { className: "swatch" });
  square.style.setProperty("--organ", `rgb(${rgb.join(" ")})`);
  return square;
}

/** @param {Viewer} viewer @param {Organ} organ */
function chip(viewer, organ) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "chip" });
  button.dataset.organ = String(organ.id);
  button.title = `Show or hide (key ${organ.id})`;
  button.append(swatch(organ), organ.title);
  button.onclick = () => toggleOrgan(viewer, organ.id);
  return button;
}

/** @param {Organ | ErrorKind} colour */
function named(colour) {
  const name = document.createElement("span");
  name.append(swatch(colour), colour.title);
  return name;
}

/** Makes every control say what the view is. @param {OpenViewer} viewer */
export function syncControls(viewer) {
  const { part, scan, view } = viewer;
  const { z } = view.at;
  const number = scan.sliceNumbers[z];
  part("slider").value = String(z);
  part("slider").setAttribute("aria-valuetext", `Slice ${number}, ${z + 1} of ${scan.depth}`);
  if (part("number") !== viewer.focused() || part("number").valueAsNumber !== number) {
    part("number").value = String(number);
  }
  say(part("place"), `(${z + 1} of ${scan.depth})`);
  part("opacity").value = String(Math.round(view.opacity * 100));
  say(part("percent"), `${Math.round(view.opacity * 100)} %`);
  press(part("hide"), view.hidden);
  press(part("cross"), view.cross);
  part("reset").disabled = view.zoom === 1 && !view.centre;
  say(part("reset"), `${Math.round(view.zoom * 100)} %`);
  for (const mode of ["fill", "contour"]) press(part(mode), view.mode === mode);
  scan.organs.forEach(({ id }, i) => press(part("chips").children[i], view.organs.has(id)));
  syncLegends(viewer);
  const scores = part("scores").children;
  [...scan.counts.values()].forEach((organ, row) => showScore(scores[row], viewer.data.blind ? "" : verdict(organ, z)));
  syncWindow(viewer);
  syncReadout(viewer);
  viewer.figures.forEach((figure, i) => figure.classList.toggle("active", i === viewer.active && view.panes.length > 1));
}

/** The legends of what the panes show; they take room, so they stand before it is shared out. @param {Viewer} viewer */
export function syncLegends({ part, view }) {
  const shows = (/** @type {string} */ wanted) => view.panes.some(({ content }) => content === wanted);
  part("kinds").hidden = !shows("errors");
  part("lines").hidden = !shows("both");
}

/** Writes only what has changed: the browser would lay the page out again. @param {Element} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} button @param {boolean} pressed */
function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

/** @param {Element} cell @param {string} text */
function showScore(cell, text) {
  say(cell, text);
  cell.className = text === "missed" || text === "extra" ? "alarm" : "";
}

/** Tells a screen reader what the panes show, once the reader rests. @param {Viewer} viewer */
export function announceSlice(viewer) {
  const { at, panes } = viewer.view;
  const now = [at.x, at.y, at.z, viewer.data.url, JSON.stringify(panes)].join();
  if (viewer.announced === now) return;
  viewer.announced = now;
  clearTimeout(viewer.announceTimer);
  viewer.announceTimer = setTimeout(() => {
    if (!viewer.isOpen()) return;
    for (const pane of viewer.shownPanes()) pane.canvas.setAttribute("aria-label", describe(viewer, pane));
    viewer.announce(`Slice ${viewer.scan.sliceNumbers[at.z]}`);
  }, ANNOUNCE_AFTER_MS);
}

/** One sentence for those who do not see the picture. @param {OpenViewer} viewer @param {Pane} pane */
function describe(viewer, pane) {
  const { scan, view } = viewer;
  const { title } = CONTENTS[pane.content];
  const plane = scan.planes[pane.plane];
  if (pane.plane !== "axial") return `${title}, ${plane.title.toLowerCase()} at ${plane.through} ${pane.position}`;
  const has = (/** @type {Side} */ side) => scan.organs.filter(({ id }) => scan.counts.get(id)?.[side][view.at.z]);
  const list = (/** @type {Side} */ side) => has(side).map((organ) => organ.title.toLowerCase()).join(", ") || "no organ";
  /** @type {Record<string, string>} */
  const sides = { reference: list("reference"), prediction: list("prediction") };
  const said = sides[pane.content] ?? (["both", "errors"].includes(pane.content) ? `reference ${sides.reference}; prediction ${sides.prediction}` : "");
  return [`${title}: slice ${scan.sliceNumbers[view.at.z]}`, said].filter(Boolean).join(", ");
}
