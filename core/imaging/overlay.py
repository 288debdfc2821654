"""Label map to colours, blending and the colours of error maps: the pixel arithmetic that front ends and exports share."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap
from core.labels import ORGANS, PALETTE

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class ErrorColour:
    """One kind of voxel in an error map."""

    name: str
    title: str
    """What people read."""
    rgb: tuple[int, int, int]
    """Display colour, 0 to 255 each."""


ERROR_COLOURS: tuple[ErrorColour, ...] = (
    ErrorColour("agreement", "Agreement", (0, 114, 178)),
    ErrorColour("missed", "Missed", (213, 94, 0)),
    ErrorColour("extra", "Extra", (240, 228, 66)),
    ErrorColour("swapped", "Swapped", (86, 180, 233)),
)
"""Where two label maps agree and differ, in those four of Okabe and Ito's colours that, laid over grey, stay furthest apart
for readers with any colour blindness; agreement is the one that recedes."""


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
    drawn = np.isin(label_map, [o.id for o in ORGANS] if organs is None else list(organs)) & (label_map > 0)
    grey = np.repeat(image[..., None], 3, axis=-1)
    grey[drawn] = np.rint((1 - opacity) * grey[drawn] + opacity * PALETTE[label_map[drawn]]).astype(np.uint8)
    return grey


def class_statistics(label_map: LabelMap) -> list[dict[str, Any]]:
    """Pixels and percent of the picture per class, background first."""
    counts = np.bincount(label_map.ravel(), minlength=len(PALETTE))
    return [{"class_id": i, "pixels": int(n), "percent": 100 * int(n) / label_map.size} for i, n in enumerate(counts)]
