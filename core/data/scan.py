"""One scan of a data set: its slices in order, and reading them as volumes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from core.data.identity import SliceName
from core.data.images import Pixels, decode_grey, read_image
from core.data.manifest import ScanInfo
from core.data.masks import LabelMap, read_mask
from core.errors import DatasetError


@dataclass(frozen=True)
class SliceFile:
    """One slice: its name and its files."""

    name: SliceName
    image: Path
    mask: Path | None
    """``None`` in a scan without a reference."""

    def read(self) -> tuple[Pixels, LabelMap]:
        """Image (H, W) uint8 or uint16, and label map (H, W) uint8 of the same size.

        Raises:
            ImageError, MaskError: see `core.data.images.read_image` and `core.data.masks.read_mask`.
        """
        image = read_image(self.image)
        height, width = image.shape
        return image, read_mask(self.reference(), shape=(height, width))

    def reference(self) -> Path:
        """The mask's file. Raises: `DatasetError` where the slice has no reference."""
        if self.mask is None:
            raise DatasetError("The slice has no reference", value=self.image, todo="use a scan of train or valid")
        return self.mask


@dataclass(frozen=True)
class Scan:
    """One volume of one split, slices in order of their numbers; under a leaky split, only the slices of that split."""

    id: str
    patient: str
    day: int | None
    slices: tuple[SliceFile, ...]
    info: ScanInfo

    @property
    def has_reference(self) -> bool:
        """Whether there is a reference to score against."""
        return all(each.mask is not None for each in self.slices)

    @property
    def is_partial(self) -> bool:
        """Whether this is one slice, or slices are missing between those given: nothing can be measured along z then."""
        return are_partial([each.name.number for each in self.slices])

    def read_image(self, *, check: bool = True) -> Pixels:
        """The image volume (Z, H, W), uint8 or uint16.

        Args:
            check: verify checksums and sizes of the files first; pass False for files that were checked before.

        Raises:
            ImageError: a slice cannot be read.
            DatasetError: the slices differ in size or depth.
        """
        read = read_image if check else decode_grey
        return stacked(self.id, [read(each.image) for each in self.slices])

    def read_labels(self, *, shape: tuple[int, int] | None = None) -> LabelMap:
        """The reference label volume (Z, H, W) uint8.

        Args:
            shape: (height, width) of the scan's images; by default the first mask's.

        Raises:
            MaskError: a mask cannot be read, or has another size.
            DatasetError: the scan has no reference.
        """
        first = read_mask(self.slices[0].reference(), shape=shape)
        height, width = first.shape
        rest = [read_mask(each.reference(), shape=(height, width)) for each in self.slices[1:]]
        return np.stack([first, *rest])


def are_partial(numbers: Sequence[int]) -> bool:
    """Whether these slices of a scan, in order, are a partial scan: one slice, or slices are missing between them.

    >>> are_partial([7]), are_partial([7, 8, 10]), are_partial([7, 8])
    (True, True, False)
    """
    return len(numbers) < 2 or any(after - before != 1 for before, after in pairwise(numbers))


def check_alike(scan: str, planes: Sequence[Pixels]) -> None:
    """Check that slices of a scan are of one size and depth. Raises: `DatasetError` where they differ."""
    kinds = sorted({f"{plane.shape[1]}×{plane.shape[0]} pixels of {plane.dtype.itemsize * 8} bits" for plane in planes})
    if len(kinds) > 1:
        raise DatasetError(f"The slices of scan {scan} differ", value=", ".join(kinds), todo="export all slices of a scan alike")


def stacked(scan: str, planes: Sequence[Pixels]) -> Pixels:
    """The volume (Z, H, W) of a scan's slices. Raises: `DatasetError` where they differ in size or depth."""
    check_alike(scan, planes)
    return np.stack(planes)  # type: ignore[return-value]
