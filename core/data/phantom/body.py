"""The voxel grid of a phantom scan: where each voxel lies in the body, and how deep under the skin.

Body coordinates, in mm of a standard adult: x grows towards image right (the patient's left), y towards the back,
z towards the feet, from 0 above the liver dome to `LENGTH_MM` at the perineum. The volume always covers that length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.phantom.habitus import Habitus, Visit
from core.data.phantom.noise import Field, smooth_noise
from core.data.phantom.tissues import Tissue

LENGTH_MM = 320.0
WARP_MM = 8.0
"""No voxel is displaced further than this by the warp that makes outlines irregular."""
_ANGLES = 1440
_BACK = np.pi / 2

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Outline:
    """Radii from the body axis in mm, each (Z, angles) float32, at equal steps of angle from -pi to pi."""

    cavity: Field
    wall: Field
    skin: Field


@dataclass(frozen=True)
class Body:
    """The grid: coordinates (warped, hence irregular), depths in mm, and the tissue painted so far."""

    x: Field
    y: Field
    z: Field
    """(Z,), the others (Z, H, W)."""
    cavity: Field
    """Mm inside the abdominal cavity; negative outside."""
    muscle: Field
    """Mm inside the outer face of the muscle wall."""
    skin: Field
    """Mm under the skin; negative in air."""
    wall_mm: Field
    """Thickness of the muscle wall beside each voxel."""
    tissue: NDArray[np.uint8]
    pixel_mm: tuple[float, float]
    """Pixel size (y, x) in body coordinates."""
    visit: Visit
    centre_mm: tuple[float, float]
    """Body axis (y, x) measured from the first pixel."""

    @property
    def full(self) -> Box:
        """The box of the whole volume."""
        depth, height, width = self.tissue.shape
        return slice(0, depth), slice(0, height), slice(0, width)

    def box(self, centre: tuple[float, float, float], reach: tuple[float, float, float]) -> Box:
        """The smallest box sure to hold all within `reach` of `centre` (both x, y, z in body mm), warp included."""
        cos, sin = np.cos(self.visit.turn_rad), np.sin(self.visit.turn_rad)
        x, y, z = centre
        grid_x = (cos * x - sin * y + self.centre_mm[1]) / self.pixel_mm[1]
        grid_y = (sin * x + cos * y + self.centre_mm[0]) / self.pixel_mm[0]
        _, height, width = self.tissue.shape
        return (
            slice(int(np.searchsorted(self.z, z - reach[2])), int(np.searchsorted(self.z, z + reach[2]))),
            _span(grid_y, (reach[1] + WARP_MM) / self.pixel_mm[0], height),
            _span(grid_x, (reach[0] + WARP_MM) / self.pixel_mm[1], width),
        )

    def cropped(self, box: Box) -> Body:
        """The part of the body within the box, as views: painting it paints this body."""
        rows, columns = box[1].start * self.pixel_mm[0], box[2].start * self.pixel_mm[1]
        return replace(
            self,
            x=self.x[box],
            y=self.y[box],
            z=self.z[box[0]],
            cavity=self.cavity[box],
            muscle=self.muscle[box],
            skin=self.skin[box],
            wall_mm=self.wall_mm[box],
            tissue=self.tissue[box],
            centre_mm=(self.centre_mm[0] - rows, self.centre_mm[1] - columns),
        )

    def cavity_box(self) -> Box:
        """The smallest box that holds the abdominal cavity."""
        plane = self.cavity.max(axis=0) > 0
        rows, columns = (np.flatnonzero(plane.max(axis=axis)) for axis in (1, 0))
        spans = [slice(int(hits[0]), int(hits[-1]) + 1) if len(hits) else slice(0, 0) for hits in (rows, columns)]
        return self.full[0], spans[0], spans[1]

    def paint(self, box: Box, where: NDArray[np.bool_], tissue: Tissue) -> None:
        """Set `tissue` where the mask, of the shape of the box, is true."""
        np.copyto(self.tissue[box], np.uint8(tissue), where=where)


def _span(centre: float, reach: float, count: int) -> slice:
    low = min(max(int(np.floor(centre - reach)), 0), count)
    return slice(low, max(low, min(int(np.ceil(centre + reach)) + 1, count)))


def make_body(
    rng: np.random.Generator, habitus: Habitus, visit: Visit, shape: tuple[int, int, int], spacing: tuple[float, ...]
) -> Body:
    """Lay the grid: outline, pose, and the patient's warp. `rng` must be the patient's, not the day's."""
    depth, height, width = shape
    z = ((np.arange(depth) + 0.5) / depth * LENGTH_MM - visit.breath_mm).astype(np.float32)
    outline = draw_outline(rng, habitus, z + visit.breath_mm)
    front, back, half = _extent(outline.skin)
    fit = min(1.0, 0.94 * width * spacing[2] / (2 * half), 0.94 * height * spacing[1] / (front + back))
    pixel = (spacing[1] / fit, spacing[2] / fit)
    centre = (
        height * pixel[0] / 2 + (front - back) / 2 - 0.04 * back + visit.shift_mm[1],
        width * pixel[1] / 2 + visit.shift_mm[0],
    )
    x, y = _pose(visit, centre, pixel, (height, width))
    skin, muscle, cavity = _depths(outline, x, y)
    wall_mm = muscle - cavity
    warp_x, warp_y = _warp(rng, shape, pixel)
    return Body(
        x=x / np.float32(habitus.width_scale) + warp_x,
        y=y / np.float32(habitus.depth_scale) + warp_y,
        z=z,
        cavity=cavity,
        muscle=muscle,
        skin=skin,
        wall_mm=wall_mm,
        tissue=np.zeros(shape, dtype=np.uint8),
        pixel_mm=(pixel[0] / habitus.depth_scale, pixel[1] / habitus.width_scale),
        visit=visit,
        centre_mm=(centre[0] / habitus.depth_scale, centre[1] / habitus.width_scale),
    )


