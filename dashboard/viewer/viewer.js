// The viewer: one state, up to four panes that are always painted together from it, and its conversation with Streamlit.
//
// Streamlit calls the component again at every rerun of the page. Everything that a reader did therefore lives here, on
// the element, and Python's values count once: the link when the element is new, the slice when the scan is new or
// Python's `jump` has changed.

import { announceSlice, showScan, wireControls } from "./controls.js";
import { install } from "./edit/edit.js";
import { handleKey } from "./keys.js";
import { fillSelects, MOST_PANES } from "./layout.js";
import { readLink, usualView, writeLink } from "./link.js";
import { load } from "./loading.js";
import { Pane } from "./pane.js";
import { goToNumber } from "./navigate.js";
import { wirePointer } from "./pointer.js";
import { Ruler } from "./ruler.js";
import { setLayer, showOther } from "./shown.js";
import { arrange, paint } from "./stage.js";
import { Strip } from "./strip.js";
import { setTool } from "./tools.js";
import { isPageDrawn, wireWork } from "./work.js";

/**
 * @import { Session } from "./edit/session.js"
 * @import { Slices } from "./slices.js"
 * @import { Component, Data, Hit, OpenViewer, Part, Scan, Tables, Tool, View } from "./types.d.ts"
 */

const REPORT_AFTER_MS = 400; // each report reruns the page, so only the view at rest is told

