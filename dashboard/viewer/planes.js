// The three planes of a scan: which axes a picture shows, how large a voxel is in it, and its grey values and labels.

import { loops } from "./contour.js";

/** @type {Record<string, {title: string, across: "x" | "y", down: "y" | "z", through: "x" | "y" | "z"}>} */
export const PLANES = {
  axial: { title: "Axial", across: "x", down: "y", through: "z" },
  coronal: { title: "Coronal", across: "x", down: "z", through: "y" },
  sagittal: { title: "Sagittal", across: "y", down: "z", through: "x" },
};

/** Width and height of a plane's picture, in mm (or in voxel sides where the spacing is unknown). */
export function extent(scan, plane) {
  const { across, down } = PLANES[plane];
  return { width: scan.size[across] * scan.step[across], height: scan.size[down] * scan.step[down] };
}

/** The voxel that lies at (u, v) of a picture, or null beside it. */
export function voxelOf(scan, plane, position, u, v) {
  const { across, down, through } = PLANES[plane];
  const [a, d] = [Math.floor(u), Math.floor(v)];
  if (!(a >= 0 && d >= 0 && a < scan.size[across] && d < scan.size[down])) return null;
  return { [across]: a, [down]: d, [through]: position };
}

/** Index of a voxel in the scan's arrays. */
export function indexOf(scan, { x, y, z }) {
  return (z * scan.size.y + y) * scan.size.x + x;
}

const KEPT_PICTURES = 12;
const KEPT_OUTLINES = 120;

/** Pictures and outlines of a scan's slices, the last few kept, so that panes share them and scrolling back is free. */
export class Slices {
  /** @param {import("./scan.js").Scan} scan */
  constructor(scan) {
    this.scan = scan;
    this.forget();
  }

  /** Labels or window have changed. */
  forget() {
    this.pictures = new Map();
    this.drawn = new Map();
  }

  /** @returns {{width: number, height: number, grey: Uint8Array, labels: Uint8Array}} one slice, under the window */
  picture(plane, position) {
    return keep(this.pictures, `${plane}${position}`, KEPT_PICTURES, () => {
      const { scan } = this;
      const { across, down } = PLANES[plane];
      const values = cut(scan, (scan.lut && scan.deep) || scan.image, plane, position);
      return {
        width: scan.size[across],
        height: scan.size[down],
        grey: scan.lut ? Uint8Array.from(values, (value) => scan.lut[value]) : values,
        labels: cut(scan, scan.labels, plane, position),
      };
    });
  }

  /** @returns {Map<number, Path2D>} the outline of each class in one label map of a slice, in voxel coordinates */
  outlines(plane, position, shift) {
    return keep(this.drawn, `${plane}${position}/${shift}`, KEPT_OUTLINES, () => {
      const { width, height, labels } = this.picture(plane, position);
      return loops(labels, width, height, shift);
    });
  }
}

/** One slice of a volume (depth·height·width); the axial one is a view of it, the others are copies. */
function cut({ size }, volume, plane, position) {
  const area = size.x * size.y;
  if (plane === "axial") return volume.subarray(position * area, (position + 1) * area);
  const { across } = PLANES[plane];
  const slice = new volume.constructor(size[across] * size.z);
  for (let z = 0, to = 0; z < size.z; z++) {
    if (plane === "coronal") {
      slice.set(volume.subarray(z * area + position * size.x, z * area + (position + 1) * size.x), to);
      to += size.x;
    } else {
      for (let y = 0, from = z * area + position; y < size.y; y++, from += size.x) slice[to++] = volume[from];
    }
  }
  return slice;
}

function keep(kept, key, limit, make) {
  const known = kept.get(key) ?? make();
  kept.delete(key); // put back at the end: a Map keeps the order of insertion
  kept.set(key, known);
  if (kept.size > limit) kept.delete(kept.keys().next().value);
  return known;
}
