"""Outlines of a mask along the edges of its pixels, so that filling them gives the very same pixels."""

import numpy as np
from numpy.typing import NDArray


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed polygons around a mask, holes included; a pixel is inside where an odd number of them surrounds it.

    Pixels that touch only at a corner belong to different polygons, so that none crosses itself.

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
    return [corners[ring] for ring in _rings(beside.tolist(), over.tolist())]


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
