"""Label maps as PNG: one picture a slice, grouped into scans by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Spacing
from core.data.identity import SliceName, natural_key, parse_slice_name
from core.data.images import Pixels, is_grey, read_image, to_grey
from core.data.manifest import ScanInfo
from core.data.masks import LabelMap, decode_labels
from core.data.readers.label_files import PATTERN, LabelScan, LabelTable, at_fault, scan_of_files
from core.data.readers.label_volumes import Files
from core.data.scan import stacked
from core.errors import DatasetError, ImageError, MaskError


class PngSource:
    """PNG slices, grouped into scans by their names."""

    def __init__(
        self,
        pairs: Mapping[str, Files],
        truth_table: LabelTable,
        prediction_table: LabelTable,
        *,
        spacing_mm: Spacing | None,
        pattern: str = PATTERN,
        infos: Mapping[str, ScanInfo] | None = None,
        patients: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            spacing_mm: of scans for which ``infos`` has none.
            patients: by scan, where names do not tell.
        """
        self.pairs, self.spacing_mm, self.infos = pairs, spacing_mm, infos or {}
        self.tables = truth_table, prediction_table
        self.members: dict[str, list[SliceName]] = {}
        for name in sorted((parse_slice_name(stem, pattern) for stem in pairs), key=lambda name: name.number):
            patient = (patients or {}).get(name.scan, name.patient)
            self.members.setdefault(name.scan, []).append(replace(name, patient=patient))

    @property
    def ids(self) -> Sequence[str]:
        return sorted(self.members, key=natural_key)

    @property
    def has_images(self) -> bool:
        return all(image for _, _, image in self.pairs.values())

    def check(self) -> None:
        for scan, names in self.members.items():
            if len({name.number for name in names}) < len(names):
                raise DatasetError("Two slices of a scan have one number", value=scan, todo="rename one of them")

    def read(self, scan: str) -> LabelScan:
        names = self.members[scan]
        truths, predictions, images = zip(*(self.pairs[name.stem] for name in names), strict=True)
        with at_fault("Truth"):
            reference, ignored = _labels(scan, truths, self.tables[0])
        with at_fault("Prediction"):
            drawn, also_ignored = _labels(scan, predictions, self.tables[1])
        if reference.shape != drawn.shape:
            sizes = " and ".join(f"{labels.shape[2]}×{labels.shape[1]}" for labels in (reference, drawn))
            todo = "resize the prediction to the truth, by nearest neighbour"
            raise MaskError(f"Truth and prediction differ in size ({sizes})", value=scan, todo=todo)
        image = self._image(scan, images, reference.shape)
        info = self.infos.get(scan) or ScanInfo(native_size=(reference.shape[1], reference.shape[2]))
        info = replace(info, spacing_mm=info.spacing_mm or self.spacing_mm)
        return LabelScan(scan_of_files(names, info, truths[0]), reference, drawn, image, ignored | also_ignored)

    def _image(self, scan: str, paths: Sequence[Path], shape: tuple[int, ...]) -> Pixels | None:
        if not self.has_images:
            return None
        with at_fault("Image"):
            image = stacked(scan, [read_image(path) for path in paths])
        if image.shape != shape:
            raise ImageError("Images and label maps differ in size", value=scan, todo="export them at one size")
        return image


def _labels(scan: str, paths: Sequence[Path], table: LabelTable) -> tuple[LabelMap, frozenset[str]]:
    read: list[Any] = [read_label_png(path, table).astype(np.uint32) for path in paths]
    planes = stacked(scan, read)
    return table.apply(planes, paths[0].parent / scan)


def read_label_png(path: Path, table: LabelTable | None = None) -> NDArray[Any]:
    """The labels of a PNG file (H, W), 8 or 16 bits; its colours (0xrrggbb, uint32) where the table maps colours.

    Raises:
        MaskError: see `decode_labels`; or in colour where labels are wanted.
    """
    by_colour = table is not None and bool(table.colours)
    pixels = decode_labels(path, colours=by_colour)
    if by_colour:
        if pixels.dtype != np.uint8:
            raise MaskError("A mask has 16 bits a colour", value=path, todo="export colours of 8 bits")
        bgr = (pixels if pixels.ndim == 3 and pixels.shape[2] > 2 else np.stack([to_grey(pixels)] * 3, -1)).astype(np.uint32)
        return bgr[..., 2] << 16 | bgr[..., 1] << 8 | bgr[..., 0]
    if not is_grey(pixels) or pixels.dtype not in (np.uint8, np.uint16):
        todo = "export labels as one channel of 8 or 16 bits, or say which colour is which (--colours '#0000ff=stomach,…')"
        raise MaskError("A label map is in colour", value=path, todo=todo)
    return to_grey(pixels)