def _pose(visit: Visit, centre: tuple[float, float], pixel: tuple[float, float], size: tuple[int, int]) -> tuple[Field, Field]:
    down = (np.arange(size[0], dtype=np.float32) * pixel[0] - centre[0])[:, None]
    right = (np.arange(size[1], dtype=np.float32) * pixel[1] - centre[1])[None, :]
    cos, sin = np.float32(np.cos(visit.turn_rad)), np.float32(np.sin(visit.turn_rad))
    return (cos * right + sin * down).astype(np.float32), (cos * down - sin * right).astype(np.float32)


def _depths(outline: Outline, x: Field, y: Field) -> tuple[Field, Field, Field]:
    radius = np.hypot(x, y)
    index = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * _ANGLES).astype(np.intp) % _ANGLES
    skin, muscle, cavity = (np.take(edge, index, axis=1) - radius for edge in (outline.skin, outline.wall, outline.cavity))
    return skin, muscle, cavity


def _warp(rng: np.random.Generator, shape: tuple[int, int, int], pixel: tuple[float, float]) -> tuple[Field, Field]:
    extent = (LENGTH_MM, shape[1] * pixel[0], shape[2] * pixel[1])
    broad = [11 * smooth_noise(rng, shape, extent, (45.0, 34.0, 34.0)) for _ in range(2)]
    rough = 4.5 * smooth_noise(rng, shape, extent, (20.0, 9.0, 9.0))
    x, y = broad[0] + rough, broad[1] + rough[:, ::-1, ::-1]
    return np.clip(x, -WARP_MM, WARP_MM), np.clip(y, -WARP_MM, WARP_MM)


def _extent(skin: Field) -> tuple[float, float, float]:
    angle = _angles()
    across, down = skin * np.cos(angle), skin * np.sin(angle)
    return float(-down.min()), float(down.max()), float(np.abs(across).max())


def _angles() -> NDArray[np.float64]:
    return (np.arange(_ANGLES) + 0.5) / _ANGLES * 2 * np.pi - np.pi


