// A correction in the making: its voxels (two bits of the scan's packed labels), what it began with, and its history.

import { CORRECTION, PREDICTION, REFERENCE } from "../blend.js";
import { stroke } from "./brush.js";
import { region } from "./fill.js";
import { apply, difference, History, positionsOf } from "./history.js";
import { between } from "./interpolate.js";
import { packedClass } from "./volume.js";

const KEEP = 255 ^ (3 << CORRECTION);

/**
 * @import { Pixel } from "./brush.js"
 * @import { Base, Scan, Settings, Step, Voxel } from "../types.d.ts"
 */

/** @type {Base} */
export const PREDICTED = { kind: "prediction", sha256: null, packed: null };

export class Editor {
  /** @param {Scan} scan @param {(positions: number[]) => void} onChange slices that changed, at each change */
  constructor(scan, onChange) {
    this.scan = scan;
    this.onChange = onChange;
    this.area = scan.size.x * scan.size.y;
    /** @type {Settings} */
    this.settings = { organ: scan.organs[0].id, diameter: 10, protect: false };
    /** @type {Map<number, Set<number>>} slices that the reader drew each organ on */
    this.drawn = new Map(scan.organs.map(({ id }) => [id, new Set()]));
    this.base = PREDICTED;
    this.history = new History();
    /** @type {{z: number, erases: boolean, last: Pixel, before: Uint8Array} | null} the stroke that is being drawn */
    this.pressed = null;
  }

  /** @param {number} i voxel */
  classAt(i) {
    return this.scan.labels[i] >> CORRECTION;
  }

  /** @param {number} i voxel @param {number} id */
  setClass(i, id) {
    this.scan.labels[i] = (this.scan.labels[i] & KEEP) | (id << CORRECTION);
  }

  /** Classes of whole slices. @param {number} from slice @param {number} [to] the one after the last */
  classes(from, to = from + 1) {
    return this.scan.labels.slice(from * this.area, to * this.area).map((packed) => packed >> CORRECTION);
  }

  /** The class that a voxel had to begin with. @param {number} i voxel */
  baseClass(i) {
    const { kind, packed } = this.base;
    if (kind === "version") return packed ? packedClass(packed, i) : 0;
    return kind === "empty" ? 0 : (this.scan.labels[i] >> (kind === "reference" ? REFERENCE : PREDICTION)) & 3;
  }

  /** Begins anew, without a history. @param {Base} base */
  begin(base) {
    this.base = base;
    // The prediction and versions are there already; a reference or an empty mask becomes a correction by choosing it.
    this.history = new History({ saved: ["prediction", "version"].includes(base.kind) });
    for (const drawn of this.drawn.values()) drawn.clear();
    for (let i = 0; i < this.scan.labels.length; i++) this.setClass(i, this.baseClass(i));
    this.onChange(this.allPositions());
  }

  /**
   * Takes up a draft again.
   * @param {Base} base
   * @param {Map<number, Uint8Array>} slices packed, those that differ from the prediction
   * @param {[number, number[]][]} drawn slices that were drawn on, by organ
   */
  restore(base, slices, drawn) {
    this.begin(PREDICTED);
    for (const [z, packed] of slices) {
      for (let i = 0; i < this.area; i++) this.setClass(z * this.area + i, packedClass(packed, i));
    }
    for (const [id, positions] of drawn) this.drawn.set(id, new Set(positions));
    this.base = base;
    this.history = new History({ saved: false });
    this.onChange(this.allPositions());
  }

  /**
   * The server has stored what it was sent.
   * @param {Base} base it became @param {Step | null} state then; one may have drawn on
   */
  becameVersion(base, state) {
    this.base = base;
    this.history.markSaved(state);
  }

  allPositions() {
    return Array.from({ length: this.scan.depth }, (_, z) => z);
  }

  /** Whether all of it is on the server. */
  get isSaved() {
    return this.history.isSaved;
  }

  /** Whether what it began with is at hand, to go back to. */
  get canRevert() {
    return this.base.kind !== "version" || this.base.packed !== null;
  }

  /**
   * One step of the history: whatever `change` writes to the slices from `from` up to and without `to`.
   * @param {number} from @param {number} to @param {() => void} change
   */
  step(from, to, change) {
    const before = this.classes(from, to);
    change();
    return this.keep(from, to, before);
  }

  /**
   * The step from the classes before; false where there is none.
   * @param {number} from @param {number} to @param {Uint8Array} before
   */
  keep(from, to, before) {
    const step = difference(before, this.classes(from, to), from * this.area);
    if (!step) return false;
    this.history.push(step);
    this.onChange(positionsOf(step, this.area));
    return true;
  }

