// Where a correction goes: each change to this browser's database, and what is saved to the server.

import { newId, send } from "./remote.js";
import { differsFromPrediction, pack } from "./volume.js";

/**
 * @import { Drafts } from "./draft.js"
 * @import { Editor } from "./editor.js"
 * @import { Session } from "./session.js"
 * @import { Step, Version } from "../types.d.ts"
 * @typedef {(drafts: Drafts | null) => Promise<void> | undefined} Write
 */

/**
 * Writes the slices that changed to the browser's database; all of them where there is no draft yet.
 * @param {Session} session
 * @param {Editor} editor of the session
 * @param {number[]} positions
 */
export async function keep(session, editor, positions) {
  session.noteActivity();
  const write = editor.isSaved ? dropping(session) : keeping(session, editor, positions);
  session.changed();
  try {
    await write(await session.drafts);
    if (editor === session.editor) session.draftedAt = new Date();
  } catch {
    session.tell("This browser keeps no copy of your unsaved work; save soon.");
  }
  session.changed();
}

/** @param {Session} session @returns {Write} */
function dropping(session) {
  const { key } = session;
  session.isDrafted = false;
  return (drafts) => drafts?.delete(key);
}

/** @param {Session} session @param {Editor} editor @param {number[]} positions @returns {Write} */
function keeping(session, editor, positions) {
  const { key, seconds } = session;
  const wanted = session.isDrafted ? positions : editor.allPositions();
  // Another content gets another id: what the server may have stored without our hearing of it stays as it was.
  const event = newId();
  Object.assign(session, { isDrafted: true, event, workedSeconds: seconds });
  const { kind, sha256 } = editor.base;
  const drawn = [...editor.drawn].map(([id, on]) => /** @type {[number, number[]]} */ ([id, [...on]]));
  const facts = { at: new Date().toISOString(), base: { kind, sha256 }, seconds, drawn, event };
  const slices = new Map(wanted.map((z) => [z, packedSlice(editor, z)]));
  return (drafts) => /** @type {Drafts} */ (drafts).put(key, facts, slices);
}

/** A slice as it is kept; null where it is as predicted. @param {Editor} editor @param {number} z */
function packedSlice({ area, scan: { labels } }, z) {
  const [from, to] = [z * area, (z + 1) * area];
  return differsFromPrediction(labels, from, to) ? pack(labels, undefined, from, to) : null;
}

/** Sends the correction to the server, where there is one to save and a name to save it under. @param {Session} session */
export async function save(session) {
  const { editor } = session;
  if (!editor || !session.canSave) return;
  session.finishStroke();
  const [packed, state] = [pack(editor.scan.labels), editor.history.now()];
  Object.assign(session, { isSaving: true, problem: "", question: null });
  session.changed();
  try {
    const version = await send(session.edit, { id: session.event, seconds: session.workedSeconds, base: editor.base }, packed);
    if (editor === session.editor) await saved(session, editor, version, packed, state);
  } catch (error) {
    if (editor === session.editor) session.tell(`Not saved: ${error.message} Your work is kept in this browser.`);
  }
  if (editor === session.editor) session.isSaving = false;
  session.changed();
}

/**
 * The server has acknowledged: only now the draft may go, unless the reader has drawn on.
 * @param {Session} session @param {Editor} editor @param {Version} version
 * @param {Uint8Array} packed what was sent
 * @param {Step | null} state the history's, when it was sent
 */
async function saved(session, editor, version, packed, state) {
  const { viewer } = session;
  editor.becameVersion({ kind: "version", sha256: version.sha256, packed }, state);
  Object.assign(session, { seconds: 0, shown: version, savedAt: new Date(version.at), isDrafted: false });
  session.savedNow.unshift(version);
  viewer.announce("The correction is saved.");
  await keep(session, editor, editor.allPositions());
  viewer.setTriggerValue("edited", { url: viewer.data.url, sha256: version.sha256 });
}
