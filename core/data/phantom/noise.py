"""Smooth random fields, made on a coarse grid and interpolated, so that a whole volume costs milliseconds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def _spline_matrix(samples: int, extent_mm: float, period_mm: float) -> Field:
    """Cubic B-spline weights, (samples, nodes): each row has four non-zero weights that sum to 1."""
    nodes = max(1, math.ceil(extent_mm / period_mm)) + 3
    position = (np.arange(samples) + 0.5) / samples * (nodes - 3)
    cell = np.minimum(position.astype(int), nodes - 4)
    t = position - cell
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    matrix = np.zeros((samples, nodes), dtype=np.float32)
    for offset, weight in enumerate(weights):
        matrix[np.arange(samples), cell + offset] = weight / 6
    return matrix


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], extent_mm: tuple[float, ...], period_mm: float | tuple[float, ...]
) -> Field:
    """A field of `shape`, float32 in [-1, 1] (standard deviation about 0.2), that varies over `period_mm`.

    The coefficients are uniform in [-1, 1] and B-spline weights are convex, hence the hard bound.
    """
    periods = period_mm if isinstance(period_mm, tuple) else (period_mm,) * len(shape)
    bases = [_spline_matrix(n, extent, period) for n, extent, period in zip(shape, extent_mm, periods, strict=True)]
    field = rng.uniform(-1, 1, size=[basis.shape[1] for basis in bases]).astype(np.float32)
    for basis in bases:
        # Each product consumes the first axis and appends its interpolation: after all of them the order is restored.
        field = np.tensordot(field, basis, axes=(0, 1))
    return np.ascontiguousarray(field, dtype=np.float32)


def smooth_walk(rng: np.random.Generator, count: int, period: float) -> Field:
    """A smooth one-dimensional random curve, (count,) float32 in [-1, 1], that varies over `period` samples."""
    return smooth_noise(rng, (count,), (float(count),), period)
