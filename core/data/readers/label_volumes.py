"""Label maps as volumes, one file a scan: every format that evaluations take, and a source of scans over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.data.grid import Grid
from core.data.identity import parse_slice_name
from core.data.manifest import ScanInfo
from core.data.readers.dicom_files import is_dicom, read_header
from core.data.readers.dicom_labels import placed_on
from core.data.readers.dicom_seg import read_seg
from core.data.readers.dicom_series import RTSTRUCT_CLASS
from core.data.readers.label_files import PATTERN, LabelScan, LabelTable, at_fault, scan_of_files
from core.data.readers.nifti import check_nifti, is_nifti, read_nifti_image, read_nifti_labels, stem_of
from core.data.readers.rtstruct import read_rtstruct
from core.data.readers.same_place import check_same_place
from core.data.volume import LabelVolume
from core.errors import ImageError, InputError, MaskError

DICOM_ENDINGS = (".seg.dcm", ".rtstruct.dcm", ".dcm")
"""Ends of the names under which `export` writes them, and any other DICOM file."""
Files = tuple[Path, Path, Path | None]
"""Truth, prediction and, where there are images, the image."""


def is_volume(path: Path) -> bool:
    """Whether a file's name says that it holds a volume that `read_labels` reads."""
    return is_nifti(path) or path.name.lower().endswith(DICOM_ENDINGS)


def stem_of_volume(path: Path) -> str:
    """The file's name without what tells its format, in any case."""
    end = next((end for end in DICOM_ENDINGS if path.name.lower().endswith(end)), None)
    return path.name[: -len(end)] if end else stem_of(path)


def read_labels(path: Path, grid: Grid | None = None, shape: tuple[int, ...] = ()) -> LabelVolume:
    """Read a label volume: NIfTI, a DICOM segmentation, or a DICOM structure set.

    Args:
        grid, shape: of the scan, (Z, H, W), on whose voxels what a DICOM file holds is laid; without them a segmentation has
            voxels of its own, without the slices that it leaves out, and a structure set has none.

    Raises:
        MaskError: see the format's reader; or a structure set without a scan.
    """
    if is_nifti(path):
        return read_nifti_labels(path)
    if not is_dicom(path):
        what = "The file is no label volume that can be read"
        raise MaskError(what, value=path, todo="export it as NIfTI, DICOM segmentation or structure set")
    if _is_structure_set(path):
        if grid is None or grid.affine is None:
            raise MaskError("A structure set needs a scan to lie on", value=path, todo="give the images too, as NIfTI")
        return read_rtstruct(path, grid, shape)
    labels = read_seg(path)
    return labels if grid is None or grid.affine is None else placed_on(labels, grid, shape, path)


def _is_structure_set(path: Path) -> bool:
    return str(read_header(path).get("SOPClassUID", "")) == RTSTRUCT_CLASS


def check_volume(path: Path, kind: type[InputError]) -> None:
    """Look at a volume's header, and raise what its reader would raise for it."""
    if is_nifti(path):
        check_nifti(path, kind)
    elif not path.exists():
        raise kind("The volume does not exist", value=path, todo="check the path")


@dataclass(frozen=True)
class VolumeSource:
    """One volume a scan, named after it."""

    pairs: Mapping[str, Files]
    truth_table: LabelTable = field(default_factory=LabelTable)
    prediction_table: LabelTable = field(default_factory=LabelTable)
    patients: Mapping[str, str] = field(default_factory=dict)
    """By scan, where the name does not tell."""

    @property
    def ids(self) -> Sequence[str]:
        return list(self.pairs)

    @property
    def has_images(self) -> bool:
        return all(image for _, _, image in self.pairs.values())

    def check(self) -> None:
        for truth, prediction, image in self.pairs.values():
            with at_fault("Truth"):
                check_volume(truth, MaskError)
            with at_fault("Prediction"):
                check_volume(prediction, MaskError)
            if image:
                with at_fault("Image"):
                    check_volume(image, ImageError)

    def read(self, scan: str) -> LabelScan:
        truth_path, prediction_path, image_path = self.pairs[scan]
        picture = None
        if image_path is not None:
            with at_fault("Image"):
                picture = read_nifti_image(image_path)
        grid, shape = (picture.grid, picture.pixels.shape) if picture else self._lying(scan)
        with at_fault("Truth"):
            truth = read_labels(truth_path, grid, shape)
            reference, ignored = self.truth_table.apply(truth.labels, truth_path, truth.names)
        with at_fault("Prediction"):
            prediction = read_labels(prediction_path, truth.grid, truth.shape)
            drawn, also_ignored = self.prediction_table.apply(prediction.labels, prediction_path, prediction.names)
        both = f"{truth_path} and {prediction_path}"
        check_same_place(truth.grid, truth.shape, prediction.grid, prediction.shape, value=both, names=("truth", "prediction"))
        notes = [f"Truth: {note}" for note in truth.notes] + [f"Prediction: {note}" for note in prediction.notes]
        info = ScanInfo(truth.grid.spacing_mm, (reference.shape[1], reference.shape[2]), truth.contested_pixels)
        info = replace(info, affine=truth.grid.affine, geometry=truth.grid.origin)
        image = None
        if picture is not None:
            value = f"{truth_path} and {image_path}"
            check_same_place(truth.grid, truth.shape, picture.grid, picture.pixels.shape, value=value, names=("truth", "image"))
            notes += [f"Image: {note}" for note in picture.notes]
            image, info = picture.pixels, replace(info, grey=picture.grey, dicom=picture.dicom)
        names = [parse_slice_name(f"{scan}_slice_{number:04d}", PATTERN) for number in range(1, len(reference) + 1)]
        names = [replace(name, scan=scan, patient=self.patients.get(scan, name.patient)) for name in names]
        made = scan_of_files(names, replace(info, notes=tuple(notes)), truth_path)
        return LabelScan(made, reference, drawn, image, ignored | also_ignored, tuple(notes))

    def _lying(self, scan: str) -> tuple[Grid | None, tuple[int, ...]]:
        """Grid and shape for a truth in DICOM where there is no image: the prediction's, if that is a whole volume."""
        truth_path, prediction_path, _ = self.pairs[scan]
        if is_nifti(truth_path) or not is_nifti(prediction_path):
            return None, ()
        with at_fault("Prediction"):
            prediction = read_labels(prediction_path)
        return prediction.grid, prediction.shape
