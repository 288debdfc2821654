"""Label maps as PNG files of class ids, a slice a file."""

from collections.abc import Iterator, Sequence

from core.data.images import encode_png
from core.data.masks import LabelMap


def png_files(names: Sequence[str], labels: LabelMap) -> Iterator[tuple[str, bytes]]:
    """Each slice's file, ``NAME_mask.png``, and its bytes.

    Args:
        names: of the slices.
        labels: (Z, H, W) class ids.
    """
    for name, plane in zip(names, labels, strict=True):
        yield f"{name}_mask.png", encode_png(plane)
