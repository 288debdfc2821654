// The row of editing tools over the panes, and the button that opens it.

import { clock, DIAMETERS } from "./session.js";

/** An icon of Streamlit's own font, with the word beside it where there is room; the word is the button's name everywhere. */
const icon = (name, word) => `<i class="icon" aria-hidden="true" translate="no">${name}</i><span class="word">${word}</span>`;

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
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    const { viewer } = session;
    this.button = Object.assign(document.createElement("button"), { type: "button", hidden: true });
    this.button.append("Correct", named("unsaved", ""));
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
      session.hearOf(viewer.data.edit); // another reader or version, from Python
    });
  }

  part(name) {
    return this.row.querySelector(`[data-edit=${name}]`);
  }

  wire() {
    const { session } = this;
    const click = (name, run) => (this.part(name).onclick = run);
    for (const name of ["brush", "eraser", "bucket"]) click(name, () => session.choose(name));
    for (const name of ["undo", "redo"]) click(name, () => session.travel(name));
    for (const name of ["interpolate", "revert"]) click(name, () => session.act(name));
    click("copyPrevious", () => session.copyFrom(-1));
    click("copyNext", () => session.copyFrom(1));
    click("save", () => session.save());
    click("yes", () => session.answer(true));
    click("no", () => session.answer(false));
    this.part("size").max = String(DIAMETERS.length - 1);
    this.part("size").oninput = ({ target }) => session.set({ diameter: DIAMETERS[target.valueAsNumber] });
    this.part("protect").onchange = ({ target }) => session.set({ protect: target.checked });
    this.part("base").onchange = ({ target }) => session.beginWith(target.value);
  }

  sync() {
    const { session, button, row } = this;
    const { viewer, isOpen, editor } = session;
    this.told = viewer.data.edit;
    button.hidden = !viewer.data.edit;
    button.setAttribute("aria-pressed", String(isOpen));
    button.querySelector(".unsaved").textContent = session.isSaved ? "" : " (unsaved)";
    row.hidden = !isOpen && !session.problem;
    row.classList.toggle("closed", !isOpen);
    this.syncNote();
    if (isOpen && editor && viewer.scan === editor.scan) this.syncTools();
  }

  syncTools() {
    const { editor, viewer } = this.session;
    const { organ, diameter, protect } = editor.settings;
    this.syncOrgans(editor.scan.organs, organ);
    this.part("size").value = String(DIAMETERS.indexOf(diameter));
    this.part("diameter").textContent = diameter ? `${diameter} ${editor.scan.millimetres ? "mm" : "px"}` : "1 voxel";
    this.part("protect").checked = protect;
    this.part("undo").disabled = !editor.history.done.length;
    this.part("redo").disabled = !editor.history.undone.length;
    this.part("revert").disabled = !editor.canRevert;
    for (const each of this.row.querySelectorAll("[data-tool]")) {
      each.setAttribute("aria-pressed", String(viewer.tool?.name === each.dataset.tool));
    }
    this.syncBases();
    this.part("save").disabled = !this.session.canSave;
    this.part("state").textContent = this.stateText();
    this.part("state").dataset.saved = String(this.session.isSaved);
  }

  syncOrgans(organs, chosen) {
    const group = this.part("organs");
    if (!group.children.length) {
      group.append(...organs.map(({ id, title, rgb }) => {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "organ" });
        const square = Object.assign(document.createElement("span"), { className: "swatch" });
        square.style.setProperty("--organ", `rgb(${rgb.join(" ")})`);
        button.append(square, named("word", title), named("brief", brief(title)));
        button.dataset.organ = id;
        button.setAttribute("role", "radio");
        button.onclick = () => this.session.set({ organ: id });
        return button;
      }));
    }
    for (const each of group.children) each.setAttribute("aria-checked", String(Number(each.dataset.organ) === chosen));
  }

  syncBases() {
    const { versions, shown, editor } = this.session;
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
    this.part("text").textContent = question?.text ?? problem;
    this.part("yes").hidden = !question;
    this.part("no").hidden = !question?.no;
    this.part("yes").textContent = question?.yes ?? "";
    this.part("no").textContent = question?.no ?? "";
  }
}

function named(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent, ariaHidden: className === "brief" });
}

/** Stomach, SB, LB: as radiologists write them. */
function brief(title) {
  const words = title.split(" ");
  return words.length === 1 ? title : words.map((word) => word[0].toUpperCase()).join("");
}
