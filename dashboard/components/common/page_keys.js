// Keys that lead into a text field and out again, the way into the form of a finding, and the reader's name in this browser.

/**
 * @import { Viewer } from "../../viewer/viewer.js"
 * @typedef {HTMLElement & {gutcheck?: Viewer}} ViewerRoot
 * @typedef {Document & {gutcheckKeys?: AbortController, gutcheckWaiting?: Waiting, gutcheckPlace?: string, gutcheckHistory?: boolean}} Page
 *
 * @typedef {object} Data see page_keys.py
 * @property {string} pin key of the button that pins a finding on the slice
 * @property {string} form begins the key of every form of a finding
 * @property {string} place ends that of the form that is there, if one is
 * @property {number} pins how often Python has heard that a finding is to be pinned
 * @property {string} scale begins the key of the container of the buttons that give a verdict
 * @property {string[]} judging keys that give a verdict
 * @property {string} unusable the one of them that says that the image cannot be used
 * @property {string} comment key that leads into the comment
 * @property {string} leave key that leads out again
 * @property {string} reader
 * @property {boolean} ask whether this browser should tell the name that it knows
 */

const NAME = "gutcheck-reader";
const FIELDS = ['input[aria-label="Comment on the finding"]', 'input[aria-label="Comment"]'];
const SUBMIT = "[data-testid=stFormSubmitButton] button";
const PIN_LETTER = "q";
const BELOW_PX = 12;
const LEAVES_WITHIN_MS = 10_000;
const OF_ONE_SCAN = ["slice", "view", "organ"]; // parts of an address
const takesText = (/** @type {unknown} */ target) =>
  target instanceof Element && target.matches("input:not([type=range]), textarea, select, [contenteditable=true]");
const isModified = (/** @type {KeyboardEvent} */ { ctrlKey, metaKey, altKey }) => ctrlKey || metaKey || altKey;

/** @param {Document} page @returns {ViewerRoot | null} */
function viewerRoot(page) {
  for (const element of page.querySelectorAll("[class*=st-key-viewer] *")) {
    const root = /** @type {ViewerRoot | null | undefined} */ (element.shadowRoot?.querySelector("[data-part=root]"));
    if (root) return root;
  }
  return null;
}

/**
 * From the click that pins a finding until its form is there the reader writes already: what is typed meanwhile gives no
 * verdict, and stands in the form's comment once that has come.
 */
class Waiting {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    /** @type {string | null} text while a form is awaited */
    this.typed = null;
    /** @type {string | null} */
    this.form = null;
    this.pins = this.asked = 0; // how often Python has heard of a pin, and how often when the form was asked for
    this.observer = new MutationObserver(() => this.look());
  }

  get isOn() {
    return this.typed !== null;
  }

  /**
   * The reader has asked for a form, which the page brings once Python has heard of it, unless it has nothing to bring.
   * @param {string | null} form the key of its container; null where only the server knows the slice
   */
  begin(form) {
    this.typed ??= "";
    Object.assign(this, { form, asked: this.pins });
    this.observer.observe(this.page.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
    this.look(); // the form of this very place may stand there already
  }

  /**
   * The page that is being drawn brings this form, or none.
   * @param {string} form @param {boolean} isNew its place is another than at the last run @param {number} pins
   */
  expect(form, isNew, pins) {
    if (form && isNew && !this.isOn) this.begin(form);
    this.pins = pins;
    if (!this.isOn || (!isNew && pins === this.asked)) return; // a run that was under way when the reader asked
    this.form = form;
    if (form) this.look();
    else this.end();
  }

  look() {
    const form = this.form && this.page.querySelector(`.st-key-${this.form}`);
    const field = /** @type {HTMLElement | null | "" | undefined} */ (form && form.querySelector(FIELDS[0]));
    if (field && form && form.querySelector(SUBMIT)) this.enter(field); // before its button is there, Enter says nothing
  }

  /** @param {HTMLElement} field */
  enter(field) {
    const text = this.end();
    const own = this.page.activeElement;
    if (own !== field && takesText(own)) return; // the reader writes elsewhere by now
    field.focus({ preventScroll: true }); // the picture that it is about stays in sight
    if (text) this.page.execCommand("insertText", false, text);
    this.keepInSight(field);
  }

  /** The choices above the field take more lines once they are drawn. @param {HTMLElement} field */
  keepInSight(field) {
    const form = field.closest("[data-testid=stForm]") ?? field;
    const sizes = new ResizeObserver(() => {
      if (this.page.activeElement !== field) return sizes.disconnect();
      const panel = field.closest(".st-key-verdict_panel")?.closest("[data-testid=stColumn]"); // it scrolls by itself
      const bottom = () => field.getBoundingClientRect().bottom + BELOW_PX;
      if (panel) panel.scrollTop += Math.max(0, bottom() - Math.min(panel.getBoundingClientRect().bottom, innerHeight));
      if (bottom() > innerHeight) field.scrollIntoView({ block: "nearest" }); // a panel below the pictures
    });
    sizes.observe(form);
  }

  /** No form is awaited any more. @returns {string | null} what was typed meanwhile */
  end() {
    const text = this.typed;
    this.typed = null;
    this.observer.disconnect();
    return text;
  }

  /** Takes a key that would give a verdict; true where it did. @param {KeyboardEvent} event */
  take(event) {
    if (this.typed === null || isModified(event) || takesText(event.composedPath()[0])) return false;
    if (event.key === "Escape") this.end();
    else if (event.key === "Backspace") this.typed = this.typed.slice(0, -1);
    else if (event.key.length === 1) this.typed += event.key;
    return event.key.length === 1 || event.key === "Backspace";
  }
}

