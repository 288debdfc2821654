// A scan as the browser holds it: fetched once, unpacked once, then only read.
// The format is described in core/payload.py; the browser has undone the gzip by Content-Encoding.

import { compare } from "./compare.js";

const MAGIC = "GCSCAN1\0";
const KEPT = 2; // the scan on screen and the one that comes next; a scan of 144 slices takes about 20 MB

/**
 * @typedef {{id: number, name: string, title: string, rgb: number[]}} Organ
 * @typedef {object} Scan
 * @property {number} depth
 * @property {number} height voxels
 * @property {number} width voxels
 * @property {number} aspect width by height on the patient, not in voxels
 * @property {number[]} sliceNumbers as the files are named, ascending, one a position
 * @property {Organ[]} organs
 * @property {string} leak the leak badge's text
 * @property {Uint8Array} image depth·height·width grey values
 * @property {Uint8Array} labels reference in bits 0 and 1, prediction in bits 2 and 3
 * @property {import("./compare.js").Counts} counts voxels of each organ on each slice
 */

/** @type {Map<string, Promise<Scan>>} */
const kept = new Map();

/**
 * The scan at `url`, from memory where it was loaded or prefetched before.
 * @param {string} url
 * @param {(share: number) => void} [onProgress] gets the share that has arrived, 0 to 1
 * @returns {Promise<Scan>}
 */
export function loadScan(url, onProgress) {
  const known = kept.get(url);
  const scan = known ?? download(url, onProgress);
  kept.delete(url); // put back at the end: a Map keeps the order of insertion
  kept.set(url, scan);
  if (!known) scan.catch(() => kept.delete(url)); // so that Retry asks again
  for (const oldest of [...kept.keys()].slice(0, -KEPT)) kept.delete(oldest);
  return scan;
}

async function download(url, onProgress = () => {}) {
  const response = await reach(url);
  if (!response.ok) throw new Error((await response.text()).slice(0, 500) || `The server answered ${response.status}.`);
  return unpack(await readAll(response.body, onProgress));
}

async function reach(url) {
  try {
    return await fetch(url);
  } catch {
    throw new Error("The server does not answer; check the connection and try again.");
  }
}

/** Reads a stream to its end; the header at its beginning tells how much is to come. */
async function readAll(stream, onProgress) {
  const chunks = [];
  let arrived = 0;
  let total = 0;
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    arrived += value.length;
    total ||= expectedLength(chunks[0]);
    if (total) onProgress(Math.min(1, arrived / total));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function expectedLength(start) {
  const header = readHeader(start);
  if (!header) return 0;
  const [depth, height, width] = header.content.shape;
  return header.end + 2 * depth * height * width;
}

/** The JSON header and where it ends, or null where these bytes do not hold all of it. */
function readHeader(bytes) {
  if (bytes.length < 12 || new TextDecoder().decode(bytes.subarray(0, 8)) !== MAGIC) return null;
  const end = 12 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  return bytes.length < end ? null : { content: JSON.parse(new TextDecoder().decode(bytes.subarray(12, end))), end };
}

/**
 * @param {Uint8Array} bytes a whole payload, no longer compressed
 * @returns {Scan}
 */
export function unpack(bytes) {
  const header = readHeader(bytes);
  if (!header || bytes.length !== expectedLength(bytes)) throw new Error("The scan arrived damaged; try again.");
  const { shape, slice_numbers, spacing_mm, native_size, organs, leak } = header.content;
  const [depth, height, width] = shape;
  const middle = header.end + depth * height * width;
  const labels = bytes.subarray(middle);
  return {
    depth, height, width, organs, leak, labels,
    sliceNumbers: slice_numbers,
    aspect: physicalAspect(native_size ?? [height, width], spacing_mm ?? [1, 1, 1]),
    image: bytes.subarray(header.end, middle),
    counts: compare(labels, depth, organs),
  };
}

/** Pictures may be stored squashed (a square for the network), so the picture's own sides do not tell the aspect. */
function physicalAspect([height, width], [, y_mm, x_mm]) {
  return (width * x_mm) / (height * y_mm);
}

/** The position whose slice number is nearest to `number`. */
export function positionOf(scan, number) {
  const gaps = scan.sliceNumbers.map((each) => Math.abs(each - number));
  return gaps.indexOf(Math.min(...gaps));
}
