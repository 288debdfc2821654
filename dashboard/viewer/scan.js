// A scan as the browser holds it: fetched once, unpacked once. The format is described in core/imaging/scan_payload.py; the
// browser has undone the gzip by Content-Encoding.

import { compare } from "./compare.js";
import { OTHER } from "./blend.js";
import { planesOf } from "./planes.js";

const MAGIC = "GCSCAN4\0";
const KEPT = 2; // the scan on screen and the one that comes next; a scan of 144 slices takes about 20 MB
const AHEAD_BYTES = 100e6; // beyond this, a second scan in memory would cost more than the wait saves

/**
 * @import { Scan } from "./types.d.ts"
 * @typedef {Uint8Array<ArrayBuffer>} Bytes
 * @typedef {{header: any, bytes: Bytes, end: number}} Payload the JSON header, what follows it, and where that begins
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

/**
 * Fetches the scan that will probably be opened next; a failure shows when it is opened.
 * @param {string} url @param {Scan} shown
 */
export function loadAhead(url, shown) {
  if (2 * shown.image.length < AHEAD_BYTES) loadScan(url).catch(() => {});
}

/** Fetches the intensities behind the grey values. @param {Scan} scan @param {string} url */
export async function loadIntensities(scan, url) {
  const { header, bytes } = await download(withPart(url, "intensities"));
  const wide = header.dtype === "uint16";
  // A view must begin at a multiple of two, and the header ends anywhere.
  scan.deep = wide ? new Uint16Array(bytes.slice().buffer) : bytes;
}

/** Fetches another run's label maps of the same picture. @param {Scan} scan @param {string} url */
export async function fetchOther(scan, url) {
  const { header, bytes } = await download(withPart(url, "labels"));
  if (header.image !== scan.identity) throw new Error("That run has predicted another picture.");
  return bytes;
}

/** Lays another run's prediction beside the first. @param {Scan} scan @param {Uint8Array} bytes that run's label maps */
export function layOther(scan, bytes) {
  for (let i = 0; i < bytes.length; i++) scan.labels[i] = (scan.labels[i] & ~(3 << OTHER)) | (((bytes[i] >> 2) & 3) << OTHER);
}

/** @param {string} url @param {string} part */
function withPart(url, part) {
  return `${url}${url.includes("?") ? "&" : "?"}part=${part}`;
}

/** @param {string} url @param {(share: number) => void} [onProgress] @returns {Promise<Payload>} */
async function download(url, onProgress = () => {}) {
  const response = await reach(url);
  if (!response.ok) throw new Error((await response.text()).slice(0, 500) || `The server answered ${response.status}.`);
  return readAll(/** @type {ReadableStream<Bytes>} */ (response.body), onProgress);
}

/** @param {string} url */
async function reach(url) {
  try {
    return await fetch(url);
  } catch {
    throw new Error("The server does not answer; check the connection and try again.");
  }
}

/**
 * Reads a stream to its end; the header at its beginning tells how much is to come.
 * @param {ReadableStream<Bytes>} stream @param {(share: number) => void} onProgress
 */
async function readAll(stream, onProgress) {
  let start = new Uint8Array(0);
  /** @type {Payload | null} */
  let payload = null;
  let arrived = 0;
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!payload) {
      start = joined(start, value);
      payload = readHeader(start);
      if (!payload) continue;
      arrived = fill(payload.bytes, start.subarray(payload.end), 0);
    } else arrived = fill(payload.bytes, value, arrived);
    onProgress(Math.min(1, arrived / payload.bytes.length));
  }
  if (!payload || arrived !== payload.bytes.length) throw damaged();
  return payload;
}

const damaged = () => new Error("The scan arrived damaged; try again.");

/** @param {Bytes} first @param {Bytes} second */
function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Writes what has arrived; returns where the next goes. @param {Bytes} bytes @param {Bytes} value @param {number} at */
function fill(bytes, value, at) {
  if (at + value.length > bytes.length) throw damaged();
  bytes.set(value, at);
  return at + value.length;
}

/**
 * The JSON header, where it ends, and room for what follows; null where these bytes do not hold all of it.
 * @param {Bytes} start @returns {Payload | null}
 */
function readHeader(start) {
  if (start.length < 12) return null;
  if (new TextDecoder().decode(start.subarray(0, 8)) !== MAGIC) throw damaged();
  const end = 12 + new DataView(start.buffer, start.byteOffset).getUint32(8, true);
  if (start.length < end) return null;
  const header = JSON.parse(new TextDecoder().decode(start.subarray(12, end)));
  return { header, end, bytes: new Uint8Array(header.bytes) };
}

/** @param {Payload} payload @returns {Scan} */
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
    planes: planesOf(header.orientation),
    drawn: header.reference,
    sliceNumbers: header.slice_numbers,
    identity: header.image,
    organs: header.organs,
    errorKinds: header.error_kinds,
    leak: header.leak,
    window: header.window,
    grey: header.grey,
    confidence: header.confidence,
    regions: header.regions,
    image: bytes.subarray(0, middle),
    deep: null,
    lut: null,
    lutKey: "",
    labels,
    counts: compare(labels, depth, header.organs),
  };
}

/** The position whose slice number is nearest to `number`. @param {Scan} scan @param {number} number */
export function positionOf(scan, number) {
  const gaps = scan.sliceNumbers.map((known) => Math.abs(known - number));
  return gaps.indexOf(Math.min(...gaps));
}
