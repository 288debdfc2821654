// The viewer: one state, up to four panes that are always painted together from it, and its conversation with Streamlit.
//
// Streamlit calls the component again at every rerun of the page. Everything that a reader did therefore lives here, on
// the element, and Python's values count once: the link when the element is new, the slice when the scan is new or
// Python's `jump` has changed.

import { nextDifference, worstPosition } from "./compare.js";
import { announceSlice, showScan, wireControls } from "./controls.js";
import { install } from "./edit/edit.js";
import { handleKey } from "./keys.js";
import { fillSelects, LAYOUTS, layoutOf, MOST_PANES, withLayout } from "./layout.js";
import { readLink, usualView, writeLink } from "./link.js";
import { Pane } from "./pane.js";
import { PLANES, Slices } from "./planes.js";
import { clamp, pannedCentre, wirePointer, zoomedCentre } from "./pointer.js";
import { Ruler } from "./ruler.js";
import { loadAhead, loadScan, positionOf } from "./scan.js";
import { beginLayers, setLayer, showOther } from "./shown.js";
import { arrange, paint, placePanes } from "./stage.js";
import { Strip } from "./strip.js";
import { setTool } from "./tools.js";
import { wireWork } from "./work.js";

const REPORT_AFTER_MS = 400; // each report reruns the page, so only the view at rest is told
const MOST_ZOOM = 32;

/**
 * @typedef {object} View everything that decides what is painted
 * @property {{x: number, y: number, z: number}} at the voxel where the planes meet; z is the axial slice's position
 * @property {import("./layout.js").PaneChoice[]} panes one to four
 * @property {Set<number>} organs ids shown
 * @property {number} opacity 0 to 1
 * @property {"fill" | "contour"} mode
 * @property {boolean} hidden overlay off for a moment
 * @property {boolean} cross whether the cross-hair is shown
 * @property {import("./scan.js").GreyWindow | null} window null for the scan's own
 * @property {number} zoom 1 where whole slices fit
 * @property {{x: number, y: number, z: number} | null} centre of every pane, in voxels; null for the scan's middle
 * @property {string | null} other RUN/EVALUATION whose prediction is the second run's
 * @property {{x: number, y: number, z: number} | null} picked
 *
 * @typedef {object} Data what Python passes, see dashboard/viewer/component.py
 * @property {number} told grows whenever anything of the rest changes
 * @property {string} url
 * @property {number | null} slice number; null for the slice where most voxels differ
 * @property {string | number | null} jump
 * @property {string | null} organ name of the one in question
 * @property {string} link
 * @property {{slice: number, x: number, y: number, organ: string | number, kind: string}[]} findings
 * @property {{id: string, title: string, url: string}[]} others runs that have predicted the same picture
 * @property {string | null} next the scan that will probably be opened next
 * @property {object | null} edit
 * @property {boolean} blind neither a slice's Dice nor a mark of where the two differ
 */

export class Viewer extends EventTarget {
  /** @param {HTMLElement} root */
  constructor(root) {
    super();
    this.root = root;
    this.part = (name) => root.querySelector(`[data-part=${name}]`);
    this.figures = [...root.querySelectorAll("figure")].slice(0, MOST_PANES);
    this.panes = this.figures.map((figure) => new Pane(figure.querySelector("canvas")));
    this.strip = new Strip(this.part("strip"));
    /** @type {import("./scan.js").Scan | null} */
    this.scan = null;
    /** @type {View} */
    this.view = usualView();
    this.layers = new Set();
    /** @type {Map<string, string>} label maps that are not here yet, and what a pane says meanwhile */
    this.awaited = new Map();
    this.worked = 0;
    this.painters = [];
    this.tool = null;
    this.hover = null;
    this.active = 0;
    this.listening = new AbortController();
    root.addEventListener("keydown", (event) => handleKey(this, event), { signal: this.listening.signal });
    this.ruler = new Ruler(this);
    install(this);
    wireControls(this);
    wirePointer(this);
    wireWork(this);
    this.watcher = new ResizeObserver(() => this.layOut());
    this.watcher.observe(this.part("panes"));
  }

  // ---- Streamlit ----

