// The viewer: one state, two panes that are always painted together from it, and its conversation with Streamlit.
//
// Streamlit calls the component again at every rerun of the page. Everything that a reader did therefore lives here, on
// the element, and Python's values count once: the display when the element is new, the slice when the scan is new or
// Python's `jump` has changed.

import { colourTable, PREDICTION, REFERENCE } from "./blend.js";
import { nextDifference, worstPosition } from "./compare.js";
import { describe, showScan, syncControls, wireControls } from "./controls.js";
import { handleKey } from "./keys.js";
import { Pane } from "./pane.js";
import { loadScan, positionOf } from "./scan.js";
import { paintStrip } from "./strip.js";

const REPORT_AFTER_MS = 400; // each report reruns the page, so only the slice at rest is told
const ANNOUNCE_AFTER_MS = 600;
const AROUND_PANES_PX = 410; // toolbar, strip and a page's head, so that by default all of it fits the window

/**
 * @typedef {object} View everything that decides what is painted
 * @property {number} position index of the slice, not its number
 * @property {Set<number>} organs ids shown
 * @property {number} opacity 0 to 1
 * @property {"fill" | "contour"} mode
 * @property {boolean} hidden overlay off for a moment
 * @property {{x: number, y: number, position: number} | null} picked
 *
 * @typedef {object} Data what Python passes, see dashboard/viewer/__init__.py
 * @property {string} url
 * @property {number | null} slice number; null for the slice where most voxels differ
 * @property {string | number | null} jump
 * @property {number[]} organs
 * @property {number} opacity
 * @property {"fill" | "contour"} mode
 * @property {string[]} labels of the two panes
 * @property {{slice: number, x: number, y: number, organ: string | number, kind: string}[]} findings
 * @property {string | null} next the scan that will probably be opened next
 * @property {number | null} paneHeight CSS pixels at most
 */

