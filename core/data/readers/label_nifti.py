"""Label maps as NIfTI: one volume a scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.grey import to_pixels
from core.data.identity import parse_slice_name
from core.data.images import Pixels
from core.data.manifest import ScanInfo
from core.data.readers.label_files import PATTERN, LabelScan, LabelTable, scan_of_files
from core.data.readers.nifti import NiftiVolume, check_same_place, read_nifti


@dataclass(frozen=True)
class NiftiSource:
    """One NIfTI volume a scan, named after it."""

    pairs: Mapping[str, tuple[Path, Path, Path | None]]
    truth_table: LabelTable = field(default_factory=LabelTable)
    prediction_table: LabelTable = field(default_factory=LabelTable)

    @property
    def ids(self) -> Sequence[str]:
        return list(self.pairs)

    @property
    def has_images(self) -> bool:
        return all(image for _, _, image in self.pairs.values())

    def read(self, scan: str) -> LabelScan:
        truth_path, prediction_path, image_path = self.pairs[scan]
        truth, prediction = read_nifti(truth_path), read_nifti(prediction_path)
        check_same_place(truth, prediction)
        reference, ignored = self.truth_table.apply(truth.voxels, truth_path)
        drawn, also_ignored = self.prediction_table.apply(prediction.voxels, prediction_path)
        image = None if image_path is None else _picture(truth, read_nifti(image_path))
        depth, height, width = reference.shape
        names = [parse_slice_name(f"{scan}_slice_{number:04d}", PATTERN) for number in range(1, depth + 1)]
        notes = [f"{volume.path.name} does not state where it lies" for volume in (truth, prediction) if not volume.stated]
        made = scan_of_files(names, ScanInfo(truth.spacing_mm, (height, width)), truth_path)
        return LabelScan(made, reference, drawn, image, ignored | also_ignored, tuple(notes))


def _picture(truth: NiftiVolume, image: NiftiVolume) -> Pixels:
    check_same_place(truth, image)
    return to_pixels(image.voxels)[0]
