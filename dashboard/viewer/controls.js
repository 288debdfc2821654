// The toolbar, the slice slider and the status texts: user's actions in, the present view out.

import { verdict } from "./compare.js";
import { BINDINGS } from "./keys.js";
import { positionAt } from "./strip.js";

const WHEEL_NOTCH = 50; // CSS pixels; a mouse's notch sends 100 or more, a trackpad many small ones
const TRACKPAD_SLICE = 30;
const THUMB_PX = 14; // as in viewer.css

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** Wires all controls once; the viewer's methods do the rest. @param {Viewer} viewer */
export function wireControls(viewer) {
  const { part } = viewer;
  part("previous").onclick = () => viewer.step(-1);
  part("next").onclick = () => viewer.step(1);
  part("slider").oninput = ({ target }) => viewer.goTo(target.valueAsNumber);
  part("number").onchange = ({ target }) => viewer.goToNumber(target.valueAsNumber);
  part("opacity").oninput = ({ target }) => viewer.change({ opacity: target.valueAsNumber / 100 });
  part("hide").onclick = () => viewer.toggleHidden();
  part("fill").onclick = () => viewer.change({ mode: "fill", hidden: false });
  part("contour").onclick = () => viewer.change({ mode: "contour", hidden: false });
  part("help").onclick = () => viewer.toggleHelp();
  part("close").onclick = () => viewer.toggleHelp();
  part("retry").onclick = () => viewer.load();
  part("keys").replaceChildren(...BINDINGS.map(helpRow));
  // After a click with the mouse the keys belong to the scan again; whoever tabs keeps the control.
  viewer.root.addEventListener("pointerup", ({ target }) => {
    if (target.closest("button, input[type=range]")) requestAnimationFrame(() => viewer.focus());
  }, { signal: viewer.listening.signal });
  wirePanes(viewer);
  wireStrip(viewer);
}

function helpRow({ shown, does }) {
  const row = document.createElement("tr");
  row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: shown }));
  row.append(Object.assign(document.createElement("td"), { textContent: does }));
  return row;
}

function wirePanes(viewer) {
  let rest = 0;
  viewer.part("panes").addEventListener("wheel", (event) => {
    if (event.ctrlKey || !viewer.scan) return; // with Ctrl the browser zooms
    event.preventDefault();
    const delta = event.deltaMode ? event.deltaY * WHEEL_NOTCH : event.deltaY;
    rest = Math.abs(delta) >= WHEEL_NOTCH ? Math.sign(delta) * TRACKPAD_SLICE : rest + delta;
    const slices = Math.trunc(rest / TRACKPAD_SLICE);
    rest -= slices * TRACKPAD_SLICE;
    if (slices) viewer.step(slices);
  }, { passive: false, signal: viewer.listening.signal });
  for (const pane of viewer.panes) {
    pane.canvas.onclick = (event) => viewer.pick(pane.voxelAt(event));
    pane.canvas.onpointermove = (event) => viewer.pointAt(pane, pane.voxelAt(event));
    pane.canvas.onpointerleave = () => viewer.pointAt(pane, null);
  }
}

function wireStrip(viewer) {
  const strip = viewer.part("strip");
  const jump = (event) => viewer.scan && viewer.goTo(positionAt(strip, viewer.scan, event));
  strip.onpointerdown = (event) => {
    strip.setPointerCapture(event.pointerId);
    jump(event);
  };
  strip.onpointermove = (event) => event.buttons && jump(event);
}

/** Builds what depends on the scan: the organs' chips and rows, the slider's range. @param {Viewer} viewer */
export function showScan(viewer) {
  const { part, scan } = viewer;
  part("chips").replaceChildren(...scan.organs.map((organ) => chip(viewer, organ)));
  part("names").replaceChildren(...scan.organs.map(organName));
  part("scores").replaceChildren(...scan.organs.map(() => document.createElement("span")));
  const slider = part("slider");
  slider.max = String(scan.depth - 1);
  // The thumb's centre stands over its slice in the strip below.
  slider.style.marginLeft = `calc(${50 / scan.depth}% - ${THUMB_PX / 2}px)`;
  slider.style.width = `calc(${100 - 100 / scan.depth}% + ${THUMB_PX}px)`;
  Object.assign(part("number"), { min: String(scan.sliceNumbers[0]), max: String(scan.sliceNumbers.at(-1)) });
  part("badge").textContent = scan.leak;
}

function swatch({ rgb }) {
  const square = Object.assign(document.createElement("span"), { className: "swatch" });
  square.style.setProperty("--organ", `rgb(${rgb.join(" ")})`);
  return square;
}

function chip(viewer, organ) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "chip" });
  button.dataset.organ = organ.id;
  button.title = `Show or hide (key ${organ.id})`;
  button.append(swatch(organ), organ.title);
  button.onclick = () => viewer.toggleOrgan(organ.id);
  return button;
}

function organName(organ) {
  const name = document.createElement("span");
  name.append(swatch(organ), organ.title);
  return name;
}

/** Makes every control say what the view is. @param {Viewer} viewer */
export function syncControls(viewer) {
  const { part, scan, view } = viewer;
  const number = scan.sliceNumbers[view.position];
  part("slider").value = String(view.position);
  part("slider").setAttribute("aria-valuetext", `Slice ${number}, ${view.position + 1} of ${scan.depth}`);
  if (part("number") !== viewer.root.getRootNode().activeElement || part("number").valueAsNumber !== number) {
    part("number").value = String(number);
  }
  part("place").textContent = `(${view.position + 1} of ${scan.depth})`;
  part("opacity").value = String(Math.round(view.opacity * 100));
  part("percent").textContent = `${Math.round(view.opacity * 100)} %`;
  part("hide").setAttribute("aria-pressed", String(view.hidden));
  part("hide").textContent = view.hidden ? "Show overlay" : "Hide overlay";
  for (const mode of ["fill", "contour"]) part(mode).setAttribute("aria-pressed", String(view.mode === mode));
  for (const each of part("chips").children) {
    each.setAttribute("aria-pressed", String(view.organs.has(Number(each.dataset.organ))));
  }
  scan.organs.forEach(({ id }, row) => showScore(part("scores").children[row], verdict(scan.counts.get(id), view.position)));
}

function showScore(cell, text) {
  cell.textContent = text;
  cell.className = text === "missed" || text === "extra" ? "alarm" : "";
}

/** One sentence for those who do not see the pictures. @param {Viewer} viewer */
export function describe(viewer, side) {
  const { scan, view } = viewer;
  const present = scan.organs.filter(({ id }) => scan.counts.get(id)[side][view.position]).map(({ title }) => title.toLowerCase());
  return `slice ${scan.sliceNumbers[view.position]}, ${present.join(", ") || "no organ"}`;
}
