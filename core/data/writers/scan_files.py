"""A scan's label map as files of any format, with the names that people get."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import cv2
import numpy as np

from core.data.grid import Grid
from core.data.manifest import ScanInfo
from core.data.masks import LabelMap
from core.data.readers.dicom import ACROSS
from core.data.scan import Scan
from core.data.volume import DicomSource, GreyScale, LabelVolume, Volume
from core.data.writers.dicom_context import DicomContext, Identity, Made, invented_source, pseudonymous
from core.data.writers.nnunet import DATASET, case_files, dataset_json
from core.data.writers.png import png_files
from core.data.writers.run_lengths import run_length_table
from core.errors import DatasetError
from core.storage.files import sha256_of_array

FileFormat = Literal["nifti", "dicom-seg", "dicom-labelmap", "rtstruct", "nnunet", "rle", "png"]
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
DICOM_FORMATS: tuple[FileFormat, ...] = ("dicom-seg", "dicom-labelmap", "rtstruct")
SLICE_FORMATS: tuple[FileFormat, ...] = ("rle", "png")
"""Those that hold slices one by one, so that a scan may have gaps."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Date in archives, so that the same files give the same bytes."""


@dataclass(frozen=True)
class ScanLabels:
    """A label map of a scan, and what its files say of it."""

    scan: Scan
    labels: LabelMap
    """(Z, H, W) class ids, at the size of the stored images."""
    made: Made
    skipped: int = 0
    """Slices of the whole scan before the first of these."""
    whole: int = 0
    """Slices of the whole scan."""

    @property
    def grid(self) -> Grid:
        """Where the native voxels of these slices lie."""
        grid = self.scan.info.grid
        if grid.affine is None or not self.skipped:
            return grid
        moved = grid.matrix
        moved[:3, 3] += self.skipped * moved[:3, 0]
        return Grid.of(moved, grid.origin)

    def stored(self) -> LabelVolume:
        """At the size of the stored images."""
        size = self.labels.shape[1:]
        return LabelVolume(self.labels, self.grid.resized(self.scan.info.native_size or size, size))

    def native(self) -> LabelVolume:
        """At the size before the images were resized: the source's own voxels."""
        return LabelVolume(np.stack([native_size(plane, self.scan.info) for plane in self.labels]), self.grid)

    def image(self) -> Volume:
        """The scan's picture, at its stored size. Raises: ImageError, DatasetError where it cannot be read."""
        pixels = self.scan.read_image()
        return Volume(pixels, self.stored().grid, self.scan.info.grey or GreyScale())

    def source(self) -> DicomSource:
        """The series of these slices; of a scan that came from none, one that its name and label map's place make up."""
        stated, slices = self.scan.info.dicom, len(self.labels)
        if stated is None:
            return invented_source(sha256_of_array(self.scan.read_image()), slices)
        if not self.matched:
            return stated
        part = slice(self.skipped, self.skipped + slices)
        return replace(stated, frame_numbers=stated.frame_numbers[part], instance_uids=stated.instance_uids[part])

    @property
    def matched(self) -> bool:
        """Whether each slice is one of the series', and not cut across them."""
        stated = self.scan.info.dicom
        return stated is None or (len(stated.instance_uids) == self.whole and ACROSS not in self.scan.info.notes)

    def pseudonymous(self) -> Identity:
        """Series, patient and study under the scan's pseudonym."""
        source = self.source()
        return Identity(source, pseudonymous(source, self.scan.patient))


def native_size(plane: LabelMap, info: ScanInfo) -> LabelMap:
    """A slice's label map (H, W) at the size before the images were resized."""
    size = info.native_size
    if size is None or size == plane.shape:
        return plane
    return np.asarray(cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def scan_files(labels: ScanLabels, fmt: FileFormat, identity: Identity | None = None) -> dict[str, bytes]:
    """The files of one scan, by name.

    Args:
        identity: series, patient and study for DICOM; by default pseudonyms.

    Raises:
        DatasetError: slices are missing between those given, nobody knows where the scan lies, or its axes are not at right
            angles, where the format needs it.
        ImageError: the scan's picture cannot be read.
    """
    name, slices = labels.scan.id, labels.scan.slices
    if labels.scan.is_partial and len(slices) > 1 and fmt not in SLICE_FORMATS:
        what = f"Slices are missing between those of scan {name}, so it is no volume"
        raise DatasetError(what, value=f"{len(slices)} slices", todo=f"export {' or '.join(SLICE_FORMATS)}")
    stems = [each.name.stem for each in slices]
    if fmt == "nifti":
        from core.data.writers.nifti import nifti_bytes

        return {f"{name}.nii.gz": nifti_bytes(labels.native())}
    if fmt == "nnunet":
        return case_files(name, labels.image(), labels.stored())
    if fmt == "rle":
        return {f"{name}.csv": run_length_table([(stems, labels.native().labels)])}
    if fmt == "png":
        return dict(png_files(stems, labels.labels))
    return _dicom_file(labels, fmt, identity or labels.pseudonymous())


def _dicom_file(labels: ScanLabels, fmt: FileFormat, identity: Identity) -> dict[str, bytes]:
    from core.data.writers.dicom_seg import seg_bytes
    from core.data.writers.rtstruct import rtstruct_bytes

    context = DicomContext(*identity, labels.made, labels.scan.id, labels.matched)
    if fmt == "rtstruct":
        return {f"{labels.scan.id}.rtstruct.dcm": rtstruct_bytes(labels.native(), context)}
    kind: Literal["BINARY", "LABELMAP"] = "BINARY" if fmt == "dicom-seg" else "LABELMAP"
    return {f"{labels.scan.id}.seg.dcm": seg_bytes(labels.native(), context, kind)}


def one_file(labels: ScanLabels, fmt: FileFormat) -> tuple[str, bytes]:
    """The scan as one file to download: its name and bytes; a zip where the format has several.

    Raises:
        DatasetError, ImageError: see `scan_files`.
    """
    files = scan_files(labels, fmt)
    if fmt == "nnunet":
        files[DATASET] = dataset_json(labels.scan.id, 1)
    if len(files) == 1 and fmt != "png":
        return next(iter(files.items()))
    return f"{labels.scan.id}.zip", zipped(files)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of files, by name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), data)
    return content.getvalue()
