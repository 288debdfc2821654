// The viewer's types, for `make check` alone: no browser loads this file.

import type { Counts } from "./compare.js";
import type { Pane } from "./pane.js";
import type { Viewer } from "./viewer.js";

export type { Pane, Viewer };
/** A viewer whose scan is there. */
export type OpenViewer = Viewer & { scan: Scan };
export type PlaneName = "axial" | "coronal" | "sagittal";
export type Axis = "x" | "y" | "z";
/** Which axes a picture shows, and what lies at its edges: letters of L, R, A, P, H, F, where the orientation is known. */
export interface Plane {
  title: string;
  across: Axis;
  down: Axis;
  through: Axis;
  edges?: { top: string; right: string; bottom: string; left: string };
}
export type Rgb = number[];

/** A place in a scan in voxels: column, row and slice position. */
export interface Voxel {
  x: number;
  y: number;
  z: number;
}

/** Intensities that are shown black and white. */
export interface GreyWindow {
  low: number;
  high: number;
}

export interface Organ {
  id: number;
  name: string;
  title: string;
  rgb: Rgb;
}

/** One colour of the error map; name as in core.imaging.overlay. */
export type ErrorKind = Omit<Organ, "id">;

/** One place of disagreement. */
export interface Region extends Voxel {
  organ: string;
  kind: string;
  voxels: number;
}

export interface Scan {
  size: Voxel; // voxels
  depth: number; // slices, size.z
  step: Voxel; // voxel sides in mm; in sides of a native pixel where the spacing is unknown
  millimetres: boolean; // whether they are mm
  planes: Record<PlaneName, Plane>;
  drawn: boolean; // whether there are label maps: false for a scan without a reference
  sliceNumbers: number[]; // as the files are named, ascending, one a position
  identity: string; // of the picture, whatever was predicted on it
  organs: Organ[];
  errorKinds: ErrorKind[];
  leak: string; // the leak badge's text
  window: GreyWindow & { min: number; max: number }; // of the image as it was sent, and the volume's extremes
  confidence: Record<string, (number | null)[]> | null; // by organ name, one value a position
  regions: Region[]; // largest first
  grey: [number, number]; // slope and intercept from intensities to the values of the file that they came from
  image: Uint8Array; // depth·height·width grey values under `window`
  deep: Uint8Array | Uint16Array | null; // intensities, once the reader has changed the window
  asked?: Promise<void>; // the intensities on their way
  lut: Uint8ClampedArray | null; // grey of each intensity (or, before they are there, of each grey value)
  lutKey: string; // the window that `lut` is for
  labels: Uint8Array; // packed label maps, see blend.js
  other?: string | null; // RUN/EVALUATION whose prediction lies beside the first
  counts: Counts; // voxels of each organ on each slice
}

/** What one pane shows: a key of CONTENTS in layout.js, in a plane. */
export interface PaneChoice {
  content: string;
  plane: PlaneName;
}

/** A label map whose outlines a pane draws. */
export interface Layer {
  shift: number;
  dashed?: boolean;
}

/** Everything that decides what is painted. */
export interface View {
  at: Voxel; // the voxel where the planes meet; z is the axial slice's position
  panes: PaneChoice[]; // one to four
  organs: Set<number>; // ids shown
  opacity: number; // 0 to 1
  mode: "fill" | "contour";
  hidden: boolean; // overlay off for a moment
  cross: boolean; // whether the cross-hair is shown
  window: GreyWindow | null; // null for the scan's own
  zoom: number; // 1 where whole slices fit
  centre: Voxel | null; // of every pane, in voxels; null for the scan's middle
  other: string | null; // RUN/EVALUATION whose prediction is the second run's
  picked: Voxel | null;
}

/** A finding that is drawn; organ by id or name. */
export interface Finding {
  slice: number;
  x: number;
  y: number;
  organ: string | number;
  kind: string;
}

