// Class ids packed four voxels to a byte, the first in the lowest bits: how a correction is sent, kept and begun with.

import { CORRECTION, PREDICTION } from "../blend.js";

/**
 * @param {Uint8Array} labels packed label maps
 * @param {number} shift which map
 * @param {number} [from] index of the first voxel
 * @param {number} [to] of the one after the last
 */
export function pack(labels, shift = CORRECTION, from = 0, to = labels.length) {
  const packed = new Uint8Array(Math.ceil((to - from) / 4));
  for (let i = from; i < to; i++) packed[(i - from) >> 2] |= ((labels[i] >> shift) & 3) << (2 * ((i - from) & 3));
  return packed;
}

/** The class of voxel `i`. @param {Uint8Array} packed @param {number} i */
export function packedClass(packed, i) {
  return (packed[i >> 2] >> (2 * (i & 3))) & 3;
}

/**
 * Whether a slice of the correction differs from the prediction.
 * @param {Uint8Array} labels @param {number} from voxel @param {number} to
 */
export function differsFromPrediction(labels, from, to) {
  for (let i = from; i < to; i++) if (labels[i] >> CORRECTION !== ((labels[i] >> PREDICTION) & 3)) return true;
  return false;
}
