// Colours, outlines, planes, and the pictures that are kept.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as blend from "../../../dashboard/viewer/blend.js";
import { loops } from "../../../dashboard/viewer/contour.js";
import { extent, indexOf, PLANES, planesOf, voxelOf } from "../../../dashboard/viewer/planes.js";
import { Slices } from "../../../dashboard/viewer/slices.js";
import { KINDS, ORGANS, smallScan } from "./small_scan.mjs";

const SHOWN = new Set([1, 2, 3]);
const channels = (pixel) => [...new Uint8Array(Uint32Array.of(pixel).buffer)];

test("a voxel's colour is its grey value and its organ's colour, mixed, a half going to the even number", () => {
  const table = blend.colourTable(blend.organColours(ORGANS, new Set([1])), 0.5);
  assert.deepEqual(channels(table[(1 << 8) | 100]), [178, 50, 50, 255]); // 177.5 rounds to 178
  assert.deepEqual(channels(table[(1 << 8) | 1]), [128, 0, 0, 255]); // 0.5 rounds to 0
  assert.deepEqual(channels(table[(2 << 8) | 100]), [100, 100, 100, 255]); // hidden
});

test("the error map tells missed, extra, swapped and agreement, and shows them where a shown organ is on either side", () => {
  assert.deepEqual([[0, 0], [1, 0], [0, 2], [1, 2], [3, 3]].map((pair) => blend.errorKind(...pair)), [null, "missed", "extra", "swapped", "agreement"]);
  const rgbs = blend.errorColours(KINDS, new Set([1]));
  assert.deepEqual(rgbs[1 | (0 << 2)], KINDS[0].rgb);
  assert.deepEqual(rgbs[2 | (1 << 2)], KINDS[2].rgb);
  assert.equal(rgbs[2 | (0 << 2)], null);
});

test("a slice is composed from the bits of one map, or of two", () => {
  const table = Uint32Array.from({ length: 16 * 256 }, (_, i) => i);
  const pixels = new Uint32Array(2);
  blend.compose(Uint8Array.of(9, 200), Uint8Array.of(0b1101, 0b0110), blend.PREDICTION, 3, table, pixels);
  assert.deepEqual([...pixels], [(3 << 8) | 9, (1 << 8) | 200]);
  blend.compose(Uint8Array.of(9, 200), Uint8Array.of(0b1101, 0b0110), blend.REFERENCE, 15, table, pixels);
  assert.deepEqual([...pixels], [(13 << 8) | 9, (6 << 8) | 200]);
});

test("an outline runs along voxel edges, a straight run as one line, and voxels that touch at a corner stay two", () => {
  const one = loops(Uint8Array.of(0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0), 4, 4, 0);
  assert.deepEqual([...one.keys()], [1]);
  assert.deepEqual(one.get(1).rings[0].toSorted().map(String), ["1,1", "1,3", "3,1", "3,3"]);
  const two = loops(Uint8Array.of(8, 0, 0, 8), 2, 2, blend.PREDICTION).get(2);
  assert.equal(two.rings.length, 2);
});

test("an outline surrounds as many voxels as its class has, holes left out", () => {
  const { labels, size } = smallScan({ x: 30, y: 20, z: 1 });
  const paths = loops(labels, size.x, size.y, 0);
  assert.deepEqual([...paths.keys()], [1, 2, 3]);
  for (const [id, { rings }] of paths) assert.equal(rings.reduce((sum, ring) => sum + area(ring), 0), labels.filter((packed) => (packed & 3) === id).length);
});

/** Signed, by the shoelace formula: a hole's ring runs the other way round. */
function area(ring) {
  return ring.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    return sum + (x * nextY - nextX * y) / 2;
  }, 0);
}

test("a voxel is where the pointer is, in every plane", () => {
  const scan = smallScan();
  assert.deepEqual(voxelOf(scan, "axial", 2, 3.9, 4.1), { x: 3, y: 4, z: 2 });
  assert.deepEqual(voxelOf(scan, "coronal", 1, 6.5, 3.5), { x: 6, y: 1, z: 3 });
  assert.deepEqual(voxelOf(scan, "sagittal", 5, 0, 0), { x: 5, y: 0, z: 0 });
  assert.equal(voxelOf(scan, "axial", 2, 7, 0), null);
  assert.equal(voxelOf(scan, "axial", 2, -0.1, 0), null);
  assert.deepEqual(extent(scan, "coronal"), { width: 7, height: 8 });
});

