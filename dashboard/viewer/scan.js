// A scan as the browser holds it: fetched once, unpacked once. The format is described in core/imaging/scan_payload.py; the browser has
// undone the gzip by Content-Encoding.

import { compare } from "./compare.js";
import { OTHER } from "./blend.js";

const MAGIC = "GCSCAN3\0";
const KEPT = 2; // the scan on screen and the one that comes next; a scan of 144 slices takes about 20 MB
const AHEAD_BYTES = 100e6; // beyond this, a second scan in memory would cost more than the wait saves

/**
 * @typedef {{id: number, name: string, title: string, rgb: number[]}} Organ
 * @typedef {{low: number, high: number}} GreyWindow intensities that are shown black and white
 * @typedef {{organ: string, kind: string, x: number, y: number, z: number, voxels: number}} Region one place of disagreement
 * @typedef {object} Scan
 * @property {{x: number, y: number, z: number}} size voxels
 * @property {number} depth slices, size.z
 * @property {{x: number, y: number, z: number}} step voxel sides in mm; in sides of a native pixel where the spacing is unknown
 * @property {boolean} millimetres whether they are mm
 * @property {number[]} sliceNumbers as the files are named, ascending, one a position
 * @property {Organ[]} organs
 * @property {{name: string, title: string, rgb: number[]}[]} errorKinds
 * @property {string} leak the leak badge's text
 * @property {GreyWindow & {min: number, max: number}} window of the image as it was sent, and the volume's extremes
 * @property {Record<string, (number | null)[]> | null} confidence by organ name, one value a position
 * @property {Region[]} regions largest first
 * @property {Uint8Array} image depth·height·width grey values under `window`
 * @property {Uint8Array | Uint16Array | null} deep intensities, once the reader has changed the window
 * @property {Uint8Array | null} lut grey of each intensity (or, before they are there, of each grey value)
 * @property {Uint8Array} labels packed label maps, see blend.js
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
  const scan = known ?? download(url, onProgress).then(readScan);
  kept.delete(url); // put back at the end: a Map keeps the order of insertion
  kept.set(url, scan);
  if (!known) scan.catch(() => kept.delete(url)); // so that Retry asks again
  for (const oldest of [...kept.keys()].slice(0, -KEPT)) kept.delete(oldest);
  return scan;
}

/** Fetches the scan that will probably be opened next; a failure shows when it is opened. */
export function loadAhead(url, shown) {
  if (2 * shown.image.length < AHEAD_BYTES) loadScan(url).catch(() => {});
}

/** Fetches the intensities behind the grey values. @param {Scan} scan */
export async function loadIntensities(scan, url) {
  const { header, bytes } = await download(withPart(url, "intensities"));
  const wide = header.dtype === "uint16";
  // A view must begin at a multiple of two, and the header ends anywhere.
  scan.deep = wide ? new Uint16Array(bytes.slice().buffer) : bytes;
}

/** Fetches another run's label maps of the same picture. @param {Scan} scan */
export async function fetchOther(scan, url) {
  const { header, bytes } = await download(withPart(url, "labels"));
  if (header.image !== scan.identity) throw new Error("That run has predicted another picture.");
  return bytes;
}

/** Lays another run's prediction beside the first. @param {Scan} scan @param {Uint8Array} bytes that run's label maps */
export function layOther(scan, bytes) {
  for (let i = 0; i < bytes.length; i++) scan.labels[i] = (scan.labels[i] & ~(3 << OTHER)) | (((bytes[i] >> 2) & 3) << OTHER);
}

function withPart(url, part) {
  return `${url}${url.includes("?") ? "&" : "?"}part=${part}`;
}

async function download(url, onProgress = () => {}) {
  const response = await reach(url);
  if (!response.ok) throw new Error((await response.text()).slice(0, 500) || `The server answered ${response.status}.`);
  return readAll(response.body, onProgress);
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
  let start = new Uint8Array(0);
  let found = null;
  let arrived = 0;
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!found) {
      start = joined(start, value);
      found = readHeader(start);
      if (!found) continue;
      arrived = fill(found.bytes, start.subarray(found.end), 0);
    } else arrived = fill(found.bytes, value, arrived);
    onProgress(Math.min(1, arrived / found.bytes.length));
  }
  if (!found || arrived !== found.bytes.length) throw damaged();
  return found;
}

const damaged = () => new Error("The scan arrived damaged; try again.");

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function fill(bytes, value, at) {
  if (at + value.length > bytes.length) throw damaged();
  bytes.set(value, at);
  return at + value.length;
}

/** The JSON header, where it ends, and room for what follows; null where these bytes do not hold all of it. */
function readHeader(start) {
  if (start.length < 12) return null;
  if (new TextDecoder().decode(start.subarray(0, 8)) !== MAGIC) throw damaged();
  const end = 12 + new DataView(start.buffer, start.byteOffset).getUint32(8, true);
  if (start.length < end) return null;
  const header = JSON.parse(new TextDecoder().decode(start.subarray(12, end)));
  return { header, end, bytes: new Uint8Array(header.bytes) };
}

/** @returns {Scan} */
function readScan({ header, bytes }) {
  const [depth, height, width] = header.shape;
  const middle = depth * height * width;
  const labels = bytes.subarray(middle);
  const [z, y, x] = header.step;
  return {
    size: { x: width, y: height, z: depth },
    depth,
    step: { x, y, z },
    millimetres: header.spacing_mm !== null,
    sliceNumbers: header.slice_numbers,
    identity: header.image,
    organs: header.organs,
    errorKinds: header.error_kinds,
    leak: header.leak,
    window: header.window,
    confidence: header.confidence,
    regions: header.regions,
    image: bytes.subarray(0, middle),
    deep: null,
    lut: null,
    labels,
    counts: compare(labels, depth, header.organs),
  };
}

/** The position whose slice number is nearest to `number`. */
export function positionOf(scan, number) {
  const gaps = scan.sliceNumbers.map((each) => Math.abs(each - number));
  return gaps.indexOf(Math.min(...gaps));
}
