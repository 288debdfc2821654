// Correcting one scan after another: opens and restores, keeps every change in the browser, and saves to the server.

import { differsFromPrediction, pack } from "./volume.js";
import { failLayer } from "../shown.js";
import { Drafts } from "./draft.js";
import { Editor, PREDICTED } from "./editor.js";
import { Hold } from "./lock.js";
import { fetchVersion, newId, send } from "./remote.js";
import { DrawTool } from "./tool.js";

const IDLE_MS = 30_000; // a longer pause is no work on the correction

/** Diameters of the brush in mm; 0 is a single voxel. */
export const DIAMETERS = [0, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60];

export class Session extends EventTarget {
  /** @param {import("../viewer.js").Viewer} viewer */
  constructor(viewer) {
    super();
    this.viewer = viewer;
    this.tools = Object.fromEntries(["brush", "eraser", "bucket"].map((name) => [name, new DrawTool(name, this)]));
    /** @type {Editor | null} */
    this.editor = null;
    this.isOpen = false;
    this.drafts = Drafts.open().catch(() => null); // a private window may have no database
    this.forget();
    viewer.addEventListener("scan", () => this.changeScan());
    viewer.addEventListener("close", () => {
      this.finishStroke();
      this.endTurn(); // a viewer that is gone holds no lock
    });
    addEventListener("pagehide", () => this.finishStroke(), { signal: viewer.listening.signal });
  }

  /** @returns {import("./remote.js").Edit} */
  get edit() {
    return this.viewer.data.edit;
  }

  get isSaved() {
    return !this.editor || this.editor.isSaved;
  }

  /** Where the draft of this scan is kept. */
  keyFor(reader) {
    return `${this.edit.url}?${this.edit.version}|${reader}`;
  }

  /** Versions that are known, newest first: those that Python told and those saved since. */
  get versions() {
    const told = this.edit.versions;
    return [...this.savedNow.filter(({ sha256 }) => !told.some((each) => each.sha256 === sha256)), ...told];
  }

  /** What still waits for an answer about this scan will find that its turn has passed. */
  endTurn() {
    this.held?.letGo();
    Object.assign(this, { turn: {}, held: null });
  }

  forget() {
    this.endTurn();
    Object.assign(this, { isStale: false, editor: null, key: null, owner: "", isDrafted: false, isSaving: false, savedNow: [], shown: null });
    Object.assign(this, { draftedAt: null, savedAt: null, problem: "", question: null, lastActive: 0 });
    Object.assign(this, { seconds: 0, workedSeconds: 0, event: null });
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} text what a reader should know, or nothing */
  tell(text) {
    this.problem = text;
    if (text) this.viewer.announce(text);
    this.changed();
  }

  // ---- Opening ----

  /** Another scan is on screen. */
  changeScan() {
    this.ready = this.openScan();
    return this.ready;
  }

  /** The scan's draft is taken up again, else its newest version is shown. */
  async openScan() {
    const left = this.editor && !this.isSaved;
    this.close();
    this.forget();
    if (left) this.problem = "Your unsaved correction of the scan before is kept in this browser.";
    this.changed();
    const { turn } = this;
    this.told = this.edit;
    if (!this.edit) return;
    const draft = await this.drafts.then((drafts) => this.findDraft(drafts)).catch(() => null);
    if (this.turn !== turn) return;
    if (draft) await this.takeUp(draft);
    else if (this.versions.length) await this.showVersion(this.mineOrNewest());
  }

  /** This reader's draft, or one from before the reader had given a name; while nobody has, whichever there is. */
  async findDraft(drafts) {
    const { reader } = this.edit;
    const known = await drafts.keysFrom(this.keyFor(""));
    const key = [this.keyFor(reader), this.keyFor(""), ...(reader ? [] : known)].find((each) => known.includes(each));
    return key ? { ...(await drafts.get(key)), key } : null;
  }

  /** Python has told another reader or other versions: nobody goes on with another reader's work. */
  async hearOf(edit) {
    const another = this.told?.reader !== edit?.reader && this.told?.url === edit?.url && edit;
    this.told = edit;
    const isForeign = this.owner !== "" && this.owner !== edit?.reader;
    if (another && this.viewer.scan && (this.isSaved || isForeign)) await this.changeScan();
  }

  mineOrNewest() {
    const { versions } = this;
    return versions.find(({ reader }) => reader === this.edit.reader) ?? versions[0];
  }

