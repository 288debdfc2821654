// The row of editing tools over the panes, and the button that opens it.

import { swatch } from "../controls.js";
import { save } from "./keeping.js";
import { beginWith, clock, hearOf } from "./opening.js";
import { DIAMETERS } from "./session.js";

/**
 * @import { Editor } from "./editor.js"
 * @import { Session } from "./session.js"
 * @import { Edit, Organ, Part } from "../types.d.ts"
 */

/** An icon of Streamlit's own font, with the word beside it where there is room; the word is the button's name everywhere. */
const icon = (/** @type {string} */ name, /** @type {string} */ word) =>
  `<i class="icon" aria-hidden="true" translate="no">${name}</i><span class="word">${word}</span>`;

const ROW = `
  <div class="group" role="group" aria-label="Draw">
    <button type="button" data-edit="brush" data-tool="brush" title="Brush (key B); with Shift a drag pans">${icon("brush", "Brush")}</button>
    <button type="button" data-edit="eraser" data-tool="eraser" title="Eraser (key D)">${icon("ink_eraser", "Eraser")}</button>
    <button type="button" data-edit="bucket" data-tool="bucket" title="Fill a closed region (key K)">${icon("format_color_fill", "Fill")}</button>
  </div>
  <div class="group" data-edit="organs" role="radiogroup" aria-label="Organ to draw (key O)"></div>
  <label class="size" title="Brush diameter (keys , and .)"><span class="word">Size</span>
    <input type="range" data-edit="size" min="0" step="1"><output data-edit="diameter"></output>
  </label>
  <label title="Draw over background and this organ only; erase this organ only"><input type="checkbox" data-edit="protect"> <span>Protect<span class="word"> others</span></span></label>
  <label title="Begin anew with another mask"><span class="word">From</span> <select data-edit="base"></select></label>
  <div class="group" role="group" aria-label="Steps">
    <button type="button" data-edit="undo" title="Undo (Ctrl Z)">${icon("undo", "Undo")}</button>
    <button type="button" data-edit="redo" title="Redo (Ctrl Shift Z)">${icon("redo", "Redo")}</button>
    <button type="button" data-edit="copyPrevious" title="The organ as on the slice before (key J)">‹ Copy</button>
    <button type="button" data-edit="copyNext" title="The organ as on the next slice (key Shift J)">Copy ›</button>
    <button type="button" data-edit="interpolate" title="The organ on the slices between the two drawn ones around this (key I)">Interpolate</button>
    <button type="button" data-edit="revert" title="This slice as it was to begin with">Revert</button>
  </div>
  <div class="group saving">
    <span data-edit="state" role="status" title="Unsaved work stays in this browser, even when the page or the server goes away"></span>
    <button type="button" data-edit="save" class="primary" title="Save as a new version (Ctrl S)">Save</button>
  </div>
  <p class="note" data-edit="note" hidden><span data-edit="text"></span> <button type="button" data-edit="yes"></button> <button type="button" data-edit="no"></button></p>`;

