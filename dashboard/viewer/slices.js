// The slices of a scan as pictures: grey values, label maps and outlines, the last few kept.

import { loops } from "./contour.js";

const KEPT = 48; // a picture takes a few ten kilobytes, and scrolling back is free

/**
 * @import { PlaneName, Scan } from "./types.d.ts"
 * @typedef {object} Picture one slice; another object whenever what it shows is another
 * @property {PlaneName} plane
 * @property {number} position
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} grey under the window
 * @property {Uint8Array} labels packed, see blend.js
 * @property {Map<number, Map<number, Path2D>>} outlines those that were asked for, by label map and class
 */

/** Pictures of a scan's slices, kept so that panes share them. */
export class Slices {
  /** @param {Scan} scan */
  constructor(scan) {
    this.scan = scan;
    this.forget();
  }

  /** The window or all labels have changed. */
  forget() {
    /** @type {Map<string, Picture>} */
    this.kept = new Map();
  }

  /**
   * One label map has changed on some axial slices. What shows none of these voxels stays, in every plane.
   * @param {number} shift which label map
   * @param {number[]} positions
   */
  relabel(shift, positions) {
    for (const [key, picture] of this.kept) {
      if (!update(this.scan, picture, positions)) continue;
      const outlines = new Map(picture.outlines);
      outlines.delete(shift);
      this.kept.set(key, { ...picture, outlines });
    }
  }

  /** @param {PlaneName} plane @param {number} position @returns {Picture} */
  picture(plane, position) {
    const key = `${plane}${position}`;
    const picture = this.kept.get(key) ?? draw(this.scan, plane, position);
    this.kept.delete(key); // put back at the end: a Map keeps the order of insertion
    this.kept.set(key, picture);
    if (this.kept.size > KEPT) this.kept.delete([...this.kept.keys()][0]);
    return picture;
  }

  /**
   * The outline of each class in one label map of a slice, in voxels.
   * @param {PlaneName} plane @param {number} position @param {number} shift
   */
  outlines(plane, position, shift) {
    const { width, height, labels, outlines } = this.picture(plane, position);
    const paths = outlines.get(shift) ?? loops(labels, width, height, shift);
    outlines.set(shift, paths);
    return paths;
  }
}

/** @param {Scan} scan @param {PlaneName} plane @param {number} position @returns {Picture} */
function draw(scan, plane, position) {
  const { across, down } = scan.planes[plane];
  const { lut, size } = scan;
  const values = cut(scan, (lut && scan.deep) || scan.image, plane, position);
  const grey = lut ? Uint8Array.from(values, (value) => lut[value]) : /** @type {Uint8Array} */ (values);
  const labels = /** @type {Uint8Array} */ (cut(scan, scan.labels, plane, position));
  return { plane, position, width: size[across], height: size[down], grey, labels, outlines: new Map() };
}

/** How far apart neighbours lie in a scan's arrays. @param {Scan} scan */
const strides = ({ size }) => ({ x: 1, y: size.x, z: size.x * size.y });

/**
 * One slice of a volume; the axial one is a view of it, the others are copies.
 * @param {Scan} scan @param {Uint8Array | Uint16Array} volume @param {PlaneName} plane @param {number} position
 */
function cut(scan, volume, plane, position) {
  const { across, down, through } = scan.planes[plane];
  const stride = strides(scan);
  const start = position * stride[through];
  if (plane === "axial") return volume.subarray(start, start + stride.z);
  const [width, height] = [scan.size[across], scan.size[down]];
  const slice = volume instanceof Uint8Array ? new Uint8Array(width * height) : new Uint16Array(width * height);
  for (let v = 0, to = 0; v < height; v++) {
    for (let u = 0, from = start + v * stride[down]; u < width; u++, from += stride[across]) slice[to++] = volume[from];
  }
  return slice;
}

/**
 * Brings a picture's labels up to date with some axial slices; whether they had changed.
 * @param {Scan} scan @param {Picture} picture @param {number[]} positions
 */
function update(scan, { plane, position, width, labels }, positions) {
  if (plane === "axial") return positions.includes(position); // a view of the scan's labels
  const stride = strides(scan);
  const { across, down, through } = scan.planes[plane];
  const [other, apart, along] = down === "z" ? [across, width, 1] : [down, 1, width]; // a slice is a row of the picture, or a column
  let changed = false;
  for (const z of positions) {
    let [from, to] = [z * stride.z + position * stride[through], z * apart];
    for (let i = 0; i < scan.size[other]; i++, from += stride[other], to += along) {
      changed ||= labels[to] !== scan.labels[from];
      labels[to] = scan.labels[from];
    }
  }
  return changed;
}