export class Viewer extends EventTarget {
  /** @type {Data} */
  data;
  /** @type {Component["setStateValue"]} */
  setStateValue;
  /** @type {Component["setTriggerValue"]} */
  setTriggerValue;
  /** @type {string | undefined} address of the scan that the link was for */
  linked;
  /** @type {Scan | null} */
  scan = null;
  /** @type {Slices | undefined} */
  slices;
  /** @type {Tables | undefined} */
  tables;
  /** @type {Tool | null} */
  tool = null;
  /** @type {Hit | null} */
  hover = null;
  /** @type {number | undefined} */
  reportTimer;
  /** @type {number | undefined} */
  announceTimer;
  /** @type {number | null} */
  frame = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    super();
    this.root = root;
    this.part = (/** @type {string} */ name) => /** @type {Part} */ (root.querySelector(`[data-part=${name}]`));
    this.figures = [...root.querySelectorAll("figure")].slice(0, MOST_PANES);
    this.panes = this.figures.map((figure) => new Pane(/** @type {HTMLCanvasElement} */ (figure.querySelector("canvas"))));
    this.strip = new Strip(/** @type {HTMLCanvasElement} */ (/** @type {HTMLElement} */ (this.part("strip"))));
    /** @type {View} */
    this.view = usualView();
    /** @type {Set<string>} label maps that are here */
    this.layers = new Set(["reference", "prediction"]);
    /** @type {Map<string, string>} label maps that are not here yet, and what a pane says meanwhile */
    this.awaited = new Map();
    /** @type {((context: CanvasRenderingContext2D, pane: Pane) => void)[]} */
    this.painters = [];
    this.worked = this.workedAt = 0;
    this.reported = this.announced = "";
    this.active = 0;
    this.listening = new AbortController();
    root.addEventListener("keydown", (event) => handleKey(this, event), { signal: this.listening.signal });
    this.ruler = new Ruler(this);
    /** @type {Session} */
    this.editing = install(this);
    wireControls(this);
    wirePointer(this);
    wireWork(this);
    this.watcher = new ResizeObserver(() => this.layOut());
    this.watcher.observe(this.part("panes"));
  }

  /** Whether its scan is there. @returns {this is OpenViewer} */
  isOpen() {
    return this.scan !== null;
  }

  /** One call of the component: Python's data as of this rerun. @param {Component} component */
  receive({ data, setStateValue, setTriggerValue }) {
    const old = this.data;
    if (data.told < old?.told) return; // calls wait for these modules to load, and may come in any order
    Object.assign(this, { data, setStateValue, setTriggerValue });
    this.root.dataset.blind = String(data.blind);
    if (this.isOpen() && (data.blind !== old.blind || data.organ !== old.organ)) showScan(this);
    if (!old) this.view = readLink(data.link);
    this.linked ??= data.url;
    const hasOthers = JSON.stringify(data.others) !== JSON.stringify(old?.others);
    if (hasOthers) fillSelects(this);
    if (data.url !== old?.url) this.load();
    else if (data.jump !== old.jump && this.scan) goToNumber(this, data.slice);
    if (hasOthers && this.scan) showOther(this, this.view.other);
    this.layOut();
  }

  /** Tells Python where the reader is, once the reader rests and only when it changed. */
  report() {
    clearTimeout(this.reportTimer);
    this.reportTimer = setTimeout(() => (isPageDrawn() ? this.tell() : this.report()), REPORT_AFTER_MS);
  }

  tell() {
    if (!this.scan) return;
    const { url, jump } = this.data;
    const now = { url, jump, slice: this.scan.sliceNumbers[this.view.at.z], link: writeLink(this.view), worked: this.worked };
    if (JSON.stringify(now) === this.reported) return;
    this.reported = JSON.stringify(now);
    this.setStateValue("view", now);
  }

  /** Fetches the scan, again where that failed. */
  load() {
    return load(this);
  }

  /** Covers the panes with a sentence, or with none. @param {string} text @param {{retry?: boolean}} [options] */
  say(text, { retry = false } = {}) {
    this.root.dataset.state = text ? (retry ? "failed" : "loading") : "ready";
    this.part("message").textContent = text;
    this.part("retry").hidden = !retry;
  }

  /** @param {Tool | null} tool */
  setTool(tool) {
    setTool(this, tool);
  }

  /** @param {Viewer["painters"][0]} paint */
  addPainter(paint) {
    this.painters.push(paint);
  }

  /** @param {HTMLElement} element */
  addPanel(element) {
    this.part("tools").append(element);
    this.addEventListener("close", () => element.remove()); // the next viewer of this element brings its own
  }

  /** @param {string} name @param {boolean} has */
  setLayer(name, has) {
    setLayer(this, name, has);
  }

  /** @param {number} [shift] which label map; without, any of all @param {number[]} [positions] axial slices */
  labelsChanged(shift, positions) {
    if (shift !== undefined && positions) this.slices?.relabel(shift, positions);
    else this.slices?.forget();
    this.redraw();
  }

  /** The one way to change what is shown. @param {Partial<View>} patch */
  change(patch) {
    Object.assign(this.view, patch);
    this.redraw();
    this.report();
    this.dispatchEvent(new Event("view"));
  }

  /** Keys scroll the plane of the pane that was touched last. @param {Pane} pane */
  activate(pane) {
    if (this.panes[this.active] !== pane) this.active = this.panes.indexOf(pane);
    this.redraw();
  }

  toggleHelp() {
    if (this.helpIsOpen()) this.part("dialog").close();
    else this.part("dialog").showModal();
  }

  helpIsOpen() {
    return this.part("dialog").open;
  }

  focus() {
    if (!this.helpIsOpen()) this.root.focus({ preventScroll: true });
  }

  /** The element in focus, within the viewer's own tree. */
  focused() {
    return /** @type {Document | ShadowRoot} */ (this.root.getRootNode()).activeElement;
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  shownPanes() {
    return this.panes.slice(0, this.view.panes.length);
  }

  paint() {
    if (!this.isOpen()) return;
    paint(this);
    announceSlice(this);
  }

  layOut() {
    if (!this.data) return;
    arrange(this);
    const blanked = this.panes.map((pane) => pane.resize()).some(Boolean);
    if (blanked) this.paint(); // at once: a frame later the panes would have flashed black
    else this.redraw();
  }

  /** @param {string} text */
  announce(text) {
    this.part("live").textContent = text;
  }

  close() {
    this.dispatchEvent(new Event("close"));
    this.listening.abort(); // the element may outlive this viewer, and then gets another
    this.watcher.disconnect();
    clearTimeout(this.reportTimer);
    clearTimeout(this.announceTimer);
    if (this.frame !== null) cancelAnimationFrame(this.frame);
  }
}

/** What Streamlit calls at each rerun; returns what it calls when the element goes. @param {Component} component */
export function mount(component) {
  const root = /** @type {HTMLElement & {gutcheck?: Viewer}} */ (component.parentElement.querySelector("[data-part=root]"));
  root.gutcheck ??= new Viewer(root);
  const viewer = root.gutcheck;
  viewer.receive(component);
  return () => {
    if (root.isConnected) return; // a newer call overtook this one, and the element stays
    viewer.close();
    delete root.gutcheck;
  };
}