  async takeUp({ facts, slices, key }) {
    const { base, at, seconds, drawn, event } = facts;
    Object.assign(this, { key, isDrafted: true, draftedAt: new Date(at), seconds, workedSeconds: seconds, event, editor: this.newEditor() });
    const { turn } = this;
    const packed = base.kind === "version" ? await fetchVersion(this.edit, base.sha256).catch(() => null) : null;
    if (this.turn !== turn) return;
    this.editor.restore({ ...base, packed }, slices, drawn);
    this.owner = key.slice(this.keyFor("").length);
    const whose = this.owner && !this.edit.reader ? `The unsaved correction of ${this.owner}` : "Your unsaved correction";
    this.listen();
    if (!(await this.show())) return;
    this.question = { text: `${whose} from ${clock(this.draftedAt)} was restored.`, yes: "Discard", no: "Keep", run: () => this.discard() };
    this.changed();
  }

  /** Shows a version in the correction's pane, to be looked at or gone on with. */
  async showVersion(version) {
    const { turn } = this;
    try {
      const packed = await fetchVersion(this.edit, version.sha256);
      if (this.turn !== turn) return;
      this.begin({ kind: "version", sha256: version.sha256, packed });
      this.shown = version;
      this.changed();
    } catch (error) {
      if (this.turn !== turn) return;
      failLayer(this.viewer, "correction", `The correction is not shown. ${error.message}`);
      this.tell(error.message);
    }
  }

  newEditor() {
    const settings = this.settings ?? {}; // organ and size stay from scan to scan
    const editor = new Editor(this.viewer.scan, (positions) => {
      this.viewer.labelsChanged(positions);
      if (this.isListening) this.keep(positions);
    });
    this.isListening = false;
    this.settings = Object.assign(editor.settings, settings);
    return editor;
  }

  /** From here on every change is kept. */
  listen() {
    this.isListening = true;
    if (!this.key) Object.assign(this, { key: this.keyFor(this.edit.reader), owner: this.edit.reader });
    this.viewer.setLayer("correction", true);
  }

  /** Begins anew with a mask; what was unsaved is gone. @param {import("./editor.js").Base} base */
  begin(base) {
    const editor = this.editor ?? this.newEditor();
    this.editor = editor;
    this.listen();
    Object.assign(this, { shown: null, seconds: 0, problem: "", question: null });
    this.isListening = this.isDrafted || !["prediction", "version"].includes(base.kind); // nothing is kept of what is there already
    editor.begin(base);
    this.isListening = true;
    this.changed();
  }

  /** As `begin`, but asks first where something would be lost. @param {string} choice a kind, or a version's hash */
  beginWith(choice) {
    const run = () => {
      const version = this.versions.find(({ sha256 }) => sha256 === choice);
      return version ? this.showVersion(version) : this.begin({ kind: choice, sha256: null, packed: null });
    };
    if (this.isSaved) return run();
    this.question = { text: "Begin anew and lose the unsaved correction?", yes: "Begin anew", no: "Keep it", run };
    return this.changed();
  }

  discard() {
    this.begin(PREDICTED);
    if (this.versions.length) this.showVersion(this.mineOrNewest());
  }

  /** Answers the question that is shown. */
  answer(yes) {
    const { run } = this.question;
    this.question = null;
    if (yes) run();
    this.changed();
  }

  /** Opens the tools, once it is known whether there is a draft. */
  async open() {
    await this.ready;
    if (this.isStale) await this.changeScan(); // another tab had the draft, and may have drawn on
    if (this.edit && this.viewer.scan && !this.isOpen) await this.show();
  }

  /** Shows the tools, and the correction in a pane; false where another tab has this scan's draft in hand. */
  async show() {
    const { turn } = this;
    this.held ??= new Hold(`gutcheck ${this.edit.url}`);
    const release = await this.held.release;
    if (this.turn !== turn) return false;
    if (!release) {
      Object.assign(this, { held: null, isStale: true });
      this.tell("This scan is being corrected in another tab of this browser.");
      return false;
    }
    if (!this.editor) this.begin(PREDICTED);
    this.isOpen = true;
    this.showPane();
    this.viewer.setTool(this.tools.brush);
    this.changed();
    this.viewer.layOut();
    return true;
  }

