"""Outlines of a mask along the edges of its pixels, so that filling them gives the very same pixels."""

import numpy as np
from numpy.typing import NDArray


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed polygons around a mask, one for each island; pixels that touch only at a corner are not joined.

    A hole is reached by a level keyhole, a cut of no width that is run through in both directions: some programs fill a hole
    that has a polygon of its own. As cuts lie on pixel edges, no pixel's centre lies on one.

    Args:
        mask: (H, W).

    Returns:
        For each polygon (n, 2), rows and columns of its corners; pixel centres at whole numbers, so edges at halves.

    >>> outlines(np.array([[True, True]]))[0].tolist()
    [[-0.5, -0.5], [-0.5, 1.5], [0.5, 1.5], [0.5, -0.5]]
    """
    padded = np.pad(mask, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    # Where two pixels touch at a corner, two polygons have a corner there.
    touching = (above_left == below_right) & (above_right == below_left) & (above_left != above_right)
    turning = (above_left ^ above_right ^ below_left ^ below_right) | touching
    rows, columns = np.nonzero(turning)
    twice = touching[rows, columns]
    falling = above_left[rows, columns] & twice
    if not rows.size:
        return []
    repeats = np.where(twice, 2, 1)
    second = np.zeros(int(repeats.sum()), bool)
    second[np.cumsum(repeats)[twice] - 1] = True
    rows, columns, falling = (np.repeat(each, repeats) for each in (rows, columns, falling))
    # In a row, corners are joined in pairs from left to right: the first of two at one place ends the edge from the left.
    beside = _partners(np.lexsort((second, columns, rows)))
    # In a column likewise; the edge from above belongs to the pixel that the edge from the left borders, or to the other one.
    above_first = np.where(falling, second, ~second)
    over = _partners(np.lexsort((above_first, rows, columns)))
    corners = np.stack([rows - 0.5, columns - 0.5], axis=1)
    return _with_keyholes([corners[ring] for ring in _rings(beside.tolist(), over.tolist())], mask)


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each corner the one that it is joined with, where corners in this order are joined in pairs."""
    partners = np.empty_like(order)
    partners[order[::2]], partners[order[1::2]] = order[1::2], order[::2]
    return partners


def _rings(beside: list[int], over: list[int]) -> list[list[int]]:
    """Run along edges, level and upright by turns, until every corner was met."""
    left, rings = [True] * len(beside), []
    for start in range(len(beside)):
        ring, corner = [], start
        while left[corner]:
            across = beside[corner]
            ring += [corner, across]
            left[corner] = left[across] = False
            corner = over[across]
        if ring:
            rings.append(ring)
    return rings


def _with_keyholes(rings: list[NDArray[np.float64]], mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Join each hole to what lies left of its highest corner: its island, or a hole that was joined before."""
    outer: list[NDArray[np.float64]] = []
    holes: list[NDArray[np.float64]] = []
    for ring in rings:
        first = int(np.lexsort((ring[:, 1], ring[:, 0]))[0])
        turned = np.roll(ring, -first, axis=0)
        row, column = (turned[0] + 0.5).astype(int)
        (outer if mask[row, column] else holes).append(turned)
    for hole in sorted(holes, key=lambda each: (each[0, 0], each[0, 1])):
        at, edge, corner = _left_of(hole[0], outer)
        island = outer[at]
        inner = hole if _area(hole) * _area(island) < 0 else np.roll(hole[::-1], 1, axis=0)
        cut = np.concatenate([[corner], inner, hole[:1], [corner]])
        outer[at] = np.concatenate([island[: edge + 1], cut, island[edge + 1 :]])
    return outer


def _left_of(corner: NDArray[np.float64], polygons: list[NDArray[np.float64]]) -> tuple[int, int, NDArray[np.float64]]:
    """The nearest upright edge to the left of a corner: its polygon, its number there, and the point on it."""
    found = (-1, -1, np.array([corner[0], -np.inf]))
    for number, polygon in enumerate(polygons):
        ends = np.roll(polygon, -1, axis=0)
        spans = (polygon[:, 1] == ends[:, 1]) & (polygon[:, 1] < corner[1])
        spans &= (np.minimum(polygon[:, 0], ends[:, 0]) <= corner[0]) & (corner[0] <= np.maximum(polygon[:, 0], ends[:, 0]))
        edges = np.flatnonzero(spans)
        if edges.size and polygon[edges, 1].max() > found[2][1]:
            edge = int(edges[polygon[edges, 1].argmax()])
            found = number, edge, np.array([corner[0], polygon[edge, 1]])
    return found


def _area(polygon: NDArray[np.float64]) -> float:
    """Twice the area, negative where the polygon runs the other way round."""
    after = np.roll(polygon, -1, axis=0)
    return float((polygon[:, 0] * after[:, 1] - after[:, 0] * polygon[:, 1]).sum())