/** Of each plane of a stack: its title, and the patient's sides above, right, below and left, as radiologists hang it. */
const HUNG = { Axial: "ALPR", Coronal: "HLFR", Sagittal: "HPFA" };
const STACKS = { IPL: ["Axial", "Coronal", "Sagittal"], PIL: ["Coronal", "Axial", "Sagittal"], LIP: ["Sagittal", "Axial", "Coronal"] };

test("planes are called by what they show, in the radiological convention", () => {
  for (const [orientation, titles] of Object.entries(STACKS)) {
    const planes = planesOf(orientation);
    assert.deepEqual(Object.values(planes).map(({ title }) => title), titles);
    for (const { title, edges } of Object.values(planes)) assert.equal(edges.top + edges.right + edges.bottom + edges.left, HUNG[title]);
  }
});

test("a stack that is stored upside down says so, and one whose orientation nobody knows says nothing", () => {
  const { edges, title } = planesOf("SPL").coronal;
  assert.deepEqual([title, edges.top, edges.bottom], ["Coronal", "F", "H"]);
  for (const unknown of [null, undefined]) assert.ok(Object.values(planesOf(unknown)).every((plane) => !("edges" in plane)));
});

for (const orientation of [null, ...Object.keys(STACKS)]) test(`a picture of ${orientation} shows the voxels of its slice, under the window`, () => {
  const scan = { ...smallScan({ orientation }), lut: Uint8ClampedArray.from({ length: 256 }, (_, i) => 255 - i) };
  const slices = new Slices(scan);
  for (const plane of Object.keys(PLANES)) {
    const { width, height, grey, labels } = slices.picture(plane, 1);
    for (let v = 0; v < height; v++) {
      for (let u = 0; u < width; u++) {
        const at = indexOf(scan, voxelOf(scan, plane, 1, u, v));
        assert.equal(labels[v * width + u], scan.labels[at]);
        assert.equal(grey[v * width + u], 255 - scan.image[at]);
      }
    }
  }
});

for (const orientation of [null, ...Object.keys(STACKS)]) test(`a stroke leaves every picture and outline of ${orientation} that shows none of it`, () => {
  const scan = smallScan({ orientation });
  const slices = new Slices(scan);
  const everything = Object.entries(PLANES).flatMap(([plane, { through }]) => Array.from({ length: scan.size[through] }, (_, i) => [plane, i]));
  const maps = [blend.REFERENCE, blend.CORRECTION];
  const seen = () => new Map(everything.map(([plane, i]) => [`${plane} ${i}`, [slices.picture(plane, i), ...maps.map((map) => slices.outlines(plane, i, map))]]));
  const before = seen();
  scan.labels[indexOf(scan, { x: 3, y: 1, z: 2 })] ^= 1 << blend.CORRECTION;
  slices.relabel(blend.CORRECTION, [2]);
  const after = seen();
  const changed = (part) => [...after.keys()].filter((key) => after.get(key)[part] !== before.get(key)[part]);
  assert.deepEqual(changed(0), ["axial 2", "coronal 1", "sagittal 3"]);
  assert.deepEqual(changed(1), []); // the reference's outlines
  assert.deepEqual(changed(2), ["axial 2", "coronal 1", "sagittal 3"]);
  const fresh = new Slices(scan);
  for (const [plane, i] of everything) assert.deepEqual(slices.picture(plane, i).labels, fresh.picture(plane, i).labels);
});

test("the window makes every picture anew, and only the last few are kept", () => {
  const scan = smallScan({ z: 60 });
  const slices = new Slices(scan);
  const first = slices.picture("axial", 0);
  assert.equal(slices.picture("axial", 0), first);
  slices.forget();
  const second = slices.picture("axial", 0);
  assert.notEqual(second, first);
  for (let z = 1; z < 60; z++) slices.picture("axial", z);
  assert.notEqual(slices.picture("axial", 0), second);
});

test("organs that are not shown leave the voxel grey", () => {
  assert.deepEqual(blend.organColours(ORGANS, SHOWN), [null, ...ORGANS.map(({ rgb }) => rgb)]);
  assert.deepEqual(blend.organColours(ORGANS, new Set()), [null, null, null, null]);
});