  close() {
    this.finishStroke();
    if (Object.values(this.tools).includes(this.viewer.tool)) this.viewer.setTool(null);
    if (!this.isOpen) return;
    this.isOpen = false;
    this.changed();
    this.viewer.layOut();
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  /** The last axial pane gives its place, where none shows the correction yet. */
  showPane() {
    const { panes } = this.viewer.view;
    if (panes.some(({ content, plane }) => content === "correction" && plane === "axial")) return;
    const last = panes.map(({ plane }) => plane).lastIndexOf("axial");
    const place = last < 0 ? panes.length - 1 : last;
    this.viewer.change({ panes: panes.map((pane, i) => (i === place ? { content: "correction", plane: "axial" } : pane)) });
  }

  // ---- Working ----

  async choose(name) {
    this.noteActivity();
    await this.open();
    if (this.isOpen) this.viewer.setTool(this.tools[name]);
  }

  /** @param {Partial<import("./editor.js").Settings>} settings */
  set(settings) {
    if (!this.editor) return;
    Object.assign(this.editor.settings, settings);
    this.viewer.redraw();
    this.changed();
  }

  nextOrgan() {
    if (!this.editor) return;
    const ids = this.viewer.scan.organs.map(({ id }) => id);
    this.set({ organ: ids[(ids.indexOf(this.editor.settings.organ) + 1) % ids.length] });
  }

  resize(steps) {
    if (!this.editor) return;
    const at = DIAMETERS.indexOf(this.editor.settings.diameter) + steps;
    if (at in DIAMETERS) this.set({ diameter: DIAMETERS[at] });
  }

  /** Runs one of the editor's actions on the slice shown; it may answer with a sentence. */
  act(action, ...rest) {
    if (!this.isOpen || this.editor.pressed) return;
    this.noteActivity();
    const answer = this.editor[action](this.viewer.view.at.z, ...rest);
    this.tell(typeof answer === "string" ? answer : "");
  }

  /** @param {1 | -1} side of the neighbouring slice */
  copyFrom(side) {
    this.act("copyFrom", this.viewer.view.at.z + side);
  }

  /** Undoes or redoes a step, and shows where. @param {"undo" | "redo"} direction */
  travel(direction) {
    if (!this.isOpen || this.editor.pressed) return;
    this.noteActivity();
    const positions = this.editor[direction]();
    if (positions.length && !positions.includes(this.viewer.view.at.z)) this.viewer.goTo(positions[0]);
    this.tell("");
  }

  finishStroke() {
    if (this.editor?.pressed) this.editor.lift();
  }

  noteActivity() {
    const now = performance.now();
    if (this.lastActive && now - this.lastActive < IDLE_MS) this.seconds += (now - this.lastActive) / 1000;
    this.lastActive = now;
  }

  // ---- Keeping ----

  /** Writes the slices that changed to the browser's database; all of them where there is no draft yet. */
  async keep(positions) {
    const { editor } = this;
    this.noteActivity();
    const write = editor.isSaved ? this.dropping() : this.keeping(positions);
    this.changed();
    try {
      await write(await this.drafts);
      if (editor === this.editor) this.draftedAt = new Date();
    } catch {
      this.tell("This browser keeps no copy of your unsaved work; save soon.");
    }
    this.changed();
  }

  dropping() {
    const { key } = this;
    this.isDrafted = false;
    return (drafts) => drafts?.delete(key);
  }

  keeping(positions) {
    const { key, editor } = this;
    const wanted = this.isDrafted ? positions : editor.allPositions();
    // Another content gets another id: what the server may have stored without our hearing of it stays as it was.
    Object.assign(this, { isDrafted: true, event: newId(), workedSeconds: this.seconds });
    const { kind, sha256 } = editor.base;
    const drawn = [...editor.drawn].map(([id, on]) => [id, [...on]]);
    const facts = { at: new Date().toISOString(), base: { kind, sha256 }, seconds: this.seconds, drawn, event: this.event };
    const slices = new Map(wanted.map((z) => [z, this.slice(z)]));
    return (drafts) => drafts.put(key, facts, slices);
  }

  slice(z) {
    const { area, scan } = this.editor;
    const [from, to] = [z * area, (z + 1) * area];
    return differsFromPrediction(scan.labels, from, to) ? pack(scan.labels, undefined, from, to) : null;
  }

  // ---- Saving ----

  get canSave() {
    return Boolean(this.editor) && !this.isSaved && !this.isSaving && this.edit.reader !== "";
  }

  async save() {
    if (!this.canSave) return;
    this.finishStroke();
    const { editor } = this;
    const [packed, state] = [pack(editor.scan.labels), editor.history.now()];
    Object.assign(this, { isSaving: true, problem: "", question: null });
    this.changed();
    try {
      const version = await send(this.edit, { id: this.event, seconds: this.workedSeconds, base: editor.base }, packed);
      if (editor === this.editor) await this.saved(version, packed, state);
    } catch (error) {
      if (editor === this.editor) this.tell(`Not saved: ${error.message} Your work is kept in this browser.`);
    }
    if (editor === this.editor) this.isSaving = false;
    this.changed();
  }

  /** The server has acknowledged: only now the draft may go, unless the reader has drawn on. */
  async saved(version, packed, state) {
    this.editor.becameVersion({ kind: "version", sha256: version.sha256, packed }, state);
    Object.assign(this, { seconds: 0, shown: version, savedAt: new Date(version.at), isDrafted: false });
    this.savedNow.unshift(version);
    this.viewer.announce("The correction is saved.");
    await this.keep(this.editor.allPositions());
    this.viewer.setTriggerValue("edited", { url: this.viewer.data.url, sha256: version.sha256 });
  }
}

/** @param {Date} date */
export function clock(date) {
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}
