// Outlines along voxel edges: they hide no voxel, and show exactly where a label map ends.

/**
 * Closed outlines of every class on a slice, in voxel coordinates; each path is one that can be dashed.
 * @param {Uint8Array} labels packed, height·width
 * @param {number} width @param {number} height
 * @param {number} shift which label map
 * @returns {Map<number, Path2D>} by class id, only classes that are there
 */
export function loops(labels, width, height, shift) {
  const edges = directedEdges(labels, width, height, shift);
  const paths = new Map();
  edges.forEach((starts, id) => {
    if (starts.size) paths.set(id, chain(starts, width + 1));
  });
  return paths;
}

/**
 * @typedef {Map<number, number | [number, number]>} Edges each edge's first corner to its last; to both where voxels touch at it
 */

/**
 * By class: its edges, the class's voxel on the right hand; corners count y·(width + 1) + x.
 * @param {Uint8Array} labels @param {number} width @param {number} height @param {number} shift @returns {Edges[]}
 */
function directedEdges(labels, width, height, shift) {
  const edges = [new Map(), new Map(), new Map(), new Map()];
  const row = width + 1;
  const add = (/** @type {Edges} */ starts, /** @type {number} */ from, /** @type {number} */ to) => {
    const known = starts.get(from);
    starts.set(from, known === undefined ? to : [/** @type {number} */ (known), to]);
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const id = (labels[i] >> shift) & 3;
      if (!id) continue;
      const corner = y * row + x;
      const differs = (/** @type {boolean} */ inside, /** @type {number} */ i) => !inside || ((labels[i] >> shift) & 3) !== id;
      if (differs(y > 0, i - width)) add(edges[id], corner, corner + 1);
      if (differs(x + 1 < width, i + 1)) add(edges[id], corner + 1, corner + 1 + row);
      if (differs(y + 1 < height, i + width)) add(edges[id], corner + 1 + row, corner + row);
      if (differs(x > 0, i - 1)) add(edges[id], corner + row, corner);
    }
  }
  return edges;
}

/**
 * Walks the edges from corner to corner until each loop is closed; a straight run is one line.
 * @param {Edges} starts @param {number} row corners
 */
function chain(starts, row) {
  const path = new Path2D();
  for (const [first] of starts) {
    while (starts.has(first)) {
      path.moveTo(first % row, Math.floor(first / row));
      for (let from = first, step = 0; ; ) {
        const to = take(starts, from, step, row);
        if (step && to - from !== step) path.lineTo(from % row, Math.floor(from / row));
        step = to - from;
        from = to;
        if (from === first) break;
      }
      path.closePath();
    }
  }
  return path;
}

/**
 * Where the edge that leaves a corner leads; where two do, the right turn, so that voxels touching at a corner stay two outlines.
 * @param {Edges} starts @param {number} from
 * @param {number} step of the edge that came here
 * @param {number} row @returns {number}
 */
function take(starts, from, step, row) {
  const leaving = /** @type {number | [number, number]} */ (starts.get(from));
  if (!Array.isArray(leaving)) {
    starts.delete(from);
    return leaving;
  }
  const turn = { 1: row, [row]: -1, [-1]: -row, [-row]: 1 }[step];
  const [to, other] = leaving[1] - from === turn ? [leaving[1], leaving[0]] : leaving;
  starts.set(from, other);
  return to;
}