  /** One call of the component: Python's data as of this rerun. */
  receive({ data, setStateValue, setTriggerValue }) {
    /** @type {Data} */
    const old = this.data;
    if (data.told < old?.told) return; // calls wait for these modules to load, and may come in any order
    Object.assign(this, { data, setStateValue, setTriggerValue });
    this.root.dataset.blind = String(data.blind);
    if (this.scan && (data.blind !== old.blind || data.organ !== old.organ)) showScan(this);
    if (!old) this.view = readLink(data.link);
    this.linked ??= data.url;
    const hasOthers = JSON.stringify(data.others) !== JSON.stringify(old?.others);
    if (hasOthers) fillSelects(this);
    if (data.url !== old?.url) this.load();
    else if (data.jump !== old.jump && this.scan) this.goToNumber(data.slice);
    if (hasOthers && this.scan) showOther(this, this.view.other);
    this.layOut();
  }

  /** Tells Python where the reader is, once the reader rests and only when it changed. */
  report() {
    clearTimeout(this.reportTimer);
    this.reportTimer = setTimeout(() => this.tell(), REPORT_AFTER_MS);
  }

  tell() {
    if (!this.scan) return;
    const { url, jump } = this.data;
    const now = { url, jump, slice: this.scan.sliceNumbers[this.view.at.z], link: writeLink(this.view), worked: this.worked };
    if (JSON.stringify(now) === this.reported) return;
    this.reported = JSON.stringify(now);
    this.setStateValue("view", now);
  }

  // ---- Loading ----

  async load() {
    const { url } = this.data;
    const isWanted = () => url === this.data.url && !this.listening.signal.aborted; // no other scan, nor a closed viewer
    // What was read off the scan before says nothing of this one.
    Object.assign(this, { scan: null, hover: null, worked: 0 });
    this.part("readout").textContent = "";
    this.say("Loading scan…");
    try {
      const scan = await loadScan(url, (share) => isWanted() && this.say(`Loading scan… ${Math.round(100 * share)} %`));
      if (isWanted()) this.open(scan);
    } catch (error) {
      if (isWanted()) this.say(error.message, { retry: true });
    }
  }

  open(scan) {
    const { slice, next, organ } = this.data;
    const isFirst = !this.slices;
    this.scan = scan;
    this.slices = new Slices(scan);
    for (const pane of this.panes) pane.open(this.slices);
    beginLayers(this, { fromLink: isFirst && this.data.url === this.linked });
    showScan(this);
    this.say("");
    const { at, window, centre } = this.view;
    const inside = (axis) => (at[axis] < 0 ? scan.size[axis] >> 1 : Math.min(at[axis], scan.size[axis] - 1));
    const within = (axis) => clamp(centre[axis], 0, scan.size[axis]); // a link or a larger scan may have shown a place beyond
    const asked = scan.organs.find(({ name }) => name === organ)?.id;
    const z = slice === null ? worstPosition(scan.counts, scan.depth, asked) : positionOf(scan, slice);
    // Intensities have no common scale, so another scan begins with its own window.
    this.change({
      at: { x: inside("x"), y: inside("y"), z }, picked: null, hidden: false, window: isFirst ? window : null,
      centre: centre && { x: within("x"), y: within("y"), z: within("z") },
    });
    showOther(this, this.view.other);
    this.dispatchEvent(new Event("scan"));
    this.layOut();
    if (this.nobodyTypes()) this.focus();
    if (next) requestAnimationFrame(() => loadAhead(next, scan)); // after the first pictures, which were asked for before
  }

  say(text, { retry = false } = {}) {
    this.root.dataset.state = text ? (retry ? "failed" : "loading") : "ready";
    this.part("message").textContent = text;
    this.part("retry").hidden = !retry;
  }

  // ---- What tools.js offers ----

  setTool(tool) {
    setTool(this, tool);
  }

  addPainter(paint) {
    this.painters.push(paint);
  }

  addPanel(element) {
    this.part("tools").append(element);
    this.addEventListener("close", () => element.remove()); // the next viewer of this element brings its own
  }

  setLayer(name, has) {
    setLayer(this, name, has);
  }

  labelsChanged() {
    this.slices?.forget();
    this.redraw();
  }

  // ---- Actions ----

  /** The one way to change what is shown. @param {Partial<View>} patch */
  change(patch) {
    Object.assign(this.view, patch);
    this.redraw();
    this.report();
    this.dispatchEvent(new Event("view"));
  }

  goTo(position) {
    if (this.scan) this.goToVoxel({ ...this.view.at, z: position });
  }

  /** @param {number} number of the slice; the nearest that there is */
  goToNumber(number) {
    if (this.scan && Number.isFinite(number)) this.goTo(positionOf(this.scan, number));
    this.redraw(); // a refused entry goes back to the present number
  }