export class Panel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    const { viewer } = session;
    this.button = Object.assign(document.createElement("button"), { type: "button", hidden: true });
    this.unsaved = named("unsaved", "");
    this.button.append("Correct", this.unsaved);
    /** @type {Edit | null | undefined} what Python had told when the row was brought up to date */
    this.told = undefined;
    this.button.dataset.part = "correct";
    this.button.title = "Correct the outlines by hand; saved as a version of its own";
    this.button.onclick = () => session.toggle();
    viewer.addPanel(this.button);
    this.row = Object.assign(document.createElement("div"), { className: "toolbar edit", hidden: true, innerHTML: ROW });
    this.row.dataset.part = "edit";
    this.row.setAttribute("role", "toolbar");
    this.row.setAttribute("aria-label", "Correcting");
    viewer.part("panes").before(this.row);
    viewer.addEventListener("close", () => this.row.remove()); // as the button, see addPanel
    this.wire();
    for (const name of ["change", "view"]) (name === "view" ? viewer : session).addEventListener(name, () => this.sync());
    viewer.addPainter(() => {
      if (viewer.data.edit === this.told) return;
      this.sync();
      hearOf(session, viewer.data.edit); // another reader or version, from Python
    });
  }

  /** @param {string} name */
  part(name) {
    return /** @type {Part} */ (this.row.querySelector(`[data-edit=${name}]`));
  }

  wire() {
    const { session } = this;
    const [size, protect, base] = [this.part("size"), this.part("protect"), this.part("base")];
    const clicks = {
      brush: () => session.choose("brush"),
      eraser: () => session.choose("eraser"),
      bucket: () => session.choose("bucket"),
      undo: () => session.travel("undo"),
      redo: () => session.travel("redo"),
      interpolate: () => session.interpolate(),
      revert: () => session.act((editor, z) => editor.revert(z)),
      copyPrevious: () => session.copyFrom(-1),
      copyNext: () => session.copyFrom(1),
      save: () => save(session),
      yes: () => session.answer(true),
      no: () => session.answer(false),
    };
    for (const [name, run] of Object.entries(clicks)) this.part(name).onclick = run;
    size.max = String(DIAMETERS.length - 1);
    size.oninput = () => session.set({ diameter: DIAMETERS[size.valueAsNumber] });
    protect.onchange = () => session.set({ protect: protect.checked });
    base.onchange = () => beginWith(session, base.value);
  }

  sync() {
    const { session, button, row } = this;
    const { viewer, isOpen, editor } = session;
    this.told = viewer.data.edit;
    button.hidden = !viewer.data.edit;
    button.setAttribute("aria-pressed", String(isOpen));
    this.unsaved.textContent = session.isSaved ? "" : " (unsaved)";
    row.hidden = !isOpen && !session.problem;
    row.classList.toggle("closed", !isOpen);
    this.syncNote();
    if (isOpen && editor && viewer.scan === editor.scan) this.syncTools(editor);
  }

  /** @param {Editor} editor */
  syncTools(editor) {
    const { viewer } = this.session;
    const { organ, diameter, protect } = editor.settings;
    this.syncOrgans(editor.scan.organs, organ);
    this.part("size").value = String(DIAMETERS.indexOf(diameter));
    this.part("diameter").textContent = diameter ? `${diameter} ${editor.scan.millimetres ? "mm" : "px"}` : "1 voxel";
    this.part("protect").checked = protect;
    this.part("undo").disabled = !editor.history.done.length;
    this.part("redo").disabled = !editor.history.undone.length;
    this.part("revert").disabled = !editor.canRevert;
    for (const name of Object.keys(this.session.tools)) this.part(name).setAttribute("aria-pressed", String(viewer.tool?.name === name));
    this.syncBases(editor);
    this.part("save").disabled = !this.session.canSave;
    this.part("state").textContent = this.stateText();
    this.part("state").dataset.saved = String(this.session.isSaved);
  }

  /** @param {Organ[]} organs @param {number} chosen */
  syncOrgans(organs, chosen) {
    const group = this.part("organs");
    if (!group.children.length) {
      group.append(...organs.map((organ) => {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "organ" });
        button.append(swatch(organ), named("word", organ.title), named("brief", brief(organ.title)));
        button.dataset.organ = String(organ.id);
        button.setAttribute("role", "radio");
        button.onclick = () => this.session.set({ organ: organ.id });
        return button;
      }));
    }
    organs.forEach(({ id }, i) => group.children[i].setAttribute("aria-checked", String(id === chosen)));
  }

  /** @param {Editor} editor */
  syncBases(editor) {
    const { versions, shown } = this.session;
    const kinds = [["prediction", "Prediction"], ["reference", "Reference"], ["empty", "Empty"]];
    const saved = versions.map(({ sha256, reader, at }) => [sha256, `${reader}, ${clock(new Date(at))}`]);
    const wanted = [...kinds, ...saved];
    const select = this.part("base");
    if (select.dataset.shows !== JSON.stringify(wanted)) {
      select.dataset.shows = JSON.stringify(wanted);
      select.replaceChildren(...wanted.map(([value, title]) => new Option(title, value)));
    }
    select.value = shown?.sha256 ?? editor.base.sha256 ?? editor.base.kind;
  }

  stateText() {
    const { isSaved, isSaving, savedAt, draftedAt, edit, shown } = this.session;
    if (isSaving) return "Saving…";
    if (isSaved && savedAt) return `Saved ${clock(savedAt)}`;
    if (isSaved) return shown ? `Version of ${shown.reader}, ${clock(new Date(shown.at))}` : "Nothing changed yet";
    if (!edit.reader) return "Unsaved; enter your name to save";
    return draftedAt ? `Unsaved; kept here ${clock(draftedAt)}` : "Unsaved";
  }

  syncNote() {
    const { question, problem } = this.session;
    this.part("note").hidden = !question && !problem;
    this.part("text").textContent = question ? question.text : problem;
    this.part("yes").hidden = !question;
    this.part("no").hidden = !question?.no;
    this.part("yes").textContent = question?.yes ?? "";
    this.part("no").textContent = question?.no ?? "";
  }
}

/** @param {string} className @param {string} textContent */
function named(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent, ariaHidden: String(className === "brief") });
}

/** Stomach, SB, LB: as radiologists write them. @param {string} title */
function brief(title) {
  const words = title.split(" ");
  return words.length === 1 ? title : words.map((word) => word[0].toUpperCase()).join("");
}
