// Grey slice and label maps to colours, voxel by voxel, with the arithmetic of core.imaging.overlay.

/** @import { ErrorKind, Organ, Rgb } from "./types.d.ts" */

export const REFERENCE = 0; // bits to shift a packed label right
export const PREDICTION = 2;
export const OTHER = 4; // a second run's prediction
export const CORRECTION = 6;

/**
 * Colours of every (code, grey) pair as RGBA in memory order, index code·256 + grey.
 * @param {(Rgb | null)[]} rgbs the colour of each code; null leaves the voxel grey
 * @param {number} opacity 0 to 1
 */
export function colourTable(rgbs, opacity) {
  const table = new Uint8ClampedArray(rgbs.length * 256 * 4);
  rgbs.forEach((rgb, code) => {
    for (let grey = 0; grey < 256; grey++) {
      const mixed = rgb ? rgb.map((colour) => roundHalfEven((1 - opacity) * grey + opacity * colour)) : [grey, grey, grey];
      table.set([...mixed, 255], (code * 256 + grey) * 4);
    }
  });
  return new Uint32Array(table.buffer);
}

/** The colours of the four classes, background and hidden organs without. @param {Organ[]} organs @param {Set<number>} shown */
export function organColours(organs, shown) {
  return [0, 1, 2, 3].map((id) => (shown.has(id) ? (organs.find((organ) => organ.id === id)?.rgb ?? null) : null));
}

/**
 * The colours of the sixteen pairs of classes, index reference + 4·prediction, where a shown organ is on either side.
 * @param {ErrorKind[]} kinds the table of core.imaging.overlay
 * @param {Set<number>} shown organ ids
 */
export function errorColours(kinds, shown) {
  const rgbs = new Map(kinds.map(({ name, rgb }) => [name, rgb]));
  return Array.from({ length: 16 }, (_, pair) => {
    const kind = errorKind(pair & 3, pair >> 2);
    return kind && (shown.has(pair & 3) || shown.has(pair >> 2)) ? (rgbs.get(kind) ?? null) : null;
  });
}

/**
 * What a voxel is, by its two classes; null where both say background.
 * @param {number} reference @param {number} prediction
 */
export function errorKind(reference, prediction) {
  if (reference === prediction) return reference ? "agreement" : null;
  if (!prediction) return "missed";
  return reference ? "swapped" : "extra";
}

/** NumPy's rint; Math.round sends halves up, and a voxel at 50 % opacity is a half every second time. @param {number} value */
function roundHalfEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/**
 * Writes one slice with one of its label maps, or a pair of them, into `pixels`.
 * @param {Uint8Array} grey
 * @param {Uint8Array} labels packed, of the same slice
 * @param {number} shift where the map's bits begin
 * @param {number} mask 3 for one map, 15 for two that stand side by side
 * @param {Uint32Array} table see colourTable
 * @param {Uint32Array} pixels
 */
export function compose(grey, labels, shift, mask, table, pixels) {
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[(((labels[i] >> shift) & mask) << 8) | grey[i]];
}