/** What Python passes, see dashboard/viewer/component.py. */
export interface Data {
  told: number; // grows whenever anything of the rest changes
  url: string;
  slice: number | null; // number; null for the slice where most voxels differ
  jump: string | number | null;
  organ: string | null; // name of the one in question
  link: string;
  findings: Finding[];
  others: { id: string; title: string; url: string }[]; // runs that have predicted the same picture
  next: string | null; // the scan that will probably be opened next
  edit: Edit | null;
  blind: boolean; // neither a slice's Dice nor a mark of where the two differ
  scale: string; // key of the container of the verdict's buttons, for page_keys.js
}

/** What Streamlit hands a component at each rerun. */
export interface Component {
  data: Data;
  parentElement: HTMLElement | ShadowRoot;
  setStateValue: (name: string, value: unknown) => void;
  setTriggerValue: (name: string, value: unknown) => void;
}

/** The colours of every class and pair of classes at every grey, see colourTable in blend.js. */
export interface Tables {
  key: string;
  grey: Uint32Array;
  organs: Uint32Array;
  errors: Uint32Array;
}

/** A part of viewer.html or of the edit panel's row, which say what kind of element it is. */
export type Part = HTMLInputElement & HTMLSelectElement & HTMLDialogElement;

/** What a key does. Shown and does are missing where another row of the key list says it too. */
export interface Binding {
  keys: string[];
  shown?: string;
  does?: string;
  run: (viewer: Viewer) => void;
  ctrl?: boolean;
  shift?: boolean;
}

/** Where a pointer event lies. */
export interface Hit {
  pane: Pane;
  plane: PlaneName;
  position: number; // of the slice along the plane's normal
  u: number; // across the picture, in voxels, fractions included: 0 is the first voxel's outer edge
  v: number; // down the picture, in voxels
  voxel: Voxel | null; // whole numbers; null beside the picture
}

export interface Tool {
  name: string;
  cursor: string; // CSS
  /** Left button, pen or one finger; true where the tool takes the stroke: then move and up follow, else the viewer pans as usual. */
  down(hit: Hit, event: PointerEvent): boolean;
  move?(hit: Hit, event: PointerEvent): void; // also without a button pressed, for a brush's outline: event.buttons tells
  up?(hit: Hit, event: PointerEvent): void; // also where a second finger ended the stroke
  leave?(): void; // the pointer left the panes, or the tool was put away
  paint?(context: CanvasRenderingContext2D, pane: Pane): void; // over the pane, each frame
}

/** A saved correction. */
export interface Version {
  sha256: string;
  reader: string;
  at: string; // ISO 8601
}

/** What Python passes as viewer(edit=…). */
export interface Edit {
  url: string; // where this scan's corrections are
  version: string; // of the scan: other pixels have another
  reader: string; // empty where nobody has said who reads
  versions: Version[]; // newest first
}

/** What a correction began with. */
export interface Base {
  kind: "prediction" | "reference" | "empty" | "version";
  sha256: string | null; // of a version
  packed: Uint8Array | null; // classes of a version, see edit/volume.js
}

/** How the reader draws. */
export interface Settings {
  organ: number; // class id that is drawn
  diameter: number; // of the brush in mm; 0 for a single voxel
  protect: boolean; // leave the other organs as they are
}

/** The facts of a draft, unsaved work in this browser. */
export interface Facts {
  at: string; // ISO 8601, when it was changed last
  base: Pick<Base, "kind" | "sha256">;
  seconds: number; // of work
  drawn: [number, number[]][]; // slices drawn on, by organ
  event: string; // the id under which it will be stored: sent twice, it is stored once
}

export interface Draft {
  key: string;
  facts: Facts;
  slices: Map<number, Uint8Array>; // packed by position, those that differ from the prediction
}

/** A question to the reader in the row of editing tools. */
export interface Question {
  text: string;
  yes: string;
  no?: string;
  run: () => void;
}

/** One step of the history: the runs of voxels that it changed. */
export interface Step {
  starts: Uint32Array; // index of each run's first voxel in the volume
  lengths: Uint32Array; // voxels
  before: Uint8Array; // class of the whole run
  after: Uint8Array; // class of the whole run
}
