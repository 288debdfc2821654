// Correcting one scan after another: the tools that are open, and what the reader does with them.

import { goTo } from "../navigate.js";
import { Drafts } from "./draft.js";
import { PREDICTED } from "./editor.js";
import { Hold } from "./lock.js";
import { begin, openScan } from "./opening.js";
import { DrawTool } from "./tool.js";

/**
 * @import { Editor } from "./editor.js"
 * @import { ToolName } from "./tool.js"
 * @import { Edit, Question, Settings, Version, Viewer } from "../types.d.ts"
 */

const IDLE_MS = 30_000; // a longer pause is no work on the correction

/** Diameters of the brush in mm; 0 is a single voxel. */
export const DIAMETERS = [0, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60];

export class Session extends EventTarget {
  /** @type {Editor | null} */
  editor = null;
  key = ""; // where its draft is kept
  owner = ""; // of the draft, as they said who reads
  event = ""; // the id under which it will be stored
  problem = ""; // what the reader should know
  seconds = 0; // of work on it
  workedSeconds = 0; // at the last change
  lastActive = 0;
  /** @type {Hold | null} this tab's turn at the draft */
  held = null;
  /** @type {Settings | undefined} of the editor before, too */
  settings;
  /** @type {Edit | null | undefined} what Python told last */
  told;
  /** @type {Promise<void> | undefined} until it is known whether there is a draft */
  ready;

  /** @param {Viewer} viewer */
  constructor(viewer) {
    super();
    this.viewer = viewer;
    const tool = (/** @type {ToolName} */ name) => new DrawTool(name, this);
    this.tools = { brush: tool("brush"), eraser: tool("eraser"), bucket: tool("bucket") };
    this.isOpen = this.isListening = false;
    this.drafts = Drafts.open().catch(() => null); // a private window may have no database
    this.forget();
    viewer.addEventListener("scan", () => this.changeScan());
    viewer.addEventListener("close", () => {
      this.finishStroke();
      this.endTurn(); // a viewer that is gone holds no lock
    });
    addEventListener("pagehide", () => this.finishStroke(), { signal: viewer.listening.signal });
  }

  /** What Python says of this scan's corrections; null where it says nothing, and then nothing is begun. */
  get edit() {
    return /** @type {Edit} */ (this.viewer.data.edit);
  }

  get isSaved() {
    return !this.editor || this.editor.isSaved;
  }

  /** Where the draft of this scan is kept. @param {string} reader */
  keyFor(reader) {
    return `${this.edit.url}?${this.edit.version}|${reader}`;
  }

  /** Versions that are known, newest first: those that Python told and those saved since. */
  get versions() {
    const told = this.edit.versions;
    return [...this.savedNow.filter(({ sha256 }) => !told.some((known) => known.sha256 === sha256)), ...told];
  }

  /** What still waits for an answer about this scan will find that its turn has passed. */
  endTurn() {
    this.held?.letGo();
    this.held = null;
    this.turn = {};
  }

  forget() {
    this.endTurn();
    this.editor = null;
    /** @type {Version | null} version that is shown */
    this.shown = null;
    /** @type {Version[]} newest first */
    this.savedNow = [];
    /** @type {Date | null} */
    this.draftedAt = null;
    /** @type {Date | null} */
    this.savedAt = null;
    /** @type {Question | null} */
    this.question = null;
    this.isStale = this.isDrafted = this.isSaving = false;
    this.key = this.owner = this.event = this.problem = "";
    this.seconds = this.workedSeconds = this.lastActive = 0;
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

  /** Another scan is on screen. */
  changeScan() {
    this.ready = openScan(this);
    return this.ready;
  }

  /** Answers the question that is shown. @param {boolean} yes */
  answer(yes) {
    const { question } = this;
    this.question = null;
    if (yes) question?.run();
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
    if (!this.editor) begin(this, PREDICTED);
    this.isOpen = true;
    this.showPane();
    this.viewer.setTool(this.tools.brush);
    this.changed();
    this.viewer.layOut();
    return true;
  }

  close() {
    this.finishStroke();
    if (this.viewer.tool instanceof DrawTool) this.viewer.setTool(null);
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

  /** @param {ToolName} name */
  async choose(name) {
    this.noteActivity();
    await this.open();
    if (this.isOpen) this.viewer.setTool(this.tools[name]);
  }

  /** @param {Partial<Settings>} settings */
  set(settings) {
    if (!this.editor) return;
    Object.assign(this.editor.settings, settings);
    this.viewer.redraw();
    this.changed();
  }

  nextOrgan() {
    if (!this.editor) return;
    const ids = this.editor.scan.organs.map(({ id }) => id);
    this.set({ organ: ids[(ids.indexOf(this.editor.settings.organ) + 1) % ids.length] });
  }

  /** @param {number} steps */
  resize(steps) {
    if (!this.editor) return;
    const at = DIAMETERS.indexOf(this.editor.settings.diameter) + steps;
    if (at in DIAMETERS) this.set({ diameter: DIAMETERS[at] });
  }

  /**
   * Runs an action of the editor on the slice shown; it may answer with a sentence.
   * @param {(editor: Editor, z: number) => string | boolean} action
   */
  act(action) {
    if (!this.isOpen || !this.editor || this.editor.pressed) return;
    this.noteActivity();
    const answer = action(this.editor, this.viewer.view.at.z);
    this.tell(typeof answer === "string" ? answer : "");
  }

  /** @param {1 | -1} side of the neighbouring slice */
  copyFrom(side) {
    this.act((editor, z) => editor.copyFrom(z, z + side));
  }

  interpolate() {
    this.act((editor, z) => editor.interpolate(z));
  }

  /** Undoes or redoes a step, and shows where. @param {"undo" | "redo"} direction */
  travel(direction) {
    if (!this.isOpen || !this.editor || this.editor.pressed) return;
    this.noteActivity();
    const positions = this.editor.travel(direction);
    if (positions.length && !positions.includes(this.viewer.view.at.z)) goTo(this.viewer, positions[0]);
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

  get canSave() {
    return Boolean(this.editor) && !this.isSaved && !this.isSaving && this.edit.reader !== "";
  }
}
