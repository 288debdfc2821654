// Which voxels a brush covers. Distances are physical: where voxels are not square, a round brush is an oval of voxels.

/**
 * @typedef {{x: number, y: number}} Pixel
 * @typedef {object} Brush
 * @property {number} radius in the units of `step`; 0 is a single voxel
 * @property {Pixel} step voxel sides
 */

/**
 * Calls `visit(x, y)` for every voxel of a slice whose centre lies within the brush's radius of the line from one voxel's
 * centre to another's, and for the voxels on that line, so that even the thinnest stroke has no gap. A voxel may come twice.
 * @param {Pixel} from voxel
 * @param {Pixel} to voxel
 * @param {Brush} brush
 * @param {Pixel} size of the slice in voxels
 * @param {(x: number, y: number) => void} visit
 */
export function stroke(from, to, { radius, step }, size, visit) {
  const reach = { x: Math.floor(radius / step.x), y: Math.floor(radius / step.y) };
  const first = { x: Math.max(0, Math.min(from.x, to.x) - reach.x), y: Math.max(0, Math.min(from.y, to.y) - reach.y) };
  const last = {
    x: Math.min(size.x - 1, Math.max(from.x, to.x) + reach.x),
    y: Math.min(size.y - 1, Math.max(from.y, to.y) + reach.y),
  };
  const limit = radius * radius * (1 + 1e-9); // a voxel exactly on the rim belongs to the brush
  for (let y = first.y; y <= last.y; y++) {
    for (let x = first.x; x <= last.x; x++) if (squaredDistance(x, y, from, to, step) <= limit) visit(x, y);
  }
  line(from, to, (x, y) => x >= 0 && y >= 0 && x < size.x && y < size.y && visit(x, y));
}

/** @param {number} x @param {number} y @param {Pixel} from @param {Pixel} to @param {Pixel} step */
function squaredDistance(x, y, from, to, step) {
  const [px, py] = [(x - from.x) * step.x, (y - from.y) * step.y];
  const [dx, dy] = [(to.x - from.x) * step.x, (to.y - from.y) * step.y];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
  return (px - along * dx) ** 2 + (py - along * dy) ** 2;
}

/** @param {Pixel} from @param {Pixel} to @param {(x: number, y: number) => void} visit */
function line(from, to, visit) {
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
  for (let i = 0; i <= steps; i++) {
    visit(Math.round(from.x + ((to.x - from.x) * i) / steps), Math.round(from.y + ((to.y - from.y) * i) / steps));
  }
}