  /** @param {"undo" | "redo"} direction @returns {number[]} the slices that changed */
  travel(direction) {
    const step = this.history[direction]();
    if (!step) return [];
    apply(step, direction === "undo" ? "before" : "after", (i, id) => this.setClass(i, id));
    const positions = positionsOf(step, this.area);
    this.onChange(positions);
    return positions;
  }

  /** Begins a stroke on a slice. @param {number} z @param {Voxel} voxel @param {boolean} erases */
  press(z, voxel, erases) {
    this.pressed = { z, erases, last: voxel, before: this.classes(z) };
    this.drag(voxel);
  }

  /** The stroke goes on to another voxel, which may lie beside the picture. @param {Pixel} voxel */
  drag(voxel) {
    if (!this.pressed) return;
    const { z, erases, last } = this.pressed;
    const { size, step } = this.scan;
    const start = z * this.area;
    stroke(last, voxel, { radius: this.settings.diameter / 2, step }, size, (x, y) => this.paint(start + y * size.x + x, erases));
    this.pressed.last = voxel;
  }

  /** Ends the stroke; it becomes one step. */
  lift() {
    if (!this.pressed) return;
    const { z, before } = this.pressed;
    this.pressed = null;
    this.noteDrawn(z);
    this.keep(z, z + 1, before);
  }

  /** @param {number} z slice that the reader drew the organ on */
  noteDrawn(z) {
    this.drawn.get(this.settings.organ)?.add(z);
  }

  /** @param {number} i voxel @param {boolean} erases */
  paint(i, erases) {
    const { organ, protect } = this.settings;
    const here = this.classAt(i);
    if (protect && here && here !== organ) return;
    this.setClass(i, erases ? 0 : organ);
  }

  /**
   * Gives the region around a voxel to the organ; a sentence where that cannot be meant.
   * @param {number} z @param {Pixel} voxel
   */
  fill(z, { x, y }) {
    const classes = this.classes(z);
    const { voxels, open } = region(classes, this.scan.size.x, y * this.scan.size.x + x);
    const here = classes[voxels[0]];
    if (!here && open) return "The region is open: it reaches the edge of the picture.";
    if (this.settings.protect && here && here !== this.settings.organ) return "The other organs are protected.";
    this.step(z, z + 1, () => voxels.forEach((i) => this.setClass(z * this.area + i, this.settings.organ)));
    this.noteDrawn(z);
    return "";
  }

  /** Gives the organ on a slice the shape that it has on a neighbouring one. @param {number} z @param {number} neighbour */
  copyFrom(z, neighbour) {
    if (neighbour < 0 || neighbour >= this.scan.depth) return "There is no slice on that side.";
    const shape = this.shape(neighbour);
    this.step(z, z + 1, () => this.putShape(z, shape));
    this.noteDrawn(z);
    return "";
  }

  /** Where the organ is on a slice, as 0 and 1. @param {number} z */
  shape(z) {
    return this.classes(z).map((id) => Number(id === this.settings.organ));
  }

  /** @param {number} z @param {Uint8Array} shape as 0 and 1 */
  putShape(z, shape) {
    const { organ } = this.settings;
    shape.forEach((inside, i) => {
      const at = z * this.area + i;
      if (inside) this.paint(at, false);
      else if (this.classAt(at) === organ) this.setClass(at, 0);
    });
  }

  /** The two slices to interpolate between, around `z`: those drawn on last below it and first from it on. @param {number} z */
  drawnAround(z) {
    const drawn = [...(this.drawn.get(this.settings.organ) ?? [])].sort((a, b) => a - b);
    const below = drawn.filter((known) => known < z).at(-1);
    const lower = below ?? (drawn.includes(z) ? z : undefined);
    return [lower, drawn.find((known) => known >= z && known !== lower)];
  }

  /** Draws the organ on the slices between the two around `z` that the reader drew on. @param {number} z */
  interpolate(z) {
    const [lower, upper] = this.drawnAround(z);
    if (lower === undefined || upper === undefined) return "Draw this organ on two slices first, then stand between them.";
    if (upper - lower < 2) return "There is no slice between the two drawn ones.";
    const [first, second] = [this.shape(lower), this.shape(upper)];
    if (!first.includes(1) || !second.includes(1)) return "The organ has to be on both drawn slices.";
    this.step(lower + 1, upper, () => {
      for (let at = lower + 1; at < upper; at++) {
        const share = (at - lower) / (upper - lower);
        this.putShape(at, between(first, second, this.scan.size.x, share, this.scan.step));
      }
    });
    return "";
  }

  /** Makes a slice what it was to begin with. @param {number} z */
  revert(z) {
    return this.step(z, z + 1, () => {
      for (let i = z * this.area; i < (z + 1) * this.area; i++) this.setClass(i, this.baseClass(i));
    });
  }
}
