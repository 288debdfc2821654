// A shape between two drawn ones, by their signed distances (Raya and Udupa, IEEE Trans. Med. Imaging 9(1), 1990).

const FAR = 1e20;

/**
 * The shape at share `t` of the way from `first` to `second`: where the mean of their signed distances, weighted by how
 * near each is, is not positive.
 * @param {Uint8Array} first 0 or 1, height·width; not empty
 * @param {Uint8Array} second likewise
 * @param {number} width
 * @param {number} t 0 to 1
 * @param {{x: number, y: number}} step voxel sides
 * @returns {Uint8Array} 0 or 1
 */
export function between(first, second, width, t, step) {
  const [near, far] = [signedDistance(first, width, step), signedDistance(second, width, step)];
  return Uint8Array.from(near, (distance, i) => Number((1 - t) * distance + t * far[i] <= 0));
}

/**
 * Distance to the nearest voxel of the shape outside it; minus the distance to the nearest voxel beside the shape inside.
 * @param {Uint8Array} shape 0 or 1
 * @param {number} width @param {{x: number, y: number}} step @returns {Float64Array}
 */
export function signedDistance(shape, width, step) {
  const outside = distances(shape, width, step);
  const inside = distances(shape.map((value) => 1 - value), width, step);
  return outside.map((distance, i) => distance - inside[i]);
}

/**
 * Euclidean distance of each voxel to the nearest that is set, exactly (Felzenszwalb and Huttenlocher, 2012).
 * @param {Uint8Array} set @param {number} width @param {{x: number, y: number}} step
 */
function distances(set, width, step) {
  const height = set.length / width;
  const squared = Float64Array.from(set, (value) => (value ? 0 : FAR));
  for (let x = 0; x < width; x++) sweep(squared, x, width, height, step.y);
  for (let y = 0; y < height; y++) sweep(squared, y * width, 1, width, step.x);
  return squared.map(Math.sqrt);
}

/**
 * One line's lower envelope of parabolas, in place.
 * @param {Float64Array} values
 * @param {number} start index of the line's first voxel
 * @param {number} stride to the next
 * @param {number} count
 * @param {number} side of a voxel along the line
 */
function sweep(values, start, stride, count, side) {
  const heights = Float64Array.from({ length: count }, (_, i) => values[start + i * stride]);
  const roots = new Int32Array(count);
  const edges = new Float64Array(count + 1);
  const square = side * side;
  const crossing = (/** @type {number} */ p, /** @type {number} */ q) =>
    (heights[q] - heights[p] + square * (q * q - p * p)) / (2 * square * (q - p));
  let last = 0;
  edges[0] = -Infinity;
  for (let q = 1; q < count; q++) {
    while (crossing(roots[last], q) <= edges[last]) last--;
    edges[++last] = crossing(roots[last - 1], q);
    roots[last] = q;
  }
  for (let q = 0, k = 0; q < count; q++) {
    while (k < last && edges[k + 1] < q) k++;
    values[start + q * stride] = square * (q - roots[k]) ** 2 + heights[roots[k]];
  }
}
