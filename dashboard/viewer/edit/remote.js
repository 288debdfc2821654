// Corrections to and from the server. The formats are described in dashboard/web/correction_route.py.

const MAGIC = "GCEDIT1\0";
const PATIENCE_MS = 60_000;

/** @import { Base, Edit, Version } from "../types.d.ts" */

/**
 * Sends a correction; resolves once it is stored.
 * @param {Edit} edit @param {{id: string, seconds: number, base: Pick<Base, "kind" | "sha256">}} facts
 * @param {Uint8Array<ArrayBuffer>} packed see volume.js
 * @returns {Promise<Version>}
 */
export async function send({ url, version, reader }, { id, seconds, base }, packed) {
  const said = new TextEncoder().encode(JSON.stringify({ id, version, reader, seconds, base: base.sha256 ?? base.kind }));
  const start = new Uint8Array(12);
  start.set(new TextEncoder().encode(MAGIC));
  new DataView(start.buffer).setUint32(8, said.length, true);
  const stream = new Blob([start, said, packed]).stream().pipeThrough(new CompressionStream("gzip"));
  const body = await new Response(stream).arrayBuffer();
  // No form of another site can send this header, and we allow no other site to ask for it.
  const headers = { "Content-Type": "application/gzip", "GutCheck-Correction": "1" };
  const response = await reach(url, { method: "POST", body, headers, signal: AbortSignal.timeout(PATIENCE_MS) });
  return response.json();
}

/** A version's classes, packed. @param {Edit} edit @param {string} sha256 */
export async function fetchVersion({ url }, sha256) {
  const response = await reach(`${url}/${sha256}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
  return new Uint8Array(await response.arrayBuffer());
}

/** @param {string} url @param {RequestInit} options */
async function reach(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer; try again later.");
  }
  if (response.status === 401) throw new Error("You are signed out; sign in again in another tab, then save.");
  if (!response.ok) throw new Error((await response.text()).slice(0, 300) || `The server answered ${response.status}.`);
  return response;
}

/** crypto.randomUUID is missing where a page comes by plain HTTP. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
