"""Compiled loops of the surface scores: which voxels are surface, and how far each is from the nearest of another surface.

Importing this module imports numba (most of a second), so nothing imports it at the top of a file that the dashboard reads;
`core.metrics.surface` is the way in. Machine code is kept in ``__pycache__`` beside this file, or, where that cannot be
written, in the user's cache folder (or the one that ``NUMBA_CACHE_DIR`` names). numba compares this file alone with what it
kept, so no loop here may call a loop of another file. Every loop releases the interpreter's lock: threads score scans in
parallel.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

CLASSES = 4
WORD = 8
"""Voxels looked at together."""
VISITS_PER_VOXEL = 8
"""Rows that a search may look at, per voxel of its box, before a transform of the whole box is the cheaper way."""

Loop = TypeVar("Loop", bound=Callable[..., Any])
Points = NDArray[np.int16]
"""(n, 3) int16: indices (z, y, x) of voxels, in the order in which they lie in memory."""


def compiled(loop: Loop) -> Loop:
    """Compile a loop when it is first called, without the interpreter's lock, and keep the machine code where possible."""
    try:
        return cast(Loop, numba.njit(cache=True, nogil=True)(loop))
    except RuntimeError:
        # No folder to keep it in can be written: each process then compiles for itself.
        return cast(Loop, numba.njit(nogil=True)(loop))


