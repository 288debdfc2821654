// Grey slice and label map to colours, voxel by voxel, with the arithmetic of core.overlay.blend.

export const REFERENCE = 0; // bits to shift a packed label right
export const PREDICTION = 2;

/**
 * The colour of every (class, grey) pair as RGBA in memory order, index class·256 + grey.
 * @param {import("./scan.js").Organ[]} organs
 * @param {Set<number>} shown organ ids to colour; the others stay grey
 * @param {number} opacity 0 to 1
 */
export function colourTable(organs, shown, opacity) {
  const table = new Uint8ClampedArray(4 * 256 * 4);
  for (let id = 0; id < 4; id++) {
    const rgb = shown.has(id) ? organs.find((organ) => organ.id === id)?.rgb : null;
    for (let grey = 0; grey < 256; grey++) {
      const mixed = rgb ? rgb.map((colour) => roundHalfEven((1 - opacity) * grey + opacity * colour)) : [grey, grey, grey];
      table.set([...mixed, 255], (id * 256 + grey) * 4);
    }
  }
  return new Uint32Array(table.buffer);
}

/** NumPy's rint; Math.round sends halves up, and a voxel at 50 % opacity is a half every second time. */
function roundHalfEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/**
 * Writes one slice with one of its label maps into `pixels`.
 * @param {import("./scan.js").Scan} scan
 * @param {number} position
 * @param {number} shift REFERENCE or PREDICTION
 * @param {Uint32Array} table see colourTable
 * @param {Uint32Array} pixels height·width
 */
export function compose(scan, position, shift, table, pixels) {
  const area = scan.height * scan.width;
  const start = position * area;
  const { image, labels } = scan;
  for (let i = 0; i < area; i++) pixels[i] = table[(((labels[start + i] >> shift) & 3) << 8) | image[start + i]];
}
