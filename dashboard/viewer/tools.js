// What a tool is (Tool in types.d.ts): the ruler and the brush take the pointer away from panning for as long as they are chosen.
//
// Interface for modules that add to the viewer (see edit/edit.js, whose `install(viewer)` viewer.js calls once per element,
// before the first scan is there):
//
//   viewer.setTool(tool | null)      one tool at a time; null gives the pointer back to pan and pick. viewer.tool is the chosen one.
//   viewer.addPainter(fn)            fn(context, pane) after every painting of a pane, whether a tool is chosen or not
//   viewer.addPanel(element)         puts buttons into the toolbar's slot <div data-part="tools">
//   viewer.addEventListener(name, …) "scan" (another scan is open: viewer.scan), "view" (viewer.view has changed), "close"
//   viewer.setLayer(name, has)       says whether a label map is there: "correction" joins the contents that a pane can show
//   viewer.labelsChanged(shift, positions)  after writing one map of viewer.scan.labels (packed Uint8Array, index
//                                    (z·height + y)·width + x, two bits a map, shifts in blend.js: REFERENCE, PREDICTION, OTHER,
//                                    CORRECTION) on these axial slices, or, without arguments, any of all: redraws
//   viewer.redraw()                  asks for one frame; all panes are painted in it
//   viewer.view.at                   {x, y, z}: the voxel under the cross-hair; z is the axial slice's position
//   viewer.data.edit                 what Python passed as viewer(edit=…); viewer.setTriggerValue("edited", value) has the
//                                    page drawn anew
//   viewer.announce(text)            says it to a screen reader; viewer.say(text) covers the panes (loading, failure)
//   BINDINGS.push({keys, shown, does, run, ctrl?}) in keys.js adds a key (ctrl: true for Ctrl or Cmd with it)
//
// A pane gives pane.toScreen(u, v) → [x, y] in canvas pixels (device pixels) of the picture's voxel coordinates, pane.plane
// ("axial", "coronal", "sagittal"), pane.position, pane.content, pane.pixelRatio, pane.canvas.

/** @import { Tool, Viewer } from "./types.d.ts" */

/**
 * Chooses a tool, and shows it: on the panes' cursor and on the buttons that name a tool.
 * @param {Viewer} viewer @param {Tool | null} tool
 */
export function setTool(viewer, tool) {
  if (viewer.tool !== tool) viewer.tool?.leave?.();
  viewer.tool = tool;
  for (const pane of viewer.panes) pane.canvas.style.cursor = tool?.cursor ?? "";
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (viewer.root.querySelectorAll("[data-tool]"))) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool?.name));
  }
  viewer.redraw();
}
