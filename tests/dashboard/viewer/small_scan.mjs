// A small scan as the server sends it and as the browser holds it, and what node lacks of a browser.

import { planesOf } from "../../../dashboard/viewer/planes.js";

export const ORGANS = [
  { id: 1, name: "stomach", title: "Stomach", rgb: [255, 0, 0] },
  { id: 2, name: "small_bowel", title: "Small bowel", rgb: [0, 255, 0] },
  { id: 3, name: "large_bowel", title: "Large bowel", rgb: [0, 0, 255] },
];
export const KINDS = ["missed", "extra", "swapped", "agreement"].map((name, i) => ({ name, title: name, rgb: [i, 10 * i, 100 + i] }));

/** Numbers from 0 to 1, the same at each run (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes up to `most`. */
export function bytes(count, most, seed) {
  const next = random(seed);
  return Uint8Array.from({ length: count }, () => Math.floor(next() * (most + 1)));
}

/** A scan of z·y·x voxels with random grey values and reference and prediction. */
export function smallScan({ x = 7, y = 5, z = 4, orientation = null } = {}) {
  return {
    size: { x, y, z }, depth: z, step: { x: 1, y: 1, z: 2 }, millimetres: true, planes: planesOf(orientation), drawn: true, sliceNumbers: Array.from({ length: z }, (_, i) => i + 1),
    organs: ORGANS, errorKinds: KINDS, window: { low: 0, high: 1000, min: 0, max: 2000 }, grey: [1, 0], confidence: null, regions: [],
    image: bytes(x * y * z, 255, 1), labels: bytes(x * y * z, 15, 2), deep: null, lut: null, lutKey: "",
  };
}

/** A scan's message: magic, length of the header, header, bytes. */
export function message(header, ...parts) {
  const body = Buffer.concat(parts);
  const json = Buffer.from(JSON.stringify({ bytes: body.length, ...header }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([Buffer.from("GCSCAN4\0"), length, json, body]);
}

/** Keeps the corners of each ring. */
globalThis.Path2D = class {
  rings = [];

  moveTo(x, y) {
    this.rings.push([[x, y]]);
  }

  lineTo(x, y) {
    this.rings.at(-1).push([x, y]);
  }

  closePath() {}
};
