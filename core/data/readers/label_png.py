"""Label maps as PNG: one picture a slice, grouped into scans by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Spacing
from core.data.identity import SliceName, natural_key, parse_slice_name
from core.data.images import check_picture, decode, is_grey, read_image, to_grey
from core.data.manifest import ScanInfo
from core.data.readers.label_files import PATTERN, LabelScan, LabelTable, scan_of_files
from core.data.scan import stacked
from core.errors import DatasetError, ImageError, MaskError


class PngSource:
    """PNG slices, grouped into scans by their names."""

    def __init__(
        self,
        pairs: Mapping[str, tuple[Path, Path, Path | None]],
        truth_table: LabelTable,
        prediction_table: LabelTable,
        *,
        spacing_mm: Spacing | None,
        pattern: str = PATTERN,
        infos: Mapping[str, ScanInfo] | None = None,
    ) -> None:
        """
        Args:
            spacing_mm: of scans for which ``infos`` has none.
        """
        self.pairs, self.spacing_mm, self.infos = pairs, spacing_mm, infos or {}
        self.tables = truth_table, prediction_table
        self.members: dict[str, list[SliceName]] = {}
        for name in sorted((parse_slice_name(stem, pattern) for stem in pairs), key=lambda name: name.number):
            self.members.setdefault(name.scan, []).append(name)

    @property
    def ids(self) -> Sequence[str]:
        return sorted(self.members, key=natural_key)

    @property
    def has_images(self) -> bool:
        return all(image for _, _, image in self.pairs.values())

    def read(self, scan: str) -> LabelScan:
        names = self.members[scan]
        numbers = [name.number for name in names]
        if len(set(numbers)) < len(numbers):
            raise DatasetError("Two slices of a scan have one number", value=scan, todo="rename one of them")
        files = [self.pairs[name.stem] for name in names]
        truth = stacked(scan, [read_label_png(path) for path, _, _ in files])
        prediction = stacked(scan, [read_label_png(path) for _, path, _ in files])
        if truth.shape != prediction.shape:
            sizes = " and ".join(f"{labels.shape[2]}×{labels.shape[1]}" for labels in (truth, prediction))
            todo = "resize the prediction to the truth, by nearest neighbour"
            raise MaskError(f"Truth and prediction differ in size ({sizes})", value=scan, todo=todo)
        reference, ignored = self.tables[0].apply(truth, files[0][0].parent / scan)
        drawn, also_ignored = self.tables[1].apply(prediction, files[0][1].parent / scan)
        image = stacked(scan, [read_image(path) for _, _, path in files if path]) if self.has_images else None
        if image is not None and image.shape != reference.shape:
            raise ImageError("Images and label maps differ in size", value=scan, todo="export them at one size")
        info = self.infos.get(scan) or ScanInfo(native_size=(reference.shape[1], reference.shape[2]))
        info = replace(info, spacing_mm=info.spacing_mm or self.spacing_mm)
        return LabelScan(scan_of_files(names, info, files[0][0]), reference, drawn, image, ignored | also_ignored)


def read_label_png(path: Path) -> NDArray[Any]:
    """The labels of a PNG file (H, W), 8 or 16 bits.

    Raises:
        MaskError: unreadable, or in colour.
    """
    try:
        check_picture(path)
        pixels = decode(path)
    except ImageError as error:
        raise MaskError(f"Label map: {error.what}", value=path, todo=error.todo) from error
    if not is_grey(pixels) or pixels.dtype not in (np.uint8, np.uint16):
        raise MaskError("A label map is in colour", value=path, todo="export labels as one channel of 8 or 16 bits")
    return to_grey(pixels)
