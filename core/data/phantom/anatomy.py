"""Everything that isn't bowel: wall, bones, lungs, solid organs and great vessels, painted back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.phantom.body import LENGTH_MM, Body, Box
from core.data.phantom.habitus import Habitus
from core.data.phantom.noise import Field
from core.data.phantom.tissues import Tissue, among
from core.data.phantom.tubes import draw_tube, through

Mask = NDArray[np.bool_]


def paint_frame(body: Body, habitus: Habitus, grain: Field) -> None:
    """Paint wall, muscles and bones. `grain` is a fine noise field of the volume's shape, in [-1, 1]."""
    _paint_wall(body, grain)
    if habitus.arms:
        _paint_arms(body)
    _paint_back(body, habitus, grain)
    _paint_spine(body, habitus)
    _paint_pelvis(body)


def paint_organs(body: Body, habitus: Habitus, grain: Field) -> None:
    """Paint what lies in the cavity, bowel apart; `body` may be cropped to it, and `grain` likewise."""
    dome = _diaphragm(body)
    _paint_chest(body, dome, grain)
    _paint_mesentery(body, grain)
    _paint_kidneys(body, habitus, grain)
    _paint_spleen(body, habitus, dome)
    _paint_liver(body, habitus, dome)
    _paint_pancreas(body, grain)
    _paint_great_vessels(body, habitus)


def _paint_wall(body: Body, grain: Field) -> None:
    tissue = body.tissue
    tissue[body.skin > 0] = Tissue.SKIN
    tissue[body.skin > 2.2] = Tissue.FAT
    tissue[body.muscle > 0] = Tissue.MUSCLE
    # Fat between the layers of the flank muscles; thick muscle (the back) has its own planes.
    share = body.muscle / np.maximum(body.wall_mm, 1)
    plane = (np.abs(share - 0.45) < 0.07) & (body.wall_mm < 22) & (grain > -0.08)
    tissue[plane] = Tissue.VISCERAL_FAT
    tissue[body.cavity > 0] = Tissue.VISCERAL_FAT
    _paint_ribs(body, np.asarray(share, dtype=np.float32))


def _paint_ribs(body: Body, share: Field) -> None:
    chest = slice(0, int(np.searchsorted(body.z, 140)))
    angle = np.arctan2(body.y[chest], np.abs(body.x[chest]))
    # Ribs slope down towards the front, so an axial slice cuts several at once.
    phase = np.cos(2 * np.pi * (body.z[chest, None, None] / 31 + angle * 0.85))
    lateral = (angle > -1.0) & (angle < 1.15)
    rib = (phase > 0.35) & (np.abs(share[chest] - 0.5) < 0.36) & lateral
    body.paint((chest, *body.full[1:]), rib, Tissue.CORTICAL_BONE)
    body.paint((chest, *body.full[1:]), rib & (phase > 0.7) & (np.abs(share[chest] - 0.5) < 0.18), Tissue.MARROW)


def _paint_arms(body: Body) -> None:
    for side in (-1, 1):
        centre = (side * 190.0, 35.0, 40.0)
        box = body.box(centre, (34, 40, 75))
        arm = _ellipsoid(body, box, centre, (30, 38, 150))
        arm = np.where(body.skin[box] < -6, arm, np.float32(9))
        body.paint(box, arm < 1, Tissue.FAT)
        body.paint(box, arm < 0.55, Tissue.MUSCLE)
        body.paint(box, arm < 0.06, Tissue.MARROW)


def _ellipsoid(body: Body, box: Box, centre: tuple[float, float, float], axes: tuple[float, float, float]) -> Field:
    """Squared normalised distance: below 1 inside."""
    along = ((body.z[box[0]] - np.float32(centre[2])) / np.float32(axes[2])) ** 2
    here = ((body.x[box] - np.float32(centre[0])) / np.float32(axes[0])) ** 2
    here += ((body.y[box] - np.float32(centre[1])) / np.float32(axes[1])) ** 2
    return np.asarray(here + along[:, None, None].astype(np.float32))