def _bump(angle: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    gap = np.angle(np.exp(1j * (angle - centre)))
    return np.asarray(np.exp(-((gap / width) ** 2)))


def _profile(z: Field, at: list[float], values: list[float]) -> NDArray[np.float64]:
    """A piecewise linear curve along z, as a column."""
    return np.asarray(np.interp(z, at, values))[:, None]


def draw_outline(rng: np.random.Generator, habitus: Habitus, z: Field) -> Outline:
    """Cavity, wall and skin as radii about the body axis; `z` is (Z,) in body mm."""
    angle = _angles()
    cavity = _cavity_radius(habitus, angle, z)
    cavity = cavity + 14 * _around(rng, angle, z)
    wall = np.maximum(_frame_radius(habitus, angle, z), cavity + 0.8 * habitus.wall_mm)
    skin = wall + _fat_thickness(rng, habitus, angle, z)
    return Outline(cavity.astype(np.float32), wall.astype(np.float32), skin.astype(np.float32))


def _around(rng: np.random.Generator, angle: NDArray[np.float64], z: Field) -> NDArray[np.float64]:
    """Smooth noise (Z, angles) in [-1, 1]; it fades out where the circle of angles closes."""
    wave = smooth_noise(rng, (len(z), _ANGLES), (LENGTH_MM, 360.0), (80.0, 32.0))
    return np.asarray(wave * np.sin((angle + np.pi) / 2) ** 0.25)


def _cavity_radius(habitus: Habitus, angle: NDArray[np.float64], z: Field) -> NDArray[np.float64]:
    half_width = _profile(z, [0, 60, 130, 190, 230, 280, 320], [116, 126, 127, 122, 114, 92, 78])
    front = _profile(z, [0, 60, 130, 200, 250, 320], [82, 86, 85, 82, 78, 70])
    front = front + 14 * habitus.belly * np.exp(-(((z[:, None] - 195) / 65) ** 2))
    back = _profile(z, [0, 60, 200, 320], [72, 71, 66, 60])
    return _superellipse(angle, half_width * habitus.width_scale, front * habitus.depth_scale, back * habitus.depth_scale)


def _superellipse(
    angle: NDArray[np.float64], half_width: NDArray[np.float64], front: NDArray[np.float64], back: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Radius at each angle; boxier behind than in front."""
    behind = np.sin(angle) > 0
    power = np.where(behind, 3.1, 2.4)
    half_depth = np.where(behind, back, front)
    across = np.abs(np.cos(angle)) / half_width
    return np.asarray((across**power + (np.abs(np.sin(angle)) / half_depth) ** power) ** (-1 / power))


def _frame_radius(habitus: Habitus, angle: NDArray[np.float64], z: Field) -> NDArray[np.float64]:
    """Outer face of the muscles: a boxier shape than the cavity, with room for back and buttocks."""
    wall, at = habitus.wall_mm, [0.0, 60.0, 130.0, 190.0, 230.0, 280.0, 320.0]
    half_width = _profile(z, at, [116, 126, 127, 122, 120, 128, 130]) * habitus.width_scale + wall
    front = _profile(z, [0, 60, 130, 200, 250, 320], [82, 86, 85, 82, 80, 80]) * habitus.depth_scale + wall
    front = front + 14 * habitus.belly * habitus.depth_scale * np.exp(-(((z[:, None] - 195) / 65) ** 2))
    back = _profile(z, [0, 60, 120, 200, 320], [96, 100, 106, 106, 108]) * habitus.depth_scale
    return _superellipse(angle, half_width, front, back)


def _fat_thickness(rng: np.random.Generator, habitus: Habitus, angle: NDArray[np.float64], z: Field) -> NDArray[np.float64]:
    along = _profile(z, [0, 80, 160, 230, 280, 320], [0.55, 0.6, 0.95, 1.35, 1.5, 1.3])
    around = 0.85 + 0.4 * (_bump(angle, _BACK - 0.9, 0.6) + _bump(angle, _BACK + 0.9, 0.6))
    around = around + 0.35 * _bump(angle, -_BACK, 0.9)
    wave = _around(rng, angle, z)
    navel = np.exp(-(((z[:, None] - 205) / 9) ** 2)) * _bump(angle, -_BACK, 0.06)
    crease = 5 * _bump(angle, _BACK, 0.1) * _profile(z, [0, 90, 150, 320], [0.2, 0.4, 1.0, 2.0])
    fat = 3 + habitus.fat_mm * along * around * (1 + 0.7 * wave) * (1 - 0.75 * navel)
    return np.maximum(fat - crease, 2.5)
