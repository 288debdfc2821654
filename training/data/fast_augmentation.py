"""The same random changes as `training.data.augmentation`, for the cached loader: a third of the time, one warp for all geometry.

Albumentations spends most of its time on a slice around OpenCV, not in it. Here a slice's changes are drawn at once and
applied by OpenCV directly; the tests hold both to the same ranges and frequencies.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.augmentation import BRIGHTNESS, CONTRAST, HOLE_SIDE, HOLES, ROTATE_DEGREES, SCALE, SHIFT

Pixels = NDArray[np.uint8]
_LEVELS = np.arange(256, dtype=np.float32)


class FastTransform:
    """Takes and gives what `training.data.augmentation.training_transform` does; what is drawn depends on the last `seed`
    alone."""

    def __init__(self, *, holes_clear_mask: bool = False) -> None:
        self.holes_clear_mask = holes_clear_mask
        self.key: tuple[int, ...] = (0,)

    def seed(self, *key: int) -> None:
        """Make the next picture depend on ``key`` alone."""
        self.key = key

    def __call__(self, *, image: Pixels, mask: Pixels) -> dict[str, Pixels]:
        # All numbers in one go and each at a place of its own: asking one by one takes longer than the changes.
        drawn = np.random.default_rng(self.key).random(12 + 2 * HOLES[1])
        flip_x, flip_y, move, shade, drop = (drawn[:5] < 0.5).tolist()
        amounts: list[float] = (2 * drawn[5:11] - 1).tolist()
        if move:
            matrix = affine(image.shape[:2], flip_x=flip_x, flip_y=flip_y, amounts=amounts[:4])
            image, mask = _warped(image, matrix, cv2.INTER_LINEAR), _warped(mask, matrix, cv2.INTER_NEAREST)
        elif flip_x or flip_y:
            way = 1 if not flip_y else -1 if flip_x else 0
            image, mask = _array(cv2.flip(image, way)), _array(cv2.flip(mask, way))
        if shade:
            image = _shaded(image, amounts[4], amounts[5])
        if drop:
            count = HOLES[0] + int(drawn[11] * (HOLES[1] - HOLES[0] + 1))
            places = drawn[12 : 12 + 2 * count].reshape(-1, 2)
            image = _with_holes(image, places)
            mask = _with_holes(mask, places) if self.holes_clear_mask else mask
        return {"image": image, "mask": mask}


def affine(shape: tuple[int, ...], *, flip_x: bool, flip_y: bool, amounts: list[float]) -> NDArray[np.float64]:
    """The matrix (2, 3) that mirrors, turns and scales about the centre of an (H, W) picture, and then shifts.

    Args:
        amounts: angle, scale and shift along x and y, each -1 to 1 of what is allowed.
    """
    angle, scale = math.radians(ROTATE_DEGREES * amounts[0]), 1 + SCALE * amounts[1]
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    x, y = -1 if flip_x else 1, -1 if flip_y else 1
    linear = np.array([[x * cosine, -y * sine], [x * sine, y * cosine]])
    size = np.array([shape[1], shape[0]])
    centre = (size - 1) / 2
    offset = centre + SHIFT * size * amounts[2:4] - linear @ centre
    return np.column_stack([linear, offset])


def _warped(pixels: Pixels, matrix: NDArray[np.float64], how: int) -> Pixels:
    size = (pixels.shape[1], pixels.shape[0])
    return _array(cv2.warpAffine(pixels, matrix, size, flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=0))


def _shaded(image: Pixels, contrast: float, brightness: float) -> Pixels:
    levels = _LEVELS * (1 + CONTRAST * contrast) + 255 * BRIGHTNESS * brightness
    return _array(cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)))


def _with_holes(pixels: Pixels, places: NDArray[np.float64]) -> Pixels:
    """Blacken squares whose corners lie at ``places`` (N, 2), y and x from 0 to 1 of where one still fits."""
    height, width = (int(side * HOLE_SIDE) for side in pixels.shape[:2])
    room = (pixels.shape[0] - height + 1, pixels.shape[1] - width + 1)
    found = pixels.copy()
    for y, x in (places * room).astype(int).tolist():
        found[y : y + height, x : x + width] = 0
    return found


def _array(found: Any) -> Pixels:
    pixels: Pixels = found
    return pixels