def _column(
    body: Body,
    span: tuple[float, float],
    centre: tuple[list[float], list[float], list[float]],
    axes: tuple[list[float], list[float]],
) -> tuple[Box, Field]:
    """A column of ellipses along z: knots (z), centre x and y, and half-axes at each knot. Below 1 inside."""
    knots, xs, ys = centre
    low, high = (int(np.searchsorted(body.z, edge)) for edge in span)
    middle = (float(np.mean(xs)), float(np.mean(ys)), float(np.mean(span)))
    reach = (max(axes[0]) + float(np.ptp(xs)), max(axes[1]) + float(np.ptp(ys)), 1.0)
    box = (slice(low, high), *body.box(middle, reach)[1:])
    z = body.z[low:high]
    cx, cy, ax, ay = (np.interp(z, knots, values).astype(np.float32)[:, None, None] for values in (xs, ys, axes[0], axes[1]))
    return box, np.asarray(((body.x[box] - cx) / ax) ** 2 + ((body.y[box] - cy) / ay) ** 2)


def _paint_back(body: Body, habitus: Habitus, grain: Field) -> None:
    """Back muscles with their fat planes, and the psoas."""
    x0, y0 = habitus.spine_mm
    fat_planes = (np.abs(grain - 0.12) < 0.03) & (body.wall_mm > 24) & (body.muscle > 3) & (body.cavity < 0)
    body.paint(body.full, fat_planes, Tissue.VISCERAL_FAT)
    for side in (-1.0, 1.0):
        knots = [0.0, 130.0, 250.0, LENGTH_MM]
        xs = [x0 + side * v for v in (27.0, 32.0, 33.0, 26.0)]
        box, erector = _column(body, (0, 300), (knots, xs, [86 + y0] * 4), ([22, 29, 27, 14], [14, 19, 17, 9]))
        edge = (erector < 1.2) & (erector > 0.95) & (body.muscle[box] > 0) & (grain[box] > -0.04)
        body.paint(box, edge, Tissue.VISCERAL_FAT)
        marbled = (grain[box] > 0.26) | (np.abs(grain[box] + 0.1) < 0.014)
        body.paint(box, (erector <= 0.95) & ~marbled, Tissue.MUSCLE)
        xs = [x0 + side * v for v in (28.0, 34.0, 44.0, 62.0)]
        ys = [y0 + v for v in (52.0, 52.0, 38.0, 8.0)]
        knots = [128.0, 165.0, 235.0, 315.0]
        box, psoas = _column(body, (128, 318), (knots, xs, ys), ([4, 13, 20, 17], [5, 15, 20, 17]))
        body.paint(box, psoas < 1, Tissue.MUSCLE)


def _paint_spine(body: Body, habitus: Habitus) -> None:
    x0, y0 = habitus.spine_mm
    knots = [0.0, 110.0, 200.0, 262.0, LENGTH_MM]
    sway = [y0 + v for v in (47.0, 45.0, 38.0, 52.0, 74.0)]
    xs = [x0] * 5
    box, vertebra = _column(body, (0, LENGTH_MM), (knots, xs, sway), ([21, 25, 29, 32, 16], [18, 20, 22, 18, 8]))
    phase = (body.z[box[0]] / 33 + habitus.disc_phase) % 1
    disc = ((phase < 0.22) & (body.z[box[0]] < 262))[:, None, None]
    body.paint(box, vertebra < 1, Tissue.CORTICAL_BONE)
    body.paint(box, (vertebra < 0.84) & ~disc, Tissue.MARROW)
    body.paint(box, (vertebra < 0.9) & disc, Tissue.DISC)
    _paint_arch(body, x0, y0, knots, sway)


