// Correcting a prediction: drawn with the tools of this folder, kept apart from reference and prediction.

import { BINDINGS } from "../keys.js";
import { save } from "./keeping.js";
import { Panel } from "./panel.js";
import { Session } from "./session.js";

BINDINGS.push(
  { keys: ["b"], shown: "B", does: "Correct: brush", run: (v) => v.editing.choose("brush") },
  { keys: ["d"], shown: "D", does: "Correct: eraser", run: (v) => v.editing.choose("eraser") },
  { keys: ["k"], shown: "K", does: "Correct: fill a closed region", run: (v) => v.editing.choose("bucket") },
  { keys: ["o"], shown: "O", does: "Correct: next organ", run: (v) => v.editing.nextOrgan() },
  { keys: [","], shown: ",", does: "Correct: smaller brush", run: (v) => v.editing.resize(-1) },
  { keys: ["."], shown: ".", does: "Correct: larger brush", run: (v) => v.editing.resize(1) },
  { keys: ["j"], shown: "J", does: "Correct: the organ as on the slice before", run: (v) => v.editing.copyFrom(-1) },
  { keys: ["J"], shown: "Shift J", does: "Correct: the organ as on the next slice", run: (v) => v.editing.copyFrom(1) },
  { keys: ["i"], shown: "I", does: "Correct: interpolate between two drawn slices", run: (v) => v.editing.interpolate() },
  { keys: ["z"], ctrl: true, shown: "Ctrl Z", does: "Correct: undo", run: (v) => v.editing.travel("undo") },
  { keys: ["Z", "y"], ctrl: true, shown: "Ctrl Shift Z", does: "Correct: redo", run: (v) => v.editing.travel("redo") },
  { keys: ["s"], ctrl: true, shown: "Ctrl S", does: "Correct: save", run: (v) => save(v.editing) },
);

/** @import { Viewer } from "../types.d.ts" */

/** @param {Viewer} viewer */
export function install(viewer) {
  const session = new Session(viewer);
  new Panel(session);
  return session;
}
