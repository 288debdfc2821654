"""Random changes of a slice and its label map during training."""

import os
from typing import Any

import cv2

# Albumentations asks the network for a newer version when it is imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations

SHIFT = 0.12
SCALE = 0.12
ROTATE_DEGREES = 15
HOLES = (5, 8)
HOLE_SIDE = 0.05
"""Side of a hole as a share of the slice's side."""


def training_transform(seed: int) -> albumentations.Compose:
    """The augmentation of the course: flips, a small affine change, brightness and contrast, and dropped-out squares.

    Takes and gives ``image`` (H, W) uint8 and ``mask`` (H, W) uint8. Masks are resampled by nearest neighbour, so that
    class ids survive, and are not cut by the holes: the network has to complete what it cannot see.

    Args:
        seed: the same seed and the same order of slices give the same pictures.
    """
    return albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.VerticalFlip(p=0.5),
            albumentations.Affine(
                translate_percent=(-SHIFT, SHIFT),
                scale=(1 - SCALE, 1 + SCALE),
                rotate=(-ROTATE_DEGREES, ROTATE_DEGREES),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_CONSTANT,
                fill=0,
                fill_mask=0,
                p=0.5,
            ),
            albumentations.RandomBrightnessContrast(p=0.5),
            albumentations.CoarseDropout(
                num_holes_range=HOLES,
                hole_height_range=(HOLE_SIDE, HOLE_SIDE),
                hole_width_range=(HOLE_SIDE, HOLE_SIDE),
                fill=0,
                fill_mask=None,
                p=0.5,
            ),
        ],
        seed=seed,
    )


def reseed(transform: Any, seed: int) -> None:
    """Give a loader process its own random numbers; copies of one process would otherwise all draw the same."""
    if isinstance(transform, albumentations.Compose):
        transform.set_random_seed(seed)