def _paint_arch(body: Body, x0: float, y0: float, knots: list[float], sway: list[float]) -> None:
    """Spinal canal with cord, spinous and transverse processes."""
    xs = [x0] * 5
    spinous = [y + 46 for y in sway]
    box, process = _column(body, (0, 275), (knots, xs, spinous), ([3.5] * 5, [16.0] * 5))
    body.paint(box, process < 1, Tissue.CORTICAL_BONE)
    canal = [y + 26 for y in sway]
    for side in (-1.0, 1.0):
        box, wing = _column(body, (0, 250), (knots, [x0 + side * 20] * 5, canal), ([15.0] * 5, [4.0] * 5))
        body.paint(box, wing < 1, Tissue.CORTICAL_BONE)
    box, ring = _column(body, (0, 275), (knots, xs, canal), ([14.0] * 5, [11.5] * 5))
    body.paint(box, ring < 1, Tissue.CORTICAL_BONE)
    body.paint(box, ring < 0.72, Tissue.VISCERAL_FAT)
    body.paint(box, ring < 0.55, Tissue.CSF)
    box, cord = _column(body, (0, 150), (knots, xs, canal), ([5.0] * 5, [4.0] * 5))
    body.paint(box, cord < 1, Tissue.CORD)


def _paint_pelvis(body: Body) -> None:
    """Iliac wings, sacral wings by muscle, femoral heads and the bladder."""
    low = int(np.searchsorted(body.z, 212))
    for side in (-1, 1):
        box = (slice(low, len(body.z)), *body.box((side * 84.0, 36.0, 260.0), (62, 62, 1))[1:])
        grow = np.clip((body.z[low:, None, None] - 205) / 40, 0.2, 1).astype(np.float32)
        right, down = side * body.x[box] - 84, body.y[box] - 38
        along, across = 0.75 * right - 0.66 * down, 0.66 * right + 0.75 * down
        # A bent plate: the wing curves around the iliacus muscle.
        plate = (along / (50 * grow)) ** 2 + ((across + 0.006 * along**2 - 4) / (8.5 * grow + 1)) ** 2
        body.paint(box, plate < 1, Tissue.CORTICAL_BONE)
        body.paint(box, plate < 0.66, Tissue.MARROW)
        iliacus = (along / 36) ** 2 + ((across + 0.006 * along**2 + 15) / 10) ** 2
        body.paint(box, (iliacus < grow - 0.1) & (body.tissue[box] == Tissue.VISCERAL_FAT), Tissue.MUSCLE)
    centre = (0.0, -34.0, 301.0)
    box = body.box(centre, (38, 30, 24))
    bladder = _ellipsoid(body, box, centre, (38, 28, 23))
    body.paint(box, bladder < 1, Tissue.MUSCLE)
    body.paint(box, bladder < 0.84, Tissue.URINE)


def _diaphragm(body: Body) -> Field:
    """Height (z, mm) of the diaphragm above each voxel of the grid, (Z, H, W): a dome on each side."""
    domes = [
        top + 62 * (((body.x - x) / 98) ** 2 + ((body.y - y) / 80) ** 2)
        for x, y, top in ((-58.0, -12.0, 14.0), (62.0, -10.0, 24.0))
    ]
    return np.minimum(np.minimum(domes[0], domes[1]), np.float32(98))


def _paint_chest(body: Body, dome: Field, grain: Field) -> None:
    chest = slice(0, int(np.searchsorted(body.z, 105)))
    box = (chest, *body.full[1:])
    above = dome[chest] - body.z[chest, None, None]
    free = body.tissue[box] == Tissue.VISCERAL_FAT
    lung = (above > 0) & (body.cavity[chest] > 1.5) & free
    body.paint(box, lung, Tissue.LUNG)
    body.paint(box, lung & (grain[chest] > 0.42), Tissue.VESSEL)
    # The diaphragm itself: a thin dark sheet between lung and fat.
    body.paint(box, (above <= 0) & (above > -3) & free, Tissue.MUSCLE)
    centre = (14.0, -30.0, 0.0)
    box = body.box(centre, (55, 45, 34))
    heart = _ellipsoid(body, box, centre, (52, 42, 34))
    body.paint(box, (heart < 1.15) & (body.cavity[box] > 0), Tissue.VISCERAL_FAT)
    body.paint(box, (heart < 0.95) & (body.cavity[box] > 0), Tissue.MUSCLE)
    body.paint(box, (heart < 0.6) & (np.abs(body.x[box] - 10 + 0.4 * body.y[box]) > 5), Tissue.HEART)


