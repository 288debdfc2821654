"""The course of the small bowel: a walk that fills its region, turns gently and avoids what is already there."""

from __future__ import annotations

import numpy as np

from core.data.phantom.tubes import Curve, Points

_CANDIDATES = 14
_REGION_CENTRE = np.array([-2.0, -27.0, 212.0])
_REGION_AXES = np.array([88.0, 47.0, 66.0])


def wander(
    rng: np.random.Generator, start: tuple[float, float, float], length_mm: float, radius_mm: float, obstacles: Curve
) -> Curve:
    """A curve of `length_mm` from `start`, loops about two radii apart, clear of the obstacles."""
    step = 0.6 * radius_mm
    count = int(length_mm / step)
    points = np.zeros((count, 3))
    points[0] = start
    heading = np.array([0.5, -0.6, 0.5])
    # Loops lie more across the body than along it, as the mesentery fans out.
    turns = rng.normal(size=(count, _CANDIDATES, 3)) * (1.0, 1.0, 0.65)
    for i in range(1, count):
        options = heading + 0.55 * turns[i]
        options /= np.linalg.norm(options, axis=1, keepdims=True)
        places = points[i - 1] + step * options
        best = int(np.argmin(_cost(places, options @ heading, points[: max(i - 6, 0)], radius_mm, obstacles)))
        points[i], heading = places[best], options[best]
    return Curve(points, np.full(count, radius_mm))


def _cost(places: Points, straightness: Points, path: Points, radius_mm: float, obstacles: Curve) -> Points:
    outside = np.linalg.norm((places - _REGION_CENTRE) / _REGION_AXES, axis=1)
    cost = 6 * np.maximum(outside - 0.85, 0) - 0.35 * straightness
    cost += _crowding(places, obstacles.points, obstacles.radius + radius_mm + 2)
    if len(path):
        # Every second point will do: steps are shorter than the clearance.
        path = path[::2]
        cost += 2 * _crowding(places, path, np.full(len(path), 2.15 * radius_mm))
    return np.asarray(cost)


def _crowding(places: Points, taken: Points, clearance: Points) -> Points:
    # |a-b|^2 by the dot product: one matrix product instead of an (N, M, 3) array.
    squared = (places**2).sum(1)[:, None] + (taken**2).sum(1)[None] - 2 * places @ taken.T
    gap = np.sqrt(np.maximum(squared, 0)) / clearance
    return np.asarray(np.maximum(1 - gap, 0).sum(axis=1) * 1.6)
