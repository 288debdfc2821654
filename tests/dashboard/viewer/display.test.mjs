// What is shown: links, layouts, windows, zoom.

import assert from "node:assert/strict";
import { test } from "node:test";

import { layoutOf, LAYOUTS, layoutsOf, withLayout } from "../../../dashboard/viewer/layout.js";
import { applyWindow, draggedWindow, ownValue, PRESETS, widthAndLevel } from "../../../dashboard/viewer/levels.js";
import { readLink, usualView, writeLink } from "../../../dashboard/viewer/link.js";
import { Slices } from "../../../dashboard/viewer/slices.js";
import { pannedCentre, zoomedCentre } from "../../../dashboard/viewer/zoom.js";
import { smallScan } from "./small_scan.mjs";

const VIEW = {
  ...usualView(), at: { x: 12, y: 7, z: 0 }, panes: [{ content: "both", plane: "coronal" }, { content: "errors", plane: "axial" }],
  organs: new Set([3, 1]), opacity: 0.6, mode: "contour", cross: true, window: { low: -5, high: 300 }, zoom: 2.5,
  centre: { x: 4, y: 5, z: 6 }, other: "run/best:1",
};

test("a link opens the view that wrote it", () => {
  assert.deepEqual(readLink(writeLink(VIEW)), { ...VIEW, organs: new Set([1, 3]) });
  assert.match(writeLink(VIEW), /^[\w.:~/+-]+$/);
});

test("the usual view needs no words", () => {
  assert.equal(writeLink(usualView()), "");
  assert.deepEqual(readLink(""), usualView());
});

test("what makes no sense in a link is as usual", () => {
  for (const text of ["panes:both-oblique", "panes:__proto__-axial", "organs:4", "opacity:101", "style:glow", "window:9.3", "zoom:50", "constructor:1", "at:x.y"]) {
    assert.deepEqual(readLink(text), usualView(), text);
  }
  assert.equal(readLink("opacity:101~style:contour").mode, "contour");
});

test("a layout keeps what its panes show, unless they showed the usual", () => {
  let view = usualView();
  for (const name of LAYOUTS) {
    view = { ...view, ...withLayout(view, name) };
    assert.equal(layoutOf(view.panes), name);
  }
  const own = { ...usualView(), panes: [{ content: "errors", plane: "axial" }, { content: "both", plane: "axial" }] };
  assert.deepEqual(withLayout(own, "3").panes.map(({ content }) => content), ["errors", "both", "prediction"]);
  assert.deepEqual(withLayout(usualView(), "3").panes.map(({ content }) => content), ["image", "reference", "prediction"]);
  assert.deepEqual(withLayout(usualView(), "planes"), {
    panes: ["axial", "coronal", "sagittal"].map((plane) => ({ content: "both", plane })), cross: true,
  });
});

test("of a scan without label maps there is the picture, and its three planes", () => {
  assert.deepEqual(layoutsOf({ ...smallScan(), drawn: false }), ["1", "planes"]);
  assert.deepEqual(withLayout(usualView(), "1", false).panes, [{ content: "image", plane: "axial" }]);
  assert.deepEqual(withLayout(usualView(), "planes", false).panes.map(({ content }) => content), ["image", "image", "image"]);
});

test("a drag across sets the window's width, down its level", () => {
  const scan = smallScan();
  assert.deepEqual(widthAndLevel(scan, draggedWindow(scan, { low: 0, high: 1000 }, 40, 0)), { width: 1100, level: 500 });
  assert.deepEqual(widthAndLevel(scan, draggedWindow(scan, { low: 0, high: 1000 }, 0, 40)), { width: 1000, level: 400 });

test("a CT's window is in Hounsfield units", () => {
  const ct = { ...scan, grey: [1, -1024] };
  assert.deepEqual(widthAndLevel(ct, { low: 864, high: 1264 }), { width: 400, level: 40 });
  assert.equal(ownValue(ct, 1055), 31);
  assert.deepEqual(widthAndLevel({ ...scan, grey: [2 ** -12, -1] }, { low: 4096, high: 6144 }), { width: 0.5, level: 0.25 });
});
  assert.deepEqual(PRESETS.full.of({ low: 3, high: 4, min: 7, max: 7 }), { low: 7, high: 8 });
});

test("grey values follow the window, stretched until the intensities are there", () => {
  const scan = smallScan();
  const viewer = { scan: { ...scan, asked: Promise.resolve() }, view: { window: { low: 250, high: 750 } }, slices: new Slices(scan) };
  const picture = viewer.slices.picture("axial", 0);
  applyWindow(viewer);
  assert.notEqual(viewer.slices.picture("axial", 0), picture);
  assert.deepEqual([0, 63, 128, 192, 255].map((grey) => viewer.scan.lut[grey]), [0, 0, 128, 255, 255]);
  viewer.scan.deep = Uint16Array.of(0);
  applyWindow(viewer);
  assert.deepEqual([0, 250, 500, 750, 65535].map((intensity) => viewer.scan.lut[intensity]), [0, 0, 128, 255, 255]); // 127.5 goes to 128
  viewer.view.window = null;
  applyWindow(viewer);
  assert.equal(viewer.scan.lut, null);
});

test("zooming keeps the point under the pointer, panning moves by voxels and stays on the scan", () => {
  const pane = { plane: "coronal", scan: smallScan(), pixelRatio: 2, pxU: 4, pxV: 8 };
  const centre = { x: 3, y: 2, z: 2 };
  assert.deepEqual(pannedCentre(pane, centre, 4, -4), { x: 1, y: 2, z: 3 });
  assert.deepEqual(pannedCentre(pane, centre, 400, -400), { x: 0, y: 2, z: 4 });
  const hit = { u: 5, v: 1 };
  const zoomed = zoomedCentre(pane, centre, hit, 2);
  assert.deepEqual(zoomed, { x: 4, y: 2, z: 1.5 });
  assert.equal((hit.u - zoomed.x) * 2, hit.u - centre.x); // as far from the middle as before
});