def _paint_mesentery(body: Body, grain: Field) -> None:
    """Vessels in the visceral fat, as short dark strands."""
    low = int(np.searchsorted(body.z, 95))
    box = (slice(low, len(body.z)), *body.full[1:])
    # Gated by the same noise read backwards, so that strands break off instead of closing into rings.
    strand = (np.abs(grain[box]) < 0.03) & (grain[box][:, ::-1, ::-1] > 0.02)
    strand &= (body.y[box] < 30) & (np.abs(body.x[box]) < 85)
    body.paint(box, strand & (body.tissue[box] == Tissue.VISCERAL_FAT), Tissue.STRAND)


def _paint_kidneys(body: Body, habitus: Habitus, grain: Field) -> None:
    for side in (-1.0, 1.0):
        low = 154 + habitus.kidney_drop_mm + (7 if side < 0 else -7)
        size = habitus.kidney_scale
        box = body.box((side * 62, 38.0, low), (36, 32, 58))
        # The upper pole tilts inwards and back.
        tilt = (body.z[box[0], None, None] - np.float32(low)) / 50
        right, down = side * body.x[box] - 62 - 7 * tilt, body.y[box] - 38 + 5 * tilt
        right, down = 0.82 * right + 0.57 * down, 0.82 * down - 0.57 * right
        kidney = ((right / (26 * size)) ** 2 + (down / (20 * size)) ** 2 + (tilt / (1.02 * size)) ** 2).astype(np.float32)
        inside = (kidney < 1) & (body.cavity[box] > 0.5)
        body.paint(box, inside, Tissue.KIDNEY_CORTEX)
        pyramids = (kidney < 0.62) & (np.abs(grain[box]) > 0.06)
        body.paint(box, inside & pyramids, Tissue.KIDNEY_MEDULLA)
        sinus = ((right + 11) / 15) ** 2 + (down / 6.5) ** 2 + (tilt / 0.5) ** 2
        body.paint(box, inside & (sinus < 1), Tissue.VISCERAL_FAT)
        body.paint(box, inside & (sinus < 0.2), Tissue.URINE)


def _paint_spleen(body: Body, habitus: Habitus, dome: Field) -> None:
    centre = (100.0, 30.0, 92.0)
    size = habitus.spleen_scale
    box = body.box(centre, (42 * size, 52 * size, 56 * size))
    spleen = _ellipsoid(body, box, centre, (40 * size, 52 * size, 56 * size))
    below = body.z[box[0], None, None] > dome[box] + 3
    body.paint(box, (spleen < 1) & below & (body.cavity[box] > 2), Tissue.SPLEEN)


def _paint_liver(body: Body, habitus: Habitus, dome: Field) -> None:
    box = (slice(0, int(np.searchsorted(body.z, 230))), *body.full[1:])
    x, y, z = body.x[box], body.y[box], body.z[box[0], None, None]
    front = np.clip((18 - y) / 62, 0, 1)
    front *= front * (3 - 2 * front)
    # The left lobe crosses the midline in front; behind, the liver stops at the vena cava.
    taper = 0.5 * np.maximum(z - 72, 0) - 0.003 * np.maximum(z - 72, 0) ** 2
    ripple = 9 * np.sin(y / 21 + z / 26 + habitus.disc_phase * 6)
    edge = -22 + ripple + (92 + habitus.left_lobe_mm) * front - taper
    floor = 150 + habitus.liver_drop_mm - 0.62 * np.maximum(x + 92, 0) + 0.6 * np.clip(y, -70, 40)
    liver = (x < edge) & (z < floor) & (z > dome[box] + 3) & (body.cavity[box] > 1.5)
    paintable = among(Tissue.VISCERAL_FAT, Tissue.STRAND)
    body.paint(box, liver & paintable[body.tissue[box]], Tissue.LIVER)
    _paint_liver_vessels(body)
    centre = (-42.0, -32.0, 130.0 + habitus.liver_drop_mm / 2)
    box = body.box(centre, (15, 22, 20))
    gallbladder = _ellipsoid(body, box, centre, (13, 20, 20))
    body.paint(box, gallbladder < 1, Tissue.BILE)