export class Viewer {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`[data-part=${name}]`);
    this.panes = [new Pane(this.part("reference"), REFERENCE), new Pane(this.part("prediction"), PREDICTION)];
    /** @type {import("./scan.js").Scan | null} */
    this.scan = null;
    /** @type {View} */
    this.view = { position: 0, organs: new Set(), opacity: 0.5, mode: "fill", hidden: false, picked: null };
    this.hover = null;
    this.calls = 0;
    this.listening = new AbortController();
    root.addEventListener("keydown", (event) => handleKey(this, event), { signal: this.listening.signal });
    wireControls(this);
    this.watcher = new ResizeObserver(() => this.layOut());
    this.watcher.observe(this.part("panes"));
  }

  // ---- Streamlit ----

  /** One call of the component: Python's data as of this rerun. */
  receive({ data, setStateValue, setTriggerValue }) {
    /** @type {Data} */
    const old = this.data;
    Object.assign(this, { data, setStateValue, setTriggerValue });
    this.part("label-reference").textContent = data.labels[0];
    this.part("label-prediction").textContent = data.labels[1];
    if (!old) Object.assign(this.view, { organs: new Set(data.organs), opacity: data.opacity, mode: data.mode });
    if (data.url !== old?.url) this.load();
    else if (data.jump !== old.jump && this.scan) this.goToNumber(data.slice);
    this.layOut();
  }

  /** Tells Python where the reader is, once the reader rests and only when it changed. */
  report() {
    clearTimeout(this.reportTimer);
    this.reportTimer = setTimeout(() => {
      if (!this.scan) return;
      const { position, organs, opacity, mode } = this.view;
      const { url, jump } = this.data;
      const now = { url, jump, slice: this.scan.sliceNumbers[position], organs: [...organs].sort(), opacity, mode };
      if (JSON.stringify(now) === this.reported) return;
      this.reported = JSON.stringify(now);
      this.setStateValue("view", now);
    }, REPORT_AFTER_MS);
  }

  // ---- Loading ----

  async load() {
    const { url } = this.data;
    this.scan = null;
    this.say("Loading scan…");
    try {
      const scan = await loadScan(url, (share) => url === this.data.url && this.say(`Loading scan… ${Math.round(100 * share)} %`));
      if (url === this.data.url) this.open(scan); // else another scan was asked for meanwhile
    } catch (error) {
      if (url === this.data.url) this.say(error.message, { retry: true });
    }
  }

  open(scan) {
    this.scan = scan;
    for (const pane of this.panes) pane.open(scan);
    showScan(this);
    this.say("");
    const { slice, next } = this.data;
    const position = slice === null ? worstPosition(scan.counts, scan.depth) : positionOf(scan, slice);
    this.change({ position, picked: null, hidden: false });
    this.layOut();
    if (this.nobodyTypes()) this.focus();
    if (next) setTimeout(() => loadScan(next).catch(() => {}), 500); // after the first pictures; a failure shows when opened
  }

  say(text, { retry = false } = {}) {
    this.root.dataset.state = text ? (retry ? "failed" : "loading") : "ready";
    this.part("message").textContent = text;
    this.part("retry").hidden = !retry;
  }

  // ---- Actions ----

  /** The one way to change what is shown. @param {Partial<View>} patch */
  change(patch) {
    Object.assign(this.view, patch);
    this.redraw();
    this.report();
  }

  goTo(position) {
    if (this.scan) this.change({ position: Math.min(this.scan.depth - 1, Math.max(0, position)) });
  }

  /** @param {number} number of the slice; the nearest that there is */
  goToNumber(number) {
    if (this.scan && Number.isFinite(number)) this.goTo(positionOf(this.scan, number));
    this.redraw(); // a refused entry goes back to the present number
  }

  step(slices) {
    this.goTo(this.view.position + slices);
  }

  goToDifference(step, below) {
    if (!this.scan) return;
    const found = nextDifference(this.scan.counts, this.view.position, step, this.view.organs, below);
    if (found >= 0) this.goTo(found);
    else this.announce(step > 0 ? "No further slice differs." : "No earlier slice differs.");
  }

  toggleOrgan(id) {
    const organs = new Set(this.view.organs);
    if (!organs.delete(id)) organs.add(id);
    this.change({ organs, hidden: false });
  }

  toggleHidden() {
    this.change({ hidden: !this.view.hidden });
  }

  toggleMode() {
    this.change({ mode: this.view.mode === "fill" ? "contour" : "fill", hidden: false });
  }

  addOpacity(step) {
    const opacity = Math.round(Math.min(1, Math.max(0, this.view.opacity + step)) * 100) / 100;
    this.change({ opacity, hidden: false });
  }

  /** @param {{x: number, y: number} | null} voxel */
  pick(voxel) {
    this.focus();
    if (!voxel) return;
    const { position } = this.view;
    this.change({ picked: { ...voxel, position } });
    this.setTriggerValue("pick", { url: this.data.url, slice: this.scan.sliceNumbers[position], ...voxel });
  }

  /** Shows the place under the pointer in the other pane. */
  pointAt(pane, voxel) {
    if (!voxel && !this.hover) return;
    this.hover = voxel && { ...voxel, pane };
    this.redraw();
  }

  toggleHelp() {
    const dialog = this.part("dialog");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  helpIsOpen() {
    return this.part("dialog").open;
  }

  focus() {
    if (!this.helpIsOpen()) this.root.focus({ preventScroll: true });
  }

  nobodyTypes() {
    return document.activeElement === null || document.activeElement === document.body;
  }

  // ---- Painting ----

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.scan) this.paint();
    });
  }

  /** Both panes, the strip and the controls from one state, in one frame. */
  paint() {
    const { scan, view } = this;
    const filled = view.hidden || view.mode === "contour" ? new Set() : view.organs;
    const table = colourTable(scan.organs, filled, view.opacity);
    const number = scan.sliceNumbers[view.position];
    const findings = this.data.findings.filter(({ slice }) => slice === number);
    for (const pane of this.panes) pane.paint(view, table, findings, this.hover);
    paintStrip(this.part("strip"), scan, view, new Set(this.data.findings.map(({ slice }) => positionOf(scan, slice))));
    syncControls(this);
    this.announceSlice();
  }

  /** Gives the panes their height: the slice's aspect at the width there is, within the height allowed. */
  layOut() {
    const widest = this.panes[0].canvas.clientWidth;
    const allowed = this.data?.paneHeight ?? Math.max(240, window.innerHeight - AROUND_PANES_PX);
    const height = Math.round(Math.min(allowed, widest / (this.scan?.aspect ?? 1)));
    this.root.style.setProperty("--pane-height", `${height}px`);
    const blanked = this.panes.map((pane) => pane.resize()).some(Boolean);
    if (blanked && this.scan) this.paint(); // at once: a frame later the panes would have flashed black
    else this.redraw();
  }

  announceSlice() {
    if (this.announced === this.view.position + this.data.url) return;
    this.announced = this.view.position + this.data.url;
    clearTimeout(this.announceTimer);
    this.announceTimer = setTimeout(() => {
      const { labels } = this.data;
      if (!this.scan) return;
      this.panes[0].canvas.setAttribute("aria-label", `${labels[0]}: ${describe(this, "reference")}`);
      this.panes[1].canvas.setAttribute("aria-label", `${labels[1]}: ${describe(this, "prediction")}`);
      this.announce(`Slice ${this.scan.sliceNumbers[this.view.position]}`);
    }, ANNOUNCE_AFTER_MS);
  }

  announce(text) {
    this.part("live").textContent = text;
  }

  close() {
    this.listening.abort(); // the element may outlive this viewer, and then gets another
    this.watcher.disconnect();
    clearTimeout(this.reportTimer);
    clearTimeout(this.announceTimer);
    cancelAnimationFrame(this.frame);
  }
}

/** What Streamlit calls at each rerun; returns what it calls when the element goes. */
export function mount(component) {
  const root = component.parentElement.querySelector("[data-part=root]");
  root.gutcheck ??= new Viewer(root);
  const viewer = root.gutcheck;
  viewer.receive(component);
  // Streamlit also calls the clean-up of a call that a newer one overtook; only the newest may close the viewer.
  const call = ++viewer.calls;
  return () => {
    if (viewer.calls !== call) return;
    viewer.close();
    delete root.gutcheck;
  };
}
