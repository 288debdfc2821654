// Where reference and prediction agree, slice by slice: to find the slice to look at, never as the headline score.

/** Below this Dice on one slice, two outlines differ enough to stop at. */
export const STRONG = 0.8;

/**
 * @import { Organ } from "./types.d.ts"
 * @typedef {{reference: Uint32Array, prediction: Uint32Array, both: Uint32Array, differing: Uint32Array}} OrganCounts
 * @typedef {Map<number, OrganCounts>} Counts voxels by organ id; one value a slice position
 */

/**
 * Counts voxels of each organ on each slice.
 * @param {Uint8Array} labels packed label maps
 * @param {number} depth @param {Pick<Organ, "id">[]} organs @returns {Counts}
 */
export function compare(labels, depth, organs) {
  const counts = new Map(organs.map(({ id }) => [id, emptyCounts(depth)]));
  const area = labels.length / depth;
  for (let z = 0; z < depth; z++) {
    const pairs = new Uint32Array(16);
    for (let i = z * area, end = i + area; i < end; i++) pairs[labels[i] & 15]++;
    for (const [id, organ] of counts) tally(organ, z, id, pairs);
  }
  return counts;
}

/** @param {number} depth @returns {OrganCounts} */
function emptyCounts(depth) {
  const zeros = () => new Uint32Array(depth);
  return { reference: zeros(), prediction: zeros(), both: zeros(), differing: zeros() };
}

/**
 * @param {OrganCounts} organ @param {number} z @param {number} id @param {Uint32Array} pairs voxels by reference + 4·prediction
 */
function tally(organ, z, id, pairs) {
  for (let other = 0; other < 4; other++) {
    organ.reference[z] += pairs[id | (other << 2)];
    organ.prediction[z] += pairs[other | (id << 2)];
  }
  organ.both[z] = pairs[id | (id << 2)];
  organ.differing[z] = organ.reference[z] + organ.prediction[z] - 2 * organ.both[z];
}

/**
 * Dice of an organ on a slice; NaN where neither has it (the rule of core.metrics.overlap).
 * @param {OrganCounts} organ @param {number} z
 */
export function dice(organ, z) {
  return (2 * organ.both[z]) / (organ.reference[z] + organ.prediction[z]);
}

/**
 * What to say of an organ on a slice: its Dice, "missed", "extra", or a dash where neither has it.
 * @param {OrganCounts} organ @param {number} z
 */
export function verdict(organ, z) {
  if (!organ.reference[z] && !organ.prediction[z]) return "–";
  if (!organ.prediction[z]) return "missed";
  return organ.reference[z] ? dice(organ, z).toFixed(2) : "extra";
}

/**
 * The nearest position after `from` in direction `step` where a shown organ differs, or -1.
 * @param {Counts} counts @param {number} from @param {1 | -1} step
 * @param {Set<number>} shown organ ids
 * @param {number} [below] differs means a Dice below this
 */
export function nextDifference(counts, from, step, shown, below = STRONG) {
  const organs = [...counts].filter(([id]) => shown.has(id)).map(([, organ]) => organ);
  const depth = organs[0]?.both.length ?? 0;
  for (let z = from + step; z >= 0 && z < depth; z += step) {
    if (organs.some((organ) => dice(organ, z) < below)) return z;
  }
  return -1;
}

/**
 * The position where most voxels differ, of one organ where that is given and differs anywhere; the middle where none does.
 * @param {Counts} counts @param {number} depth @param {number} [id]
 */
export function worstPosition(counts, depth, id) {
  const mine = id === undefined ? undefined : counts.get(id);
  if (mine?.differing.some(Boolean)) return mine.differing.indexOf(Math.max(...mine.differing));
  let worst = depth >> 1;
  let most = 0;
  for (let z = 0; z < depth; z++) {
    const differing = [...counts.values()].reduce((sum, organ) => sum + organ.differing[z], 0);
    if (differing > most) [worst, most] = [z, differing];
  }
  return worst;
}