def _paint_liver_vessels(body: Body) -> None:
    liver = body.tissue == Tissue.LIVER
    for knots in (
        [(-18.0, 22.0, 34.0, 6.0), (-48.0, 10.0, 44.0, 5.0), (-66.0, 22.0, 58.0, 4.5), (-92.0, 12.0, 84.0, 3.5)],
        [(-18.0, 20.0, 36.0, 6.0), (-38.0, -16.0, 48.0, 5.0), (-46.0, -30.0, 62.0, 4.0), (-70.0, -52.0, 82.0, 3.5)],
        [(-16.0, 18.0, 36.0, 5.0), (2.0, -18.0, 48.0, 4.0), (22.0, -46.0, 62.0, 3.5)],
        [
            (-12.0, 6.0, 122.0, 6.0),
            (-30.0, 0.0, 100.0, 6.0),
            (-56.0, 10.0, 92.0, 5.5),
            (-74.0, 34.0, 96.0, 4.5),
            (-100.0, 30.0, 118.0, 3.5),
        ],
        [(-30.0, 0.0, 100.0, 5.0), (-28.0, -30.0, 84.0, 5.0), (-4.0, -44.0, 78.0, 4.0)],
        [(-56.0, 10.0, 92.0, 5.0), (-72.0, -18.0, 102.0, 4.5), (-94.0, -30.0, 116.0, 3.5)],
    ):
        tube = draw_tube(body, through(knots, 6.0))
        body.paint(body.full, (tube.reach < 1) & liver, Tissue.VESSEL)


def _paint_pancreas(body: Body, grain: Field) -> None:
    knots = [(-30.0, 4.0, 148.0, 13.0), (-8.0, -4.0, 138.0, 9.0), (28.0, 4.0, 126.0, 9.0), (72.0, 24.0, 110.0, 8.0)]
    tube = draw_tube(body, through(knots, 6.0), aspect=(1, 1, 1.2))
    lobules = (tube.reach < 1 + 1.2 * grain) & (body.tissue == Tissue.VISCERAL_FAT)
    body.paint(body.full, lobules, Tissue.PANCREAS)


def _paint_great_vessels(body: Body, habitus: Habitus) -> None:
    x0, y0 = habitus.spine_mm
    courses = (
        ([10.0, 8.0, 5.0], 1.0, 1.0),
        ([-24.0, -22.0, -13.0], 1.25, 0.7),
    )
    for xs, scale, flatness in courses:
        knots, ys = [0.0, 130.0, 215.0], [y0 + 26, y0 + 18, y0 + 12]
        radius = [10.5 * scale, 9.0 * scale, 8.0 * scale]
        box, vessel = _column(body, (0, 216), (knots, [x + x0 for x in xs], ys), (radius, [r * flatness for r in radius]))
        body.paint(box, vessel < 1, Tissue.CORTICAL_BONE)
        body.paint(box, vessel < 0.78, Tissue.BLOOD)
        ends = [xs[-1] + x0, np.sign(xs[-1]) * 34 + x0, np.sign(xs[-1]) * 58 + x0]
        box, branch = _column(body, (214, 318), ([214.0, 255.0, 318.0], ends, [y0 + 12, 26.0, -28.0]), ([6.5] * 3, [6.0] * 3))
        body.paint(box, (branch < 1) & (body.tissue[box] != Tissue.MARROW), Tissue.BLOOD)
