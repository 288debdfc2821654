"""The three organs that are labelled: stomach, large bowel and small bowel, with wall, content and gas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.phantom.body import Body
from core.data.phantom.habitus import Habitus, Visit
from core.data.phantom.noise import Field, smooth_walk
from core.data.phantom.tissues import Tissue, among
from core.data.phantom.tubes import Curve, Tube, draw_tube, through
from core.data.phantom.wander import wander

_LOOSE = among(Tissue.VISCERAL_FAT, Tissue.STRAND, Tissue.PANCREAS)
_SOFT = _LOOSE | among(Tissue.VESSEL, Tissue.LIVER, Tissue.SPLEEN, Tissue.BILE)
Mask = NDArray[np.bool_]


def paint_bowel(body: Body, habitus: Habitus, rng: np.random.Generator, grain: Field) -> None:
    """Paint stomach, then colon, then small bowel into what is left. `rng` is the day's; `grain` is fine noise."""
    visit = body.visit
    stomach = draw_tube(body, stomach_curve(habitus, visit), aspect=(0.82, 1.3, 1.0))
    colon_course = colon_curve(habitus, rng)
    colon = draw_tube(body, colon_course)
    _paint_stomach(body, stomach, visit, grain)
    _paint_colon(body, colon, visit, rng, grain)
    obstacles = _joined(colon_course, stomach.curve, _spine_obstacle())
    loops = small_bowel_curve(habitus, rng, obstacles)
    clear = (colon.reach > 1.12) & (stomach.reach > 1.1)
    _paint_small_bowel(body, draw_tube(body, loops), clear, rng, grain)


def stomach_curve(habitus: Habitus, visit: Visit) -> Curve:
    """The J: fundus behind on the left, body, antrum across the midline, pylorus. A full stomach also sags."""
    size, shift = habitus.stomach_scale * visit.filling, habitus.stomach_shift_mm
    sag = 18 * (visit.filling - 0.8)
    knots = [
        (60.0, 22.0, 44.0, 17.0),
        (64.0, 14.0, 62.0, 32.0),
        (62.0, -4.0, 86.0, 35.0),
        (57.0, -28.0, 108.0 + sag, 29.0),
        (42.0, -46.0, 128.0 + sag, 24.0),
        (16.0, -48.0, 138.0 + sag, 20.0),
        (-8.0, -40.0, 136.0, 16.0),
        (-24.0, -28.0, 130.0, 10.0),
    ]
    moved = [(x + shift[0], y + shift[1], z + shift[2], r * size) for x, y, z, r in knots]
    return through(moved, 5.0)


def colon_curve(habitus: Habitus, rng: np.random.Generator) -> Curve:
    """Caecum to rectum, with haustra as a modulated radius. The course is the patient's, up to small daily moves."""
    sag, side = habitus.transverse_sag_mm, habitus.sigmoid_side_mm
    knots = [
        (-72.0, -10.0, 258.0, 16.0),
        (-82.0, -2.0, 238.0, 25.0),
        (-91.0, 12.0, 198.0, 23.0),
        (-93.0, 18.0, 168.0, 21.0),
        (-82.0, 2.0, 146.0, 20.0),
        (-62.0, -42.0, 146.0 + 0.3 * sag, 19.0),
        (-34.0, -60.0, 152.0 + 0.9 * sag, 19.0),
        (2.0, -65.0, 158.0 + sag, 18.0),
        (38.0, -61.0, 152.0 + 0.8 * sag, 18.0),
        (74.0, -44.0, 128.0 + 0.3 * sag, 18.0),
        (99.0, -10.0, 98.0, 18.0),
        (105.0, 20.0, 116.0, 16.0),
        (104.0, 27.0, 150.0, 15.0),
        (102.0, 26.0, 195.0, 14.0),
        (94.0, 14.0, 228.0, 14.0),
        (74.0, -8.0, 250.0, 15.0),
        (40.0 + side, -24.0, 258.0, 16.0),
        (8.0 + side, -8.0, 250.0, 16.0),
        (-12.0, 18.0, 262.0, 15.0),
        (0.0, 34.0, 271.0, 17.0),
        (3.0, 42.0, 282.0, 15.0),
        (1.0, 46.0, 289.0, 8.0),
    ]
    moves = rng.uniform(-1, 1, (len(knots), 3)) * (6.0, 6.0, 5.0)
    moved = [
        (x + float(dx), y + float(dy), z + float(dz), r * habitus.colon_scale)
        for (x, y, z, r), (dx, dy, dz) in zip(knots, moves, strict=True)
    ]
    return _with_haustra(through(moved, 4.0), rng)


def _with_haustra(course: Curve, rng: np.random.Generator) -> Curve:
    count = len(course.points)
    calibre = 1 + 0.45 * smooth_walk(rng, count, 14.0)
    pouch = np.abs(np.sin(_haustral_phase(count))) ** 0.7
    radius = course.radius * calibre * (0.72 + 0.32 * pouch)
    return Curve(course.points, np.asarray(radius, dtype=np.float64))


def _haustral_phase(count: int) -> NDArray[np.float64]:
    """One haustrum, half a turn, every six curve points of 4 mm."""
    return np.asarray(np.arange(count) * np.pi / 6.2, dtype=np.float64)


