"""Random changes of a slice and its label map during training."""

import os
import random
from typing import Any

import cv2
import numpy as np

# Albumentations asks the network for a newer version when it is imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations

SHIFT = 0.12
SCALE = 0.12
ROTATE_DEGREES = 15
BRIGHTNESS = CONTRAST = 0.2
HOLES = (5, 8)
HOLE_SIDE = 0.05
"""Side of a hole as a share of the slice's side."""


def training_transform(*, holes_clear_mask: bool = False) -> albumentations.Compose:
    """The augmentation of the course: flips, a small affine change, brightness and contrast, and dropped-out squares.

    Takes and gives ``image`` (H, W) or (H, W, C) uint8 and ``mask`` (H, W) uint8. Masks are resampled by nearest
    neighbour, so that class ids survive. What is shifted in from outside is black, and background in the mask.

    Args:
        holes_clear_mask: make the dropped-out squares background in the mask too, as the course does; otherwise the
            network has to complete what it cannot see.
    """
    return albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.VerticalFlip(p=0.5),
            albumentations.Affine(
                translate_percent=(-SHIFT, SHIFT),
                scale=(1 - SCALE, 1 + SCALE),
                # One scale for both axes: without it a slice would be stretched, which no scanner does.
                keep_ratio=True,
                rotate=(-ROTATE_DEGREES, ROTATE_DEGREES),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_CONSTANT,
                fill=0,
                fill_mask=0,
                p=0.5,
            ),
            albumentations.RandomBrightnessContrast(BRIGHTNESS, CONTRAST, p=0.5),
            albumentations.CoarseDropout(
                num_holes_range=HOLES,
                hole_height_range=(HOLE_SIDE, HOLE_SIDE),
                hole_width_range=(HOLE_SIDE, HOLE_SIDE),
                fill=0,
                fill_mask=0 if holes_clear_mask else None,
                p=0.5,
            ),
        ]
    )


def seed_transform(transform: Any, *key: int) -> None:
    """Make the next picture depend on ``key`` alone, such as (seed, epoch, position).

    Args:
        transform: of albumentations, or one with a method ``seed`` as `training.data.fast_augmentation.FastTransform` has.

    Not by albumentations' own ``set_random_seed`` or ``Compose(seed=…)``: they give every transform of the list a generator
    of the same seed, so that all of them draw the same numbers, and the two flips happen always together or not at all.
    """
    if isinstance(transform, albumentations.Compose):
        numbers = np.random.default_rng(key)
        transform.set_random_state(numbers, random.Random(int(numbers.integers(2**62))))
    else:
        transform.seed(*key)