@compiled
def count_pairs(
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    reference_words: NDArray[np.uint64],
    prediction_words: NDArray[np.uint64],
    confusion: NDArray[np.int64],
    touched: NDArray[np.int32],
) -> int:
    """Count class pairs per slice in one pass, and note where there is anything but background.

    Most of a scan is background in both volumes: a word of eight such voxels costs two loads and one comparison, and what
    was not counted is background by subtraction.

    Args:
        reference, prediction: all voxels, flat.
        reference_words, prediction_words: the same memory as whole words; fewer than eight voxels may remain.
        confusion: (Z, 4, 4), zeros; filled with the counts.
        touched: room for one entry a word and one more; filled with the words that hold an organ in either volume.

    Returns:
        How many entries of ``touched`` were filled; -1 where a voxel holds no class of the table.
    """
    planes = confusion.shape[0]
    plane = reference.size // planes
    words = reference_words.size
    found = 0
    for word in range(words + 1):
        if word < words and reference_words[word] | prediction_words[word] == 0:
            continue
        touched[found] = word
        found += 1
        for voxel in range(word * WORD, min(word * WORD + WORD, reference.size)):
            if reference[voxel] >= CLASSES or prediction[voxel] >= CLASSES:
                return -1
            confusion[voxel // plane, reference[voxel], prediction[voxel]] += 1
    for z in range(planes):
        confusion[z, 0, 0] += plane - confusion[z].sum()
    return found


@compiled
def surface_points(
    volume: NDArray[np.uint8], touched: NDArray[np.int32], capacity: NDArray[np.int64]
) -> tuple[Points, NDArray[np.int64], NDArray[np.int64]]:
    """Voxels of each organ with at least one of their six face neighbours outside the organ or outside the volume.

    Args:
        volume: (Z, Y, X).
        touched: the words that hold an organ, see `count_pairs`.
        capacity: (4,) voxels of each class, of which the surface is a part.

    Returns:
        Points of all classes one after the other, where each class starts, and how many each has.
    """
    depth, height, width = volume.shape
    flat = volume.reshape(-1)
    start = np.zeros(CLASSES, np.int64)
    for organ in range(2, CLASSES):
        start[organ] = start[organ - 1] + capacity[organ - 1]
    points = np.empty((capacity[1:].sum(), 3), np.int16)
    found = np.zeros(CLASSES, np.int64)
    for word in touched:
        first = word * WORD
        row, x = divmod(first, width)
        z, y = divmod(row, height)
        for voxel in range(first, min(first + WORD, flat.size)):
            organ = flat[voxel]
            if organ and not _inside(flat, voxel, z, y, x, depth, height, width):
                place = start[organ] + found[organ]
                points[place, 0], points[place, 1], points[place, 2] = z, y, x
                found[organ] += 1
            x += 1
            if x == width:
                x, y = 0, y + 1
                if y == height:
                    y, z = 0, z + 1
    return points, start, found


@compiled
def unmatched_points(
    volume: NDArray[np.uint8], other: NDArray[np.uint8], touched: NDArray[np.int32], organ: int, count: int
) -> Points:
    """Voxels of an organ in one (Z, Y, X) volume that are not of that organ in the other one; there are ``count``."""
    _, height, width = volume.shape
    flat, beside = volume.reshape(-1), other.reshape(-1)
    points = np.empty((count, 3), np.int16)
    found = 0
    for word in touched:
        for voxel in range(word * WORD, min(word * WORD + WORD, flat.size)):
            if flat[voxel] == organ and beside[voxel] != organ:
                row, x = divmod(voxel, width)
                points[found, 0], points[found, 1], points[found, 2] = row // height, row % height, x
                found += 1
    return points


@compiled
def _inside(flat: NDArray[np.uint8], voxel: int, z: int, y: int, x: int, depth: int, height: int, width: int) -> bool:
    """Whether all six face neighbours lie in the volume and are of the voxel's class."""
    if z == 0 or y == 0 or x == 0 or z == depth - 1 or y == height - 1 or x == width - 1:
        return False
    organ = flat[voxel]
    return bool(
        flat[voxel - 1] == organ
        and flat[voxel + 1] == organ
        and flat[voxel - width] == organ
        and flat[voxel + width] == organ
        and flat[voxel - width * height] == organ
        and flat[voxel + width * height] == organ
    )


@compiled
def box_of(first: Points, second: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest index and shape (z, y, x) of the smallest box around two sets of points, not both empty."""
    low, high = np.full(3, np.iinfo(np.int16).max, np.int64), np.full(3, -1, np.int64)
    for points in (first, second):
        for point in range(points.shape[0]):
            for axis in range(3):
                low[axis] = min(low[axis], points[point, axis])
                high[axis] = max(high[axis], points[point, axis])
    return low, high - low + 1


@compiled
def gaps_along_rows(
    targets: Points, low: NDArray[np.int64], shape: NDArray[np.int64]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """For each voxel of a box, how many voxels along x the nearest target of its row is away.

    Args:
        targets: in the order in which they lie in memory, all inside the box.
        low, shape: of the box, see `box_of`.

    Returns:
        The gaps (Z, Y, X), left unset in rows that have no target, and which rows have one (Z, Y).
    """
    gaps = np.empty((shape[0], shape[1], shape[2]), np.uint16)
    filled = np.zeros((shape[0], shape[1]), np.bool_)
    count = targets.shape[0]
    for target in range(count):
        z, y, x = targets[target, 0] - low[0], targets[target, 1] - low[1], targets[target, 2] - low[2]
        row = gaps[z, y]
        begin, end = 0, shape[2]
        if filled[z, y]:
            begin = (targets[target - 1, 2] - low[2] + x + 1) // 2
        following = target + 1
        if following < count and targets[following, 0] - low[0] == z and targets[following, 1] - low[1] == y:
            end = (x + targets[following, 2] - low[2] + 1) // 2
        filled[z, y] = True
        for voxel in range(begin, x):
            row[voxel] = x - voxel
        for voxel in range(x, end):
            row[voxel] = voxel - x
    return gaps, filled


@compiled
def squared_steps(shape: tuple[int, ...], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, longest side): the square in mm² of so many steps along z, y and x."""
    squares = np.empty((3, max(shape)), np.float64)
    for axis in range(3):
        for step in range(squares.shape[1]):
            squares[axis, step] = (step * spacing[axis]) ** 2
    return squares


@compiled
def nearest(queries: Points, targets: Points, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """The exact distance in mm from each query to the nearest target.

    The nearest target lies in some row (z, y), and within that row it is the one with the smallest gap along x. So the
    squared distance is the least, over rows, of a part that only the row decides (dz² + dy²) and a part that is looked up
    (gap²). Rows are visited outwards from the query's own; once a row's own part is no less than the best so far, neither
    that row nor any beyond it can be nearer. Nothing is rounded or left out: the search ends early only where it must.

    A prediction that lies far from its reference would visit very many rows; after `VISITS_PER_VOXEL` of them per voxel of
    the box, the remaining queries are read off `distance_transform`, which takes the same time however far things are.

    Args:
        queries, targets: neither empty.
        spacing: (3,) mm between voxel centres along z, y and x.

    Returns:
        (queries,) float64.
    """
    low, shape = box_of(queries, targets)
    gaps, filled = gaps_along_rows(targets, low, shape)
    squares = squared_steps(gaps.shape, spacing)
    found = np.empty(queries.shape[0], np.float64)
    left = gaps.size * VISITS_PER_VOXEL
    for query in range(queries.shape[0]):
        if left < 0:
            _read_off(queries, query, low, distance_transform(gaps, filled, spacing), found)
            break
        z, y, x = queries[query, 0] - low[0], queries[query, 1] - low[1], queries[query, 2] - low[2]
        best, visits = _search(gaps, filled, squares, z, y, x)
        found[query] = math.sqrt(best)
        left -= visits
    return found


@compiled
def _search(
    gaps: NDArray[np.uint16], filled: NDArray[np.bool_], squares: NDArray[np.float64], z: int, y: int, x: int
) -> tuple[float, int]:
    """Squared distance in mm² from one voxel of the box to the nearest target, and the rows visited for it."""
    depth, height, _ = gaps.shape
    best, visits = np.inf, 0
    for away in range(max(z, depth - 1 - z) + 1):
        if squares[0, away] >= best:
            break
        for plane in (z - away, z + away):
            if plane < 0 or plane >= depth or (away == 0 and visits > 0):
                continue
            for over in range(max(y, height - 1 - y) + 1):
                part = squares[0, away] + squares[1, over]
                if part >= best:
                    break
                visits += 2
                if y - over >= 0 and filled[plane, y - over]:
                    best = min(best, part + squares[2, gaps[plane, y - over, x]])
                if y + over < height and filled[plane, y + over]:
                    best = min(best, part + squares[2, gaps[plane, y + over, x]])
    return best, visits


@compiled
def _read_off(
    queries: Points, first: int, low: NDArray[np.int64], squared: NDArray[np.float64], found: NDArray[np.float64]
) -> None:
    """Fill in the queries from ``first`` on."""
    for query in range(first, queries.shape[0]):
        z, y, x = queries[query, 0] - low[0], queries[query, 1] - low[1], queries[query, 2] - low[2]
        found[query] = math.sqrt(squared[z, y, x])


@compiled
def distance_transform(gaps: NDArray[np.uint16], filled: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance in mm² from every voxel of a box to the nearest target, in time that only the box's size decides.

    The squares along x (`gaps_along_rows`) are joined along y and then along z, each time as the lower envelope of one
    parabola per voxel (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012): exact.
    """
    depth, height, width = gaps.shape
    field = np.full(gaps.shape, np.inf, np.float64)
    for z in range(depth):
        for y in range(height):
            if filled[z, y]:
                for x in range(width):
                    field[z, y, x] = (gaps[z, y, x] * spacing[2]) ** 2
    longest = max(depth, height)
    line, tops, edges = np.empty(longest), np.empty(longest, np.int64), np.empty(longest + 1)
    for z in range(depth):
        for x in range(width):
            _lower_envelope(field[z, :, x], spacing[1], line, tops, edges)
    for y in range(height):
        for x in range(width):
            _lower_envelope(field[:, y, x], spacing[0], line, tops, edges)
    return field


@compiled
def _lower_envelope(
    values: NDArray[np.float64], step: float, line: NDArray[np.float64], tops: NDArray[np.int64], edges: NDArray[np.float64]
) -> None:
    """Replace each value by the least, over places, of the value there plus the squared distance in mm² to that place.

    Args:
        values: one line of the box; infinite where there is nothing yet.
        step: mm between its voxels.
        line, tops, edges: room to work in: the line as it was, the parabolas of the envelope, and where each begins.
    """
    size, kept = values.shape[0], 0
    for place in range(size):
        line[place] = values[place]
        if line[place] == np.inf:
            continue
        edge = -np.inf
        while kept > 0:
            top = tops[kept - 1]
            edge = (place + top) / 2 + (line[place] - line[top]) / (2 * step * step * (place - top))
            if edge > edges[kept - 1]:
                break
            kept -= 1
            edge = -np.inf
        tops[kept], edges[kept] = place, edge
        kept += 1
    current = 0
    for place in range(size if kept else 0):
        while current + 1 < kept and edges[current + 1] < place:
            current += 1
        values[place] = line[tops[current]] + ((place - tops[current]) * step) ** 2
