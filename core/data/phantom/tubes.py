"""Tubes along three-dimensional curves: colon, stomach, small bowel and vessels are all drawn as these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.phantom.body import Body
from core.data.phantom.noise import Field

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Centres (N, 3) in body mm as x, y, z, and radii (N,) in mm, at about equal steps."""

    points: Points
    radius: Points


@dataclass(frozen=True)
class Tube:
    """A curve drawn on the grid."""

    reach: Field
    """(Z, H, W): 0 on the centre line, 1 on the surface, infinite far away (distance over radius, squared)."""
    owner: NDArray[np.int16]
    """(Z, H, W): index of the curve point each voxel belongs to."""
    curve: Curve

    @property
    def depth_mm(self) -> Field:
        """Mm below the surface, (Z, H, W); negative outside."""
        radius = self.curve.radius.astype(np.float32)[self.owner]
        return np.asarray((1 - np.sqrt(self.reach)) * radius, dtype=np.float32)


def through(knots: list[tuple[float, float, float, float]], step_mm: float) -> Curve:
    """A smooth curve through knots of (x, y, z, radius): a Catmull-Rom spline resampled at equal steps."""
    control = np.array(knots, dtype=np.float64)
    padded = np.vstack([2 * control[0] - control[1], control, 2 * control[-1] - control[-2]])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    pieces = [_catmull_rom(padded[i : i + 4], t) for i in range(len(control) - 1)]
    dense = np.vstack([*pieces, control[-1:]])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(dense[:, :3], axis=0), axis=1))])
    stops = np.linspace(0, arc[-1], max(2, int(arc[-1] / step_mm) + 1))
    even = np.stack([np.interp(stops, arc, dense[:, k]) for k in range(4)], axis=1)
    return Curve(even[:, :3], np.maximum(even[:, 3], 1.0))


def _catmull_rom(p: Points, t: Points) -> Points:
    return np.asarray(
        0.5
        * (
            2 * p[1]
            + (p[2] - p[0]) * t
            + (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]) * t**2
            + (3 * p[1] - p[0] - 3 * p[2] + p[3]) * t**3
        )
    )


def draw_tube(body: Body, curve: Curve, *, aspect: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Tube:
    """Draw balls (stretched by `aspect` along x, y, z) at every point of the curve."""
    reach = np.full(body.tissue.shape, np.inf, dtype=np.float32)
    owner = np.zeros(body.tissue.shape, dtype=np.int16)
    for index, ((x, y, z), radius) in enumerate(zip(curve.points.tolist(), curve.radius.tolist(), strict=True)):
        axes = (radius * aspect[0], radius * aspect[1], radius * aspect[2])
        box = body.box((x, y, z), (1.25 * axes[0], 1.25 * axes[1], 1.25 * axes[2]))
        if box[0].start >= box[0].stop:
            continue
        along = ((body.z[box[0]] - np.float32(z)) / np.float32(axes[2])) ** 2
        here = ((body.x[box] - np.float32(x)) * np.float32(1 / axes[0])) ** 2
        here += ((body.y[box] - np.float32(y)) * np.float32(1 / axes[1])) ** 2
        here += along[:, None, None]
        np.copyto(owner[box], np.int16(index), where=here < reach[box])
        np.minimum(reach[box], here, out=reach[box])
    return Tube(reach, owner, curve)
