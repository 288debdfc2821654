// A scan from its bytes, and where its two label maps differ.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { compare, dice, nextDifference, verdict, worstPosition } from "../../../dashboard/viewer/compare.js";
import { fetchOther, layOther, loadIntensities, loadScan, positionOf } from "../../../dashboard/viewer/scan.js";
import { bytes, KINDS, message, ORGANS, smallScan } from "./small_scan.mjs";

const HEADER = {
  shape: [2, 3, 5], native_size: [6, 5], spacing_mm: [3, 1.5, 1.5], step: [3, 3, 1.5], slice_numbers: [4, 9], image: "abc", organs: ORGANS,
  error_kinds: KINDS, leak: "", window: { low: 0, high: 9, min: 0, max: 20 }, grey: [1, 0], confidence: null, regions: [], dtype: "uint16",
};
const [IMAGE, LABELS] = [bytes(30, 255, 3), bytes(30, 15, 4)];
const DEEP = Uint16Array.from(IMAGE, (grey) => 100 * grey);
const asked = [];
let base = "";

/** Sends its answer in pieces of 11 bytes, so that the header comes in several. */
const server = createServer(async (request, response) => {
  asked.push(request.url);
  const answers = {
    "/scan": message(HEADER, IMAGE, LABELS),
    "/other-run": message(HEADER, IMAGE, LABELS),
    "/scan?part=intensities": message(HEADER, new Uint8Array(DEEP.buffer)),
    "/scan?part=labels": message(HEADER, LABELS),
    "/odd?part=labels": message({ ...HEADER, image: "other" }, LABELS),
    "/short": message({ ...HEADER, bytes: 61 }, IMAGE, LABELS),
    "/long": message({ ...HEADER, bytes: 59 }, IMAGE, LABELS),
    "/alien": Buffer.from("<html>nothing of ours</html>"),
  };
  const answer = answers[request.url];
  if (!answer) return response.writeHead(404).end("There is no such scan.");
  for (let i = 0; i < answer.length; i += 11) response.write(answer.subarray(i, i + 11));
  return response.end();
});

before(() => new Promise((done) => server.listen(0, "127.0.0.1", () => done((base = `http://127.0.0.1:${server.address().port}`)))));
after(() => server.close());

test("a scan is unpacked to the very bytes, and fetched once", async () => {
  const shares = [];
  const scan = await loadScan(`${base}/scan`, (share) => shares.push(share));
  assert.deepEqual(scan.size, { x: 5, y: 3, z: 2 });
  assert.deepEqual(scan.step, { x: 1.5, y: 3, z: 3 }); // stored at half its native height
  assert.deepEqual([...scan.image], [...IMAGE]);
  assert.deepEqual([...scan.labels], [...LABELS]);
  assert.equal(shares.at(-1), 1);
  assert.equal(await loadScan(`${base}/scan`), scan);
  assert.deepEqual(asked, ["/scan"]);
  await loadIntensities(scan, `${base}/scan`);
  assert.deepEqual(scan.deep, DEEP);
});

test("another run's prediction is laid beside the first", async () => {
  const scan = await loadScan(`${base}/scan`);
  layOther(scan, await fetchOther(scan, `${base}/scan`));
  scan.labels.forEach((packed, i) => assert.equal(packed, LABELS[i] | ((LABELS[i] >> 2) << 4)));
  await assert.rejects(fetchOther(scan, `${base}/odd`), /another picture/);
});

test("what is no whole scan is refused in a sentence, and asked for again at the next try", async () => {
  for (const name of ["short", "long", "alien"]) await assert.rejects(loadScan(`${base}/${name}`), /arrived damaged/);
  await assert.rejects(loadScan(`${base}/none`), /There is no such scan/);
  await assert.rejects(loadScan(`${base}/none`), /There is no such scan/);
  assert.equal(asked.filter((url) => url === "/none").length, 2);
});

test("the nearest slice is found by its number", () => {
  const scan = { sliceNumbers: [4, 9, 20] };
  assert.deepEqual([1, 6, 7, 14, 15, 99].map((number) => positionOf(scan, number)), [0, 0, 1, 1, 2, 2]);
});

test("voxels are counted as one by one", () => {
  const { labels, depth } = smallScan();
  const counts = compare(labels, depth, ORGANS);
  const area = labels.length / depth;
  for (const { id } of ORGANS) {
    for (let z = 0; z < depth; z++) {
      const slice = [...labels.subarray(z * area, (z + 1) * area)];
      const [inReference, inPrediction] = [(packed) => (packed & 3) === id, (packed) => packed >> 2 === id];
      const organ = counts.get(id);
      assert.equal(organ.reference[z], slice.filter(inReference).length);
      assert.equal(organ.prediction[z], slice.filter(inPrediction).length);
      assert.equal(organ.both[z], slice.filter((packed) => inReference(packed) && inPrediction(packed)).length);
      assert.equal(organ.differing[z], slice.filter((packed) => inReference(packed) !== inPrediction(packed)).length);
    }
  }
});

test("a slice's Dice is said as a number, missed, extra or a dash", () => {
  const counts = compare(Uint8Array.of(0, 1, 4, 5, 1, 5), 6, [{ id: 1 }]); // a slice a voxel
  assert.deepEqual(Array.from({ length: 6 }, (_, z) => verdict(counts.get(1), z)), ["–", "missed", "extra", "1.00", "missed", "1.00"]);
  assert.ok(Number.isNaN(dice(counts.get(1), 0)));
});

test("the way to the next slice that differs, and the worst one", () => {
  const counts = compare(Uint8Array.of(0, 5, 1, 5, 0, 8), 6, [{ id: 1 }, { id: 2 }]);
  assert.equal(nextDifference(counts, 0, 1, new Set([1, 2])), 2);
  assert.equal(nextDifference(counts, 2, 1, new Set([1])), -1);
  assert.equal(nextDifference(counts, 2, 1, new Set([1, 2])), 5);
  assert.equal(nextDifference(counts, 5, -1, new Set([1, 2])), 2);
  assert.equal(nextDifference(counts, 0, 1, new Set()), -1);
  assert.equal(worstPosition(counts, 6), 2);
  assert.equal(worstPosition(counts, 6, 2), 5);
  assert.equal(worstPosition(compare(new Uint8Array(6), 6, ORGANS), 6), 3);
});
