// The region of one class around a voxel.

/**
 * The voxels that hang together with a voxel over their sides and have its class.
 * @param {Uint8Array} classes of a slice, height·width
 * @param {number} width
 * @param {number} start index of the voxel
 * @returns {{voxels: Uint32Array, open: boolean}} in no order; open where the region reaches the picture's edge
 */
export function region(classes, width, start) {
  const wanted = classes[start];
  const seen = new Uint8Array(classes.length);
  const voxels = new Uint32Array(classes.length);
  let count = 0;
  let open = false;
  const take = (/** @type {number} */ i) => {
    if (seen[i] || classes[i] !== wanted) return;
    seen[i] = 1;
    voxels[count++] = i;
  };
  take(start);
  for (let next = 0; next < count; next++) {
    const i = voxels[next];
    const x = i % width;
    const inside = { left: x > 0, right: x + 1 < width, up: i >= width, down: i + width < classes.length };
    if (inside.left) take(i - 1);
    if (inside.right) take(i + 1);
    if (inside.up) take(i - width);
    if (inside.down) take(i + width);
    open ||= !(inside.left && inside.right && inside.up && inside.down);
  }
  return { voxels: voxels.slice(0, count), open };
}
