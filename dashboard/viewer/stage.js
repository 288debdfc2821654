// Painting: how the panes share the room there is, and one frame of all of them from one state.

import { colourTable, errorColours, organColours } from "./blend.js";
import { syncControls, syncLegends } from "./controls.js";
import { syncLayout } from "./layout.js";
import { applyWindow } from "./levels.js";
import { paintCrosshair, paintEdges, paintFinding, paintNumber, paintPlace, paintScaleBar } from "./marks.js";
import { extent } from "./planes.js";
import { positionOf } from "./scan.js";
import { syncNotes } from "./shown.js";
import { placePanes } from "./zoom.js";

const LEAST_PANES_PX = 220;
const BELOW_PX = 6; // between the viewer and the window's lower edge
const NARROW_PX = 560;
const STACKED_GAIN = 1.3; // side by side is easier to compare, so rows must pay

/** @import { OpenViewer, Scan, Tables, View, Viewer } from "./types.d.ts" */

/**
 * Gives the panes the columns and the height that make their pictures largest, with the strip in sight.
 * @param {Viewer} viewer
 */
export function arrange(viewer) {
  syncLegends(viewer); // a frame later they would move the pictures under the pointer
  const width = viewer.part("panes").clientWidth;
  const around = viewer.root.offsetHeight - viewer.part("panes").offsetHeight; // toolbars and strip
  const room = Math.max(LEAST_PANES_PX, window.innerHeight - pageHead(viewer.root) - around - BELOW_PX);
  const tallest = tallestPlane(viewer);
  const count = viewer.view.panes.length;
  const grid = (/** @type {number} */ columns, /** @type {number} */ rows) => {
    const height = Math.floor(Math.min(room / rows, (width / columns) * tallest)); // no margin above and below
    return { columns, height, wide: Math.min(width / columns, height / tallest) };
  };
  const grids = Array.from({ length: count }, (_, i) => grid(count - i, Math.ceil(count / (count - i))));
  const best = width < NARROW_PX ? grid(1, 1) : grids.reduce((a, b) => (b.wide > STACKED_GAIN * a.wide ? b : a));
  viewer.root.style.setProperty("--columns", String(best.columns));
  viewer.root.style.setProperty("--pane-height", `${best.height}px`);
  syncLayout(viewer);
}

/** The height of what stands above an element, however far the page is scrolled; CSS pixels. @param {Element} element */
function pageHead(element) {
  let head = element.getBoundingClientRect().top;
  /** @type {Element | undefined} */
  let around = element;
  while (around) {
    head += around.scrollTop;
    around = around.parentElement ?? /** @type {Partial<ShadowRoot>} */ (around.getRootNode()).host;
  }
  return head;
}

/** Height by width of the plane that is highest. @param {{scan: Scan | null, view: View}} viewer */
function tallestPlane({ scan, view }) {
  if (!scan) return 1;
  return Math.max(...view.panes.map(({ plane }) => extent(scan, plane)).map(({ width, height }) => height / width));
}

/** All panes, the strip and the controls from one state, in one frame. @param {OpenViewer} viewer */
export function paint(viewer) {
  const { scan, view, hover } = viewer;
  applyWindow(viewer);
  syncLayout(viewer);
  const tables = tablesOf(viewer);
  const findings = viewer.data.findings.map((known) => ({ ...known, voxel: { x: known.x, y: known.y, z: positionOf(scan, known.slice) } }));
  for (const pane of placePanes(viewer)) {
    pane.paint(view, tables);
    if (view.cross) paintCrosshair(pane, view.at);
    for (const finding of findings) paintFinding(pane, finding);
    if (view.picked) paintPlace(pane, view.picked);
    if (hover?.voxel && hover.pane !== pane) paintPlace(pane, hover.voxel, "rgb(255 255 255 / 80%)", 4);
    for (const painter of viewer.painters) painter(pane.context, pane);
    viewer.tool?.paint?.(pane.context, pane);
    paintEdges(pane);
    paintScaleBar(pane);
    paintNumber(pane);
  }
  viewer.strip.paint(scan, view, findings.map(({ voxel }) => voxel.z), viewer.data);
  syncControls(viewer);
  syncNotes(viewer);
}

/**
 * The colours of every class and pair of classes at every grey, made again only when they change.
 * @param {OpenViewer} viewer @returns {Tables}
 */
function tablesOf(viewer) {
  const { organs, opacity, mode, hidden } = viewer.view;
  const key = [[...organs].sort(), opacity, mode, hidden].join();
  if (viewer.tables?.key === key) return viewer.tables;
  /** @type {Set<number>} */
  const none = new Set();
  const { organs: classes, errorKinds } = viewer.scan;
  viewer.tables = {
    key,
    grey: colourTable(organColours(classes, none), opacity),
    organs: colourTable(organColours(classes, hidden || mode === "contour" ? none : organs), opacity),
    errors: colourTable(errorColours(errorKinds, hidden ? none : organs), opacity),
  };
  return viewer.tables;
}