def small_bowel_curve(habitus: Habitus, rng: np.random.Generator, obstacles: Curve) -> Curve:
    """Duodenum around the head of the pancreas, then loops that wander through the middle."""
    r = habitus.bowel_radius_mm
    c_loop = [
        (-30.0, -20.0, 132.0, 0.95 * r),
        (-46.0, 0.0, 136.0, 1.1 * r),
        (-48.0, 16.0, 158.0, 1.1 * r),
        (-30.0, 16.0, 176.0, r),
        (6.0, 2.0, 178.0, r),
        (32.0, 6.0, 164.0, r),
        (44.0, -12.0, 158.0, r),
    ]
    duodenum = through(c_loop, 5.0)
    jejunum = wander(rng, (44.0, -12.0, 158.0), habitus.bowel_length_mm, r, _joined(obstacles, duodenum))
    calibre = 1 + 0.6 * smooth_walk(rng, len(jejunum.points), 9.0) + 0.3 * smooth_walk(rng, len(jejunum.points), 3.0)
    return _joined(duodenum, Curve(jejunum.points, np.asarray(jejunum.radius * calibre, dtype=np.float64)))


def _spine_obstacle() -> Curve:
    z = np.arange(140.0, 290.0, 12.0)
    points = np.stack([np.zeros_like(z), np.full_like(z, 40.0), z], axis=1)
    return Curve(points, np.full(len(z), 34.0))


def _joined(*curves: Curve) -> Curve:
    return Curve(np.concatenate([c.points for c in curves]), np.concatenate([c.radius for c in curves]))


def _image_rows(body: Body) -> NDArray[np.float64]:
    """Height of each image row in body mm, (1, H, 1): gravity follows the picture, not the patient's turn."""
    rows = np.arange(body.tissue.shape[1]) * body.pixel_mm[0] - body.centre_mm[0]
    return np.asarray(rows[None, :, None], dtype=np.float64)


def _paint_stomach(body: Body, tube: Tube, visit: Visit, grain: Field) -> None:
    inside = (tube.reach < 1) & (body.cavity > 1) & _SOFT[body.tissue]
    if not inside.any():
        return
    rugae = 3.2 + 5.5 * np.maximum(grain, 0) + 3 * max(0.0, 0.85 - visit.filling)
    lumen = inside & (tube.depth_mm > rugae)
    rows = _image_rows(body)
    heights = np.broadcast_to(rows, lumen.shape)[lumen]
    level = float(np.quantile(heights, visit.gas_share)) if heights.size else 0.0
    gas = rows < level
    body.paint(body.full, inside, Tissue.STOMACH_WALL)
    body.paint(body.full, lumen, Tissue.STOMACH_FLUID)
    body.paint(body.full, lumen & (grain[::-1, :, ::-1] < visit.food), Tissue.STOMACH_FOOD)
    body.paint(body.full, lumen & gas, Tissue.STOMACH_GAS)


def _paint_colon(body: Body, tube: Tube, visit: Visit, rng: np.random.Generator, grain: Field) -> None:
    inside = (tube.reach < 1) & (body.cavity > 0.5) & _SOFT[body.tissue]
    count = len(tube.curve.points)
    pouch = np.abs(np.sin(_haustral_phase(count)))
    septum = (pouch < 0.3)[tube.owner] & (tube.reach > 0.3)
    lumen = inside & (tube.depth_mm > 2.2) & ~septum
    level = _levels(tube, visit.colon_gas + 3.2 * smooth_walk(rng, count, 16.0))
    fluid = (smooth_walk(rng, count, 20.0) > 0.22)[tube.owner]
    gas = (_image_rows(body) < level) | ((grain > 0.3) & ~fluid)
    body.paint(body.full, inside, Tissue.COLON_WALL)
    body.paint(body.full, lumen, Tissue.COLON_STOOL)
    body.paint(body.full, lumen & fluid, Tissue.COLON_FLUID)
    body.paint(body.full, lumen & gas, Tissue.COLON_GAS)


def _levels(tube: Tube, share: Field) -> Field:
    """Row height (body mm) of the gas-fluid level at each voxel; `share` (N,) is -1 for no gas, 1 for gas only."""
    # Neighbouring points share one pool, so their levels are averaged.
    pooled = np.convolve(np.pad(tube.curve.points[:, 1], 3, mode="edge"), np.full(7, 1 / 7), mode="valid")
    heights = pooled + np.clip(share, -1.2, 1.2) * tube.curve.radius
    return np.asarray(heights.astype(np.float32)[tube.owner])


def _paint_small_bowel(body: Body, tube: Tube, clear: Mask, rng: np.random.Generator, grain: Field) -> None:
    inside = (tube.reach < 1) & clear & (body.cavity > 2) & _LOOSE[body.tissue]
    count = len(tube.curve.points)
    folds = 1.8 + 4.5 * np.maximum(grain[:, ::-1, :], 0)
    lumen = inside & (tube.depth_mm > folds) & (smooth_walk(rng, count, 8.0) > -0.3)[tube.owner]
    level = _levels(tube, body.visit.bowel_gas + 2.6 * smooth_walk(rng, count, 10.0))
    body.paint(body.full, inside, Tissue.SMALL_BOWEL_WALL)
    body.paint(body.full, lumen, Tissue.SMALL_BOWEL_FLUID)
    body.paint(body.full, lumen & (_image_rows(body) < level), Tissue.SMALL_BOWEL_GAS)