  goToVoxel(voxel) {
    const at = {};
    for (const axis of ["x", "y", "z"]) at[axis] = clamp(voxel[axis], 0, this.scan.size[axis] - 1);
    this.change({ at });
  }

  /** Scrolls the plane of a pane, by default of the one that was touched last. */
  step(slices, pane = this.panes[this.active]) {
    if (!this.scan) return;
    const { through } = PLANES[pane.plane];
    this.goToVoxel({ ...this.view.at, [through]: this.view.at[through] + slices });
  }

  goToDifference(step, below) {
    if (!this.scan) return;
    const found = nextDifference(this.scan.counts, this.view.at.z, step, this.view.organs, below);
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
    this.change({ opacity: Math.round(clamp(this.view.opacity + step, 0, 1) * 100) / 100, hidden: false });
  }

  setLayout(name) {
    this.active = 0;
    this.change(withLayout(this.view, name));
    this.layOut();
  }

  nextLayout() {
    this.setLayout(LAYOUTS[(LAYOUTS.indexOf(layoutOf(this.view.panes)) + 1) % LAYOUTS.length]);
  }

  /** @param {string} value a content, or other:RUN/EVALUATION */
  showContent(index, value) {
    const [content, ...id] = value.split(":");
    const panes = this.view.panes.map((pane, i) => (i === index ? { ...pane, content } : pane));
    this.change({ panes, ...(content === "other" && { other: id.join(":") }) });
    if (content === "other") showOther(this, this.view.other);
    this.layOut();
  }

  showPlane(index, plane) {
    this.change({ panes: this.view.panes.map((pane, i) => (i === index ? { ...pane, plane } : pane)) });
    this.layOut();
  }

  /** Another plane for all panes; where each has its own, the keys go to the next pane. */
  nextPlane() {
    const { panes } = this.view;
    if (layoutOf(panes) === "planes") {
      this.active = (this.active + 1) % panes.length;
      return this.redraw();
    }
    const names = Object.keys(PLANES);
    const plane = names[(names.indexOf(panes[0].plane) + 1) % names.length];
    this.change({ panes: panes.map((pane) => ({ ...pane, plane })) });
    return this.layOut();
  }

  /** Keys scroll the plane of the pane that was touched last. */
  activate(pane) {
    if (this.panes[this.active] !== pane) this.active = this.panes.indexOf(pane);
    this.redraw();
  }

  centre() {
    const { size } = this.scan;
    return this.view.centre ?? { x: size.x / 2, y: size.y / 2, z: size.z / 2 };
  }

  /** @param {number} dx CSS pixels */
  pan(pane, dx, dy) {
    this.change({ centre: pannedCentre(pane, this.centre(), dx, dy) });
    placePanes(this);
  }

  /** @param {{clientX: number, clientY: number} | null} point null for the pane's middle */
  zoomAt(pane, point, factor) {
    const zoom = clamp(this.view.zoom * factor, 1, MOST_ZOOM);
    const centre = zoom === 1 ? null : point ? zoomedCentre(pane, this.centre(), pane.hitAt(point), zoom / this.view.zoom) : this.centre();
    this.change({ zoom, centre });
    placePanes(this);
  }

  /** @param {import("./tools.js").Hit} hit */
  pick({ voxel }) {
    if (!voxel) return;
    this.change({ picked: voxel, at: voxel });
    const place = { slice: this.scan.sliceNumbers[voxel.z], x: voxel.x, y: voxel.y };
    this.root.dispatchEvent(new CustomEvent("gutcheck-pick", { bubbles: true, composed: true, detail: place })); // for page_keys.js
    this.setTriggerValue("pick", { url: this.data.url, ...place });
  }

  /** Shows the place under the pointer in the other panes, and reads it off. */
  pointAt(hit) {
    if (!hit?.voxel && !this.hover) return;
    this.hover = hit?.voxel ? hit : null;
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

  shownPanes() {
    return this.panes.slice(0, this.view.panes.length);
  }

  paint() {
    paint(this);
    announceSlice(this);
  }

  layOut() {
    if (!this.data) return;
    arrange(this);
    const blanked = this.panes.map((pane) => pane.resize()).some(Boolean);
    if (blanked && this.scan) this.paint(); // at once: a frame later the panes would have flashed black
    else this.redraw();
  }

  announce(text) {
    this.part("live").textContent = text;
  }

  close() {
    this.dispatchEvent(new Event("close"));
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
  return () => {
    if (root.isConnected) return; // a newer call overtook this one, and the element stays
    viewer.close();
    delete root.gutcheck;
  };
}
