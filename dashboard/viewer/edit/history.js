// Steps that can be undone, each kept as the runs of voxels that it changed.

/**
 * @import { Step } from "../types.d.ts"
 * @typedef {"before" | "after"} Moment
 */

export const LIMIT = 50;

/**
 * What changed, or null.
 * @param {Uint8Array} before classes
 * @param {Uint8Array} after classes of the same voxels
 * @param {number} offset index of their first voxel in the volume
 * @returns {Step | null}
 */
export function difference(before, after, offset) {
  const runs = [];
  for (let i = 0; i < before.length; ) {
    if (before[i] === after[i]) {
      i++;
      continue;
    }
    const [start, from, to] = [i, before[i], after[i]];
    while (i < before.length && before[i] === from && after[i] === to) i++;
    runs.push([offset + start, i - start, from, to]);
  }
  if (!runs.length) return null;
  return {
    starts: Uint32Array.from(runs, ([start]) => start),
    lengths: Uint32Array.from(runs, ([, length]) => length),
    before: Uint8Array.from(runs, ([, , from]) => from),
    after: Uint8Array.from(runs, ([, , , to]) => to),
  };
}

/**
 * Calls `set(index, class)` for every voxel of a step, with its class from before or after.
 * @param {Step} step @param {Moment} side @param {(index: number, id: number) => void} set
 */
export function apply({ starts, lengths, ...classes }, side, set) {
  starts.forEach((start, run) => {
    for (let i = start; i < start + lengths[run]; i++) set(i, classes[side][run]);
  });
}

/** The slice positions that a step touches, ascending. @param {Step} step @param {number} area voxels of a slice */
export function positionsOf({ starts, lengths }, area) {
  /** @type {Set<number>} */
  const positions = new Set();
  starts.forEach((start, run) => {
    for (let z = Math.floor(start / area); z * area < start + lengths[run]; z++) positions.add(z);
  });
  return [...positions].sort((a, b) => a - b);
}

/** The last steps, and those undone; knows whether the present state is the one that was saved. */
export class History {
  /** @param {{saved?: boolean}} [options] whether the beginning is saved */
  constructor({ saved = true } = {}) {
    /** @type {Step[]} */
    this.done = [];
    /** @type {Step[]} */
    this.undone = [];
    /** @type {Step | null | undefined} the last step done when it was saved; null: the beginning, undefined: out of reach */
    this.saved = saved ? null : undefined;
  }

  /** @param {Step} step */
  push(step) {
    this.done.push(step);
    this.undone = [];
    if (this.done.length > LIMIT) {
      const [lost] = this.done.splice(0, 1);
      if (this.saved === null) this.saved = undefined;
      else if (this.saved === lost) this.saved = null;
    }
  }

  undo() {
    return this.move(this.done, this.undone);
  }

  redo() {
    return this.move(this.undone, this.done);
  }

  /** @param {Step[]} from @param {Step[]} to */
  move(from, to) {
    const step = from.pop() ?? null;
    if (step) to.push(step);
    return step;
  }

  /** The present state, or that of an earlier `now()`, is saved. */
  markSaved(state = this.now()) {
    this.saved = state;
  }

  now() {
    return this.done.at(-1) ?? null;
  }

  get isSaved() {
    return this.saved === this.now();
  }
}
