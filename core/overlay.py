"""Label map to colours, blending and error maps: the pixel arithmetic that front ends and exports share."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap
from core.labels import ORGANS, PALETTE

Rgb = NDArray[np.uint8]


def num_to_rgb(label_map: LabelMap) -> Rgb:
    """Colours (…, 3) uint8 of a label map (…) uint8 with values 0 to 3."""
    return PALETTE[label_map]


def blend(image: NDArray[np.uint8], label_map: LabelMap, *, opacity: float, organs: Collection[int] | None = None) -> Rgb:
    """Lay the organs' colours over a grey slice; background stays as it is.

    Args:
        image: (H, W) uint8.
        label_map: (H, W) uint8.
        opacity: weight of the colour, 0 to 1.
        organs: class ids to draw; all by default.

    Returns:
        (H, W, 3) uint8: ``round((1 - opacity) · grey + opacity · colour)`` on the organs drawn, ties to even.
    """
    grey = np.repeat(image[..., None], 3, axis=-1)
    drawn = np.isin(label_map, [o.id for o in ORGANS] if organs is None else list(organs)) & (label_map > 0)
    mixed = (1 - opacity) * grey[drawn] + opacity * PALETTE[label_map[drawn]]
    grey[drawn] = np.rint(mixed).astype(np.uint8)
    return grey


def class_statistics(label_map: LabelMap) -> list[dict[str, Any]]:
    """Pixels and percent of the picture per class, background first."""
    counts = np.bincount(label_map.ravel(), minlength=len(PALETTE))
    return [{"class_id": i, "pixels": int(n), "percent": 100 * int(n) / label_map.size} for i, n in enumerate(counts)]
