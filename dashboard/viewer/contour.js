// Outlines along voxel edges: they hide no voxel, and show exactly where a label map ends.

/**
 * Closed outlines of every class on a slice, in voxel coordinates; each path is one that can be dashed.
 * @param {Uint8Array} labels packed, height·width
 * @param {number} width
 * @param {number} height
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

/** By class: each edge's first corner to its last, the class's voxel on the right hand; corners count y·(width + 1) + x. */
function directedEdges(labels, width, height, shift) {
  const edges = [null, new Map(), new Map(), new Map()];
  const row = width + 1;
  const add = (starts, from, to) => {
    const known = starts.get(from);
    starts.set(from, known === undefined ? to : [known, to]); // two voxels that touch at a corner
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const id = (labels[i] >> shift) & 3;
      if (!id) continue;
      const corner = y * row + x;
      const differs = (inside, neighbour) => !inside || ((labels[neighbour] >> shift) & 3) !== id;
      if (differs(y > 0, i - width)) add(edges[id], corner, corner + 1);
      if (differs(x + 1 < width, i + 1)) add(edges[id], corner + 1, corner + 1 + row);
      if (differs(y + 1 < height, i + width)) add(edges[id], corner + 1 + row, corner + row);
      if (differs(x > 0, i - 1)) add(edges[id], corner + row, corner);
    }
  }
  edges[0] = new Map();
  return edges;
}

/** Walks the edges from corner to corner until each loop is closed; a straight run is one line. */
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

/** The edge that leaves a corner; where two do, the right turn, so that voxels touching at a corner stay two outlines. */
function take(starts, from, step, row) {
  const found = starts.get(from);
  if (!Array.isArray(found)) {
    starts.delete(from);
    return found;
  }
  const turn = { 1: row, [row]: -1, [-1]: -row, [-row]: 1 }[step];
  const [to, other] = found[1] - from === turn ? [found[1], found[0]] : found;
  starts.set(from, other);
  return to;
}
