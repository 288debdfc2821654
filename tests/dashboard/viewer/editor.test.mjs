// Correcting: the tools, the history, and what is kept apart from reference and prediction.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PREDICTION, REFERENCE } from "../../../dashboard/viewer/blend.js";
import { Editor, PREDICTED } from "../../../dashboard/viewer/edit/editor.js";
import { differsFromPrediction, pack } from "../../../dashboard/viewer/edit/volume.js";
import { smallScan } from "./small_scan.mjs";

const [STOMACH, SMALL_BOWEL] = [1, 2];
let scan, editor, heard;

/** A scan of empty label maps of 5 slices of 9 x 9 voxels. */
beforeEach(() => {
  scan = smallScan({ x: 9, y: 9, z: 5 });
  scan.labels.fill(0);
  heard = [];
  editor = new Editor(scan, (positions) => heard.push(positions));
});

const drawn = (z) => editor.classes(z).filter(Boolean).length;
function stroke(z, from, to = from, { erases = false } = {}) {
  editor.press(z, from, erases);
  editor.drag(to);
  editor.lift();
}

test("a correction begins with the mask that was chosen, and leaves the others as they are", () => {
  scan.labels.set(Uint8Array.of(0b1001, 0b0110), 0);
  for (const [kind, first] of [["reference", [1, 2]], ["prediction", [2, 1]], ["empty", [0, 0]]]) {
    editor.begin({ kind, sha256: null, packed: null });
    assert.deepEqual([...editor.classes(0).slice(0, 2)], first);
    assert.equal(editor.isSaved, kind === "prediction");
    assert.deepEqual([scan.labels[0] & 15, scan.labels[1] & 15], [0b1001, 0b0110]);
  }
  editor.begin({ kind: "version", sha256: "a", packed: pack(Uint8Array.of(3 << 6, 1 << 6, 0, 0, 2 << 6)) });
  assert.deepEqual([...editor.classes(0).slice(0, 5)], [3, 1, 0, 0, 2]);
});

test("a stroke is one step, undone and redone to the very voxels, on its slice alone", () => {
  editor.settings.diameter = 3;
  stroke(2, { x: 2, y: 2 }, { x: 6, y: 2 });
  const after = scan.labels.slice();
  assert.equal(drawn(2), 21); // 7 voxels on each of three rows
  assert.deepEqual(heard, [[2]]);
  assert.deepEqual(editor.travel("undo"), [2]);
  assert.equal(drawn(2), 0);
  assert.ok(editor.isSaved);
  assert.deepEqual(editor.travel("redo"), [2]);
  assert.deepEqual(scan.labels, after);
  assert.deepEqual(editor.travel("redo"), []);
});

test("protected organs are neither drawn over nor erased", () => {
  editor.settings.diameter = 0;
  stroke(0, { x: 0, y: 0 }, { x: 8, y: 0 });
  Object.assign(editor.settings, { organ: SMALL_BOWEL, protect: true });
  stroke(0, { x: 4, y: 0 }, { x: 4, y: 4 });
  stroke(0, { x: 0, y: 0 }, { x: 8, y: 0 }, { erases: true });
  assert.equal(editor.classes(0).filter((id) => id === STOMACH).length, 9);
  assert.equal(editor.classes(0).filter((id) => id === SMALL_BOWEL).length, 4);
});

test("the fill takes a closed region, and refuses an open one and a protected organ in a sentence", () => {
  editor.settings.diameter = 0;
  const corners = [[2, 2], [6, 2], [6, 6], [2, 6], [2, 2]].map(([x, y]) => ({ x, y }));
  corners.slice(1).forEach((to, i) => stroke(1, corners[i], to));
  assert.match(editor.fill(1, { x: 0, y: 0 }), /open/);
  assert.equal(editor.fill(1, { x: 4, y: 4 }), "");
  assert.equal(drawn(1), 25);
  Object.assign(editor.settings, { organ: SMALL_BOWEL, protect: true });
  assert.match(editor.fill(1, { x: 4, y: 4 }), /protected/);
});

test("a shape is copied from the neighbouring slice, and joined between two drawn ones", () => {
  editor.settings.diameter = 0;
  stroke(0, { x: 1, y: 4 }, { x: 3, y: 4 });
  assert.equal(editor.copyFrom(1, 0), "");
  assert.deepEqual(editor.classes(1), editor.classes(0));
  assert.match(editor.copyFrom(0, -1), /no slice/);
  assert.match(editor.interpolate(1), /no slice between/);
  stroke(4, { x: 5, y: 4 }, { x: 7, y: 4 });
  assert.equal(editor.interpolate(3), "");
  editor.travel("undo");
  stroke(4, { x: 1, y: 4 }, { x: 7, y: 4 });
  editor.interpolate(3);
  assert.ok(drawn(2) >= 3 && drawn(3) >= 3);
  editor.travel("undo");
  assert.equal(drawn(3), 0);
});

test("without two drawn slices, or where the organ was drawn away, interpolation says what is missing", () => {
  assert.match(editor.interpolate(2), /two slices first/);
  stroke(0, { x: 4, y: 4 });
  stroke(3, { x: 4, y: 4 }, { x: 4, y: 4 }, { erases: true });
  assert.match(editor.interpolate(2), /on both/);
});

test("a slice goes back to what it was to begin with", () => {
  scan.labels.fill(3 << PREDICTION | 1 << REFERENCE);
  editor.begin(PREDICTED);
  stroke(1, { x: 4, y: 4 });
  assert.ok(differsFromPrediction(scan.labels, 81, 162));
  editor.revert(1);
  assert.ok(!differsFromPrediction(scan.labels, 81, 162));
});

test("a draft is taken up again, unsaved, with the slices that were drawn on", () => {
  stroke(1, { x: 4, y: 4 });
  const kept = new Map([[1, pack(scan.labels, undefined, 81, 162)]]);
  const classes = editor.classes(1);
  editor.begin(PREDICTED);
  editor.restore(PREDICTED, kept, [[STOMACH, [1, 4]]]);
  assert.deepEqual(editor.classes(1), classes);
  assert.ok(!editor.isSaved);
  assert.deepEqual(editor.drawnAround(3), [1, 4]);
});

test("what was drawn while a version was being saved stays unsaved", () => {
  stroke(1, { x: 4, y: 4 });
  const state = editor.history.now();
  stroke(1, { x: 8, y: 8 });
  editor.becameVersion({ kind: "version", sha256: "a", packed: null }, state);
  assert.ok(!editor.isSaved);
  assert.ok(!editor.canRevert);
  editor.travel("undo");
  assert.ok(editor.isSaved);
});
