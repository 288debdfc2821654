// What a correction begins with: a draft of this browser, a saved version, or one of the scan's own masks.

import { CORRECTION } from "../blend.js";
import { failLayer } from "../shown.js";
import { Editor, PREDICTED } from "./editor.js";
import { keep } from "./keeping.js";
import { fetchVersion } from "./remote.js";

/**
 * @import { Drafts } from "./draft.js"
 * @import { Session } from "./session.js"
 * @import { Base, Draft, Edit, Scan, Version } from "../types.d.ts"
 */

/** The scan's draft is taken up again, else its newest version is shown. @param {Session} session */
export async function openScan(session) {
  const left = session.editor && !session.isSaved;
  session.close();
  session.forget();
  if (left) session.problem = "Your unsaved correction of the scan before is kept in this browser.";
  session.changed();
  const { turn } = session;
  session.told = session.edit;
  if (!session.edit) return;
  const draft = await session.drafts.then((drafts) => drafts && findDraft(session, drafts)).catch(() => null);
  if (session.turn !== turn) return;
  if (draft) await takeUp(session, draft);
  else if (session.versions.length) await showVersion(session, mineOrNewest(session));
}

/**
 * This reader's draft, or one from before the reader had given a name; while nobody has, whichever there is.
 * @param {Session} session @param {Drafts} drafts
 */
async function findDraft(session, drafts) {
  const { reader } = session.edit;
  const known = await drafts.keysFrom(session.keyFor(""));
  const key = [session.keyFor(reader), session.keyFor(""), ...(reader ? [] : known)].find((wanted) => known.includes(wanted));
  return key ? drafts.get(key) : null;
}

/**
 * Python has told another reader or other versions: nobody goes on with another reader's work.
 * @param {Session} session @param {Edit | null} edit
 */
export async function hearOf(session, edit) {
  const another = session.told?.reader !== edit?.reader && session.told?.url === edit?.url && edit;
  session.told = edit;
  const isForeign = session.owner !== "" && session.owner !== edit?.reader;
  if (another && session.viewer.scan && (session.isSaved || isForeign)) await session.changeScan();
}

/** @param {Session} session that has versions */
function mineOrNewest({ versions, edit }) {
  return versions.find(({ reader }) => reader === edit.reader) ?? versions[0];
}

/** @param {Session} session @param {Draft} draft */
async function takeUp(session, { facts, slices, key }) {
  const { base, seconds, drawn, event } = facts;
  const editor = newEditor(session);
  const draftedAt = new Date(facts.at);
  Object.assign(session, { key, isDrafted: true, draftedAt, seconds, workedSeconds: seconds, event, editor });
  const { turn } = session;
  const packed = base.kind === "version" && base.sha256 ? await fetchVersion(session.edit, base.sha256).catch(() => null) : null;
  if (session.turn !== turn) return;
  editor.restore({ ...base, packed }, slices, drawn);
  session.owner = key.slice(session.keyFor("").length);
  const whose = session.owner && !session.edit.reader ? `The unsaved correction of ${session.owner}` : "Your unsaved correction";
  listen(session);
  if (!(await session.show())) return;
  const text = `${whose} from ${clock(draftedAt)} was restored.`;
  session.question = { text, yes: "Discard", no: "Keep", run: () => discard(session) };
  session.changed();
}

/**
 * Shows a version in the correction's pane, to be looked at or gone on with.
 * @param {Session} session @param {Version} version
 */
async function showVersion(session, version) {
  const { turn } = session;
  try {
    const packed = await fetchVersion(session.edit, version.sha256);
    if (session.turn !== turn) return;
    begin(session, { kind: "version", sha256: version.sha256, packed });
    session.shown = version;
    session.changed();
  } catch (error) {
    if (session.turn !== turn) return;
    failLayer(session.viewer, "correction", `The correction is not shown. ${error.message}`);
    session.tell(error.message);
  }
}

/** @param {Session} session */
function newEditor(session) {
  const settings = session.settings ?? {}; // organ and size stay from scan to scan
  const { viewer } = session;
  const editor = new Editor(/** @type {Scan} */ (viewer.scan), (positions) => {
    viewer.labelsChanged(CORRECTION, positions);
    if (session.isListening) keep(session, editor, positions);
  });
  session.isListening = false;
  session.settings = Object.assign(editor.settings, settings);
  return editor;
}

/** From here on every change is kept. @param {Session} session */
function listen(session) {
  session.isListening = true;
  if (!session.key) Object.assign(session, { key: session.keyFor(session.edit.reader), owner: session.edit.reader });
  session.viewer.setLayer("correction", true);
}

/** Begins anew with a mask; what was unsaved is gone. @param {Session} session @param {Base} base */
export function begin(session, base) {
  const editor = session.editor ?? newEditor(session);
  session.editor = editor;
  listen(session);
  Object.assign(session, { shown: null, seconds: 0, problem: "", question: null });
  session.isListening = session.isDrafted || !["prediction", "version"].includes(base.kind); // nothing is kept of what is there already
  editor.begin(base);
  session.isListening = true;
  session.changed();
}

/**
 * As `begin`, but asks first where something would be lost.
 * @param {Session} session @param {string} choice a kind, or a version's hash
 */
export function beginWith(session, choice) {
  const version = session.versions.find(({ sha256 }) => sha256 === choice);
  const kind = /** @type {Base["kind"]} */ (choice);
  const run = () => (version ? showVersion(session, version) : begin(session, { kind, sha256: null, packed: null }));
  if (session.isSaved) return void run();
  session.question = { text: "Begin anew and lose the unsaved correction?", yes: "Begin anew", no: "Keep it", run };
  session.changed();
}

/** @param {Session} session */
function discard(session) {
  begin(session, PREDICTED);
  if (session.versions.length) showVersion(session, mineOrNewest(session));
}

/** @param {Date} date */
export function clock(date) {
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}
