"""The grid of voxels on which a scan is stored: millimetres between their centres."""

import math
from collections.abc import Sequence

Spacing = tuple[float, float, float]
"""mm between voxel centres along z, y and x."""


def stored_spacing(spacing_mm: Sequence[float] | None, native_size: Sequence[int] | None, size: Sequence[int]) -> Spacing | None:
    """Spacing of the stored pixels: that of the native ones, stretched as the images were resized.

    Args:
        spacing_mm: (z, y, x) of the native pixels; ``None`` where it is unknown.
        native_size: (height, width) before the images were resized; ``None`` means as stored.
        size: (height, width) as stored.

    >>> stored_spacing((3.0, 1.5, 1.5), (266, 266), (133, 133))
    (3.0, 3.0, 3.0)
    """
    if spacing_mm is None:
        return None
    z, y, x = (float(step) for step in spacing_mm)
    height, width = native_size or size
    return z, y * height / size[0], x * width / size[1]


def ml_a_voxel(spacing_mm: Spacing) -> float:
    """Volume of a voxel in millilitres."""
    return math.prod(spacing_mm) / 1000
