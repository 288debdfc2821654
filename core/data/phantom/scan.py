"""Put a phantom scan together from its seed, patient and day."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.phantom.anatomy import paint_frame, paint_organs
from core.data.phantom.body import LENGTH_MM, make_body
from core.data.phantom.bowel import paint_bowel
from core.data.phantom.habitus import draw_habitus, draw_visit
from core.data.phantom.mr import render
from core.data.phantom.noise import smooth_noise
from core.data.phantom.tissues import LABEL_OF
from core.errors import InputError

_BUILD, _OUTLINE, _VISIT, _GRAIN, _LOOPS, _CONTRAST, _RECEIVER = range(7)
_MIN_PIXELS = 16


@dataclass(frozen=True)
class PhantomScan:
    """One synthetic scan; slices run from head to feet, rows from front to back, columns from right to left."""

    image: NDArray[np.uint16]
    """(Z, H, W), about 0 to 4000, as in 16-bit MR pictures."""
    label_map: NDArray[np.uint8]
    """(Z, H, W): 0 background, 1 stomach, 2 small bowel, 3 large bowel; wall and content both count."""
    spacing_mm: tuple[float, float, float]
    """z, y, x."""


def make_scan(
    patient: int,
    day: int = 0,
    *,
    seed: int = 42,
    shape: tuple[int, int, int] = (40, 224, 224),
    spacing_mm: tuple[float, float, float] = (5.0, 1.6, 1.6),
) -> PhantomScan:
    """Make a scan; equal arguments give bit-identical arrays.

    The patient fixes the build and the contrast; the day fixes the filling, the gas, the bowel's loops, the pose and
    the noise. The volume always runs from above the liver dome to the perineum, whatever its extent along z. In plane,
    lengths are true mm, and the body shrinks to fit a field of view that is too small for it.

    Raises:
        InputError: a negative patient, day or seed; a shape that is not three sizes of at least 1 slice and 16 pixels;
            a spacing that is not three positive numbers.
    """
    _check(patient, day, seed, shape, spacing_mm)
    build = np.random.default_rng([seed, patient, _BUILD])
    habitus = draw_habitus(build)
    visit = draw_visit(_day_rng(seed, patient, day, _VISIT), habitus)
    body = make_body(np.random.default_rng([seed, patient, _OUTLINE]), habitus, visit, shape, spacing_mm)
    extent = (LENGTH_MM, shape[1] * body.pixel_mm[0], shape[2] * body.pixel_mm[1])
    grain = smooth_noise(np.random.default_rng([seed, patient, _GRAIN]), shape, extent, (16.0, 6.5, 6.5))
    paint_frame(body, habitus, grain)
    inner = body.cavity_box()
    inside = body.cropped(inner)
    paint_organs(inside, habitus, grain[inner])
    paint_bowel(inside, habitus, _day_rng(seed, patient, day, _LOOPS), grain[inner])
    contrast = np.random.default_rng([seed, patient, _CONTRAST])
    image = render(body, habitus, contrast, _day_rng(seed, patient, day, _RECEIVER))
    return PhantomScan(image, LABEL_OF[body.tissue], (spacing_mm[0], spacing_mm[1], spacing_mm[2]))


def _day_rng(seed: int, patient: int, day: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, patient, purpose, day + 1])


def _check(patient: int, day: int, seed: int, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> None:
    for name, value in (("patient", patient), ("day", day), ("seed", seed)):
        if value < 0:
            raise InputError(f"The phantom's {name} is negative", value=value, todo="give 0 or more")
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < _MIN_PIXELS:
        todo = f"give slices, rows and columns: at least 1, {_MIN_PIXELS} and {_MIN_PIXELS}"
        raise InputError("The phantom's shape can't be used", value=shape, todo=todo)
    if len(spacing_mm) != 3 or not all(math.isfinite(step) and step > 0 for step in spacing_mm):
        todo = "give three positive lengths in mm: z, y and x"
        raise InputError("The phantom's spacing can't be used", value=spacing_mm, todo=todo)
