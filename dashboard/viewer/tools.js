// What a tool is: the ruler and the brush take the pointer away from panning for as long as they are chosen.
//
// Interface for modules that add to the viewer (see edit/edit.js, whose `install(viewer)` viewer.js calls once per element,
// before the first scan is there):
//
//   viewer.setTool(tool | null)      one tool at a time; null gives the pointer back to pan and pick. viewer.tool is the chosen one.
//   viewer.addPainter(fn)            fn(context, pane) after every painting of a pane, whether a tool is chosen or not
//   viewer.addPanel(element)         puts buttons into the toolbar's slot <div data-part="tools">
//   viewer.addEventListener(name, …) "scan" (another scan is open: viewer.scan), "view" (viewer.view has changed), "close"
//   viewer.setLayer(name, has)       says whether a label map is there: "correction" joins the contents that a pane can show
//   viewer.labelsChanged()           after writing viewer.scan.labels (packed Uint8Array, index (z·height + y)·width + x,
//                                    two bits a map, shifts in blend.js: REFERENCE, PREDICTION, OTHER, CORRECTION): redraws
//   viewer.redraw()                  asks for one frame; all panes are painted in it
//   viewer.view.at                   {x, y, z}: the voxel under the cross-hair; z is the axial slice's position
//   viewer.data.edit                 what Python passed as viewer(edit=…); viewer.setTriggerValue("edited", value) answers it,
//                                    as ViewerState.edited in the rerun that it causes
//   viewer.announce(text)            says it to a screen reader; viewer.say(text) covers the panes (loading, failure)
//   BINDINGS.push({keys, shown, does, run, ctrl?}) in keys.js adds a key (ctrl: true for Ctrl or Cmd with it)
//
// A pane gives pane.toScreen(u, v) → [x, y] in canvas pixels (device pixels) of the picture's voxel coordinates, pane.plane
// ("axial", "coronal", "sagittal"), pane.position, pane.content, pane.pixelRatio, pane.canvas.

/**
 * @typedef {object} Hit where a pointer event lies
 * @property {import("./pane.js").Pane} pane
 * @property {"axial" | "coronal" | "sagittal"} plane
 * @property {number} position of the slice along the plane's normal
 * @property {number} u across the picture, in voxels, fractions included: 0 is the first voxel's outer edge
 * @property {number} v down the picture, in voxels
 * @property {{x: number, y: number, z: number} | null} voxel whole numbers; null beside the picture
 *
 * @typedef {object} Tool
 * @property {string} name
 * @property {string} cursor CSS
 * @property {(hit: Hit, event: PointerEvent) => boolean} down left button, pen or one finger; true where the tool takes the
 *   stroke: then move and up follow, else the viewer pans as usual
 * @property {(hit: Hit, event: PointerEvent) => void} [move] also without a button pressed, for a brush's outline:
 *   event.buttons tells
 * @property {(hit: Hit, event: PointerEvent) => void} [up] also where a second finger ended the stroke
 * @property {() => void} [leave] the pointer left the panes, or the tool was put away
 * @property {(context: CanvasRenderingContext2D, pane: import("./pane.js").Pane) => void} [paint] over the pane, each frame
 */

/** Chooses a tool, and shows it: on the panes' cursor and on the buttons that name a tool. */
export function setTool(viewer, tool) {
  if (viewer.tool !== tool) viewer.tool?.leave?.();
  viewer.tool = tool;
  for (const pane of viewer.panes) pane.canvas.style.cursor = tool?.cursor ?? "";
  for (const button of viewer.root.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool?.name));
  }
  viewer.redraw();
}
