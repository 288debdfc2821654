// Outlines along voxel edges: they hide no voxel, and show exactly where a label map ends.

/**
 * @typedef {(x: number, y: number) => [number, number]} ToScreen voxel corner to canvas pixel
 */

/**
 * One path per shown organ around its voxels on a slice.
 * @param {import("./scan.js").Scan} scan
 * @param {number} position
 * @param {number} shift REFERENCE or PREDICTION
 * @param {Set<number>} shown
 * @param {ToScreen} toScreen
 * @returns {Map<number, Path2D>}
 */
export function outlines(scan, position, shift, shown, toScreen) {
  const { height, width, labels } = scan;
  const start = position * height * width;
  const paths = new Map([...shown].map((id) => [id, new Path2D()]));
  const label = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : (labels[start + y * width + x] >> shift) & 3);
  const edge = (a, b, x0, y0, x1, y1) => {
    for (const id of [a, b]) {
      const path = paths.get(id);
      path?.moveTo(...toScreen(x0, y0));
      path?.lineTo(...toScreen(x1, y1));
    }
  };
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const here = label(y, x);
      const above = label(y - 1, x);
      const left = label(y, x - 1);
      if (here !== above) edge(here, above, x, y, x + 1, y);
      if (here !== left) edge(here, left, x, y, x, y + 1);
    }
  }
  return paths;
}