/**
 * Whether the buttons of the verdict are those of the scan in the panes, and the reader sees it: a page that is being drawn may
 * show the one before the other. Of a scan that cannot be shown, only that it cannot be used may be said.
 * @param {Page} page @param {boolean} isUnusable what is to be said of it
 */
function isOneScan(page, isUnusable) {
  const viewer = viewerRoot(page)?.gutcheck;
  if (!viewer?.data?.scale) return true;
  const { state } = viewer.root.dataset;
  const isShown = state === "ready" || (state === "failed" && isUnusable);
  return isShown && Boolean(page.querySelector(`.st-key-${viewer.data.scale}`));
}

/** @param {Page} page @param {Data} data @param {Waiting} waiting @param {AbortSignal} signal */
function wireKeys(page, data, waiting, signal) {
  window.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    const isVerdict = () => data.judging.includes(event.key) && !isModified(event) && !takesText(target);
    const isTooSoon = () => isVerdict() && !isOneScan(page, event.key === data.unusable);
    if (waiting.take(event) || isTooSoon()) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (isModified(event)) return;
    else if (event.key === data.comment && !takesText(target)) {
      const field = /** @type {HTMLElement | undefined} */ (FIELDS.map((selector) => page.querySelector(selector)).find(Boolean));
      if (!field) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      field.focus();
    } else if (event.key === data.leave && takesText(target) && target.closest(".st-key-verdict_panel")) {
      target.blur(); // which makes Streamlit take what was typed
      viewerRoot(page)?.focus({ preventScroll: true });
    } else if (event.key === data.leave && target === page.body) viewerRoot(page)?.focus({ preventScroll: true });
    else if (event.key === PIN_LETTER && !takesText(target) && canPin(page, data)) beginPin(page, waiting);
  }, { capture: true, signal });
  window.addEventListener("gutcheck-pick", (event) => {
    const { slice, x, y } = /** @type {CustomEvent} */ (event).detail;
    if (canPin(page, data)) waiting.begin(`${data.form}-${slice}-${x}-${y}`);
  }, { signal });
  window.addEventListener("click", (event) => {
    const { target } = event;
    if (!(target instanceof Element)) return;
    if (target.closest(`[class*=st-key-${data.scale}-] button`) && !isOneScan(page, Boolean(target.closest("[class*=st-key-verdict-unusable]")))) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (target.closest(`.st-key-${data.pin} button:enabled`)) beginPin(page, waiting);
  }, { capture: true, signal });
}

/**
 * A finding on the slice that is shown: Python hears now which that is, not only once the reader rests.
 * @param {Page} page @param {Waiting} waiting
 */
function beginPin(page, waiting) {
  viewerRoot(page)?.gutcheck?.tell();
  waiting.begin(null);
}

/** @param {Page} page @param {Data} data */
function canPin(page, { pin }) {
  return Boolean(page.querySelector(`.st-key-${pin} button:enabled`));
}

/** The form goes, and with it the focus; the keys are the viewer's again. @param {Page} page */
function backToPictures(page) {
  const end = performance.now() + LEAVES_WITHIN_MS;
  const look = () => {
    if (page.querySelector(FIELDS[0]) && performance.now() < end) requestAnimationFrame(look);
    else if (page.activeElement === page.body) viewerRoot(page)?.focus({ preventScroll: true });
  };
  look();
}

/**
 * Slices and display are no pages of their own: Back leads to the scan before.
 * @param {Page} page
 */
function keepHistoryShort(page) {
  if (page.gutcheckHistory) return;
  page.gutcheckHistory = true;
  const push = history.pushState.bind(history);
  const place = (/** @type {string | URL} */ address) => {
    const url = new URL(address, location.href);
    for (const part of OF_ONE_SCAN) url.searchParams.delete(part);
    return url.href;
  };
  history.pushState = (state, title, address) => {
    if (address && place(address) === place(location.href)) history.replaceState(state, title, address);
    else push(state, title, address);
  };
}

/** @param {{data: Data, parentElement: HTMLElement, setStateValue: (name: string, value: unknown) => void}} component */
export default function ({ data, parentElement, setStateValue }) {
  const page = /** @type {Page} */ (parentElement.ownerDocument);
  page.gutcheckKeys?.abort(); // Streamlit calls again at a rerun, and two listeners would take one key twice
  const listening = (page.gutcheckKeys = new AbortController());
  keepHistoryShort(page);
  const waiting = (page.gutcheckWaiting ??= new Waiting(page));
  wireKeys(page, data, waiting, listening.signal);
  if (!data.place && page.gutcheckPlace) backToPictures(page);
  waiting.expect(data.place && `${data.form}-${data.place}`, data.place !== page.gutcheckPlace, data.pins);
  page.gutcheckPlace = data.place;
  try {
    if (data.reader) localStorage.setItem(NAME, data.reader);
    else if (data.ask && localStorage.getItem(NAME)) setStateValue("reader", localStorage.getItem(NAME));
  } catch { /* a browser that keeps nothing */ }
  return () => listening.abort();
}
