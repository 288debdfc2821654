"""What every DICOM file that we write says beside its pixels: patient and study, the series it refers to, and who made it."""

import hashlib
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from core.data.grid import Grid
from core.data.volume import DicomSource
from core.errors import DatasetError

PATIENT_AND_STUDY = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip
"""What is copied from the original series (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2)."""
MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
"""What has to stand in the file, with a value or without."""
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
MANUFACTURER = "GutCheck"
Algorithm = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]


@dataclass(frozen=True)
class Made:
    """How a label map came about."""

    algorithm: Algorithm
    """A prediction, a correction, or a reference."""
    model: str
    """The run, by name."""
    version: str
    """Of the model's weights or of the data set: the first digits of a hash."""
    person: str = ""
    """Who drew or corrected it."""


class Identity(NamedTuple):
    """Whose a scan is, and which series it came from."""

    source: DicomSource
    header: Any
    """A pydicom ``Dataset`` of patient and study."""


@dataclass(frozen=True)
class DicomContext:
    """What a writer needs beside the label map."""

    source: DicomSource
    header: Any
    """See `Identity`."""
    made: Made
    scan: str = ""
    """Its name."""
    matched: bool = True
    """Whether each slice is one of the series', and not cut across them."""

    def references(self, slices: int) -> list["Reference"] | None:
        """The picture of each slice; ``None`` where the series' slices are not the volume's."""
        found = [
            Reference(uid, frame or None) for uid, frame in zip_longest(self.source.instance_uids, self.source.frame_numbers)
        ]
        return found if self.matched and len(found) == slices else None


class Reference(NamedTuple):
    """The picture of a slice."""

    instance_uid: str
    frame: int | None
    """From 1; ``None`` where the instance holds one frame."""


def image_class(source: DicomSource) -> str:
    """SOP class of the series' pictures; MR where nobody says."""
    return source.sop_class_uid or MR_IMAGE


def instances(source: DicomSource) -> list[Any]:
    """Every instance of the series, as references."""
    from pydicom.dataset import Dataset

    found = []
    for uid in dict.fromkeys(source.instance_uids):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image_class(source), uid
        found.append(item)
    return found


def uid_of(*words: str) -> str:
    """A UID that the same words always give, and others never (PS3.5 B.2: 2.25 and a number of 128 bits)."""
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def invented_source(content: str, slices: int) -> DicomSource:
    """Stands for the series of a scan that came from none, always alike, so that its files belong together.

    Args:
        content: hash of the scan's pixels.
    """
    study, series, frame = (uid_of(content, what) for what in ("study", "series", "frame of reference"))
    return DicomSource(study, series, frame, MR_IMAGE, tuple(uid_of(content, str(z)) for z in range(slices)), modality="MR")


def renamed(source: DicomSource, names: Mapping[str, str]) -> DicomSource:
    """A series under other UIDs, those that are not in ``names`` as they are."""
    return replace(
        source,
        study_uid=names.get(source.study_uid, source.study_uid),
        series_uid=names.get(source.series_uid, source.series_uid),
        frame_of_reference_uid=names.get(source.frame_of_reference_uid, source.frame_of_reference_uid),
        instance_uids=tuple(names.get(uid, uid) for uid in source.instance_uids),
    )


def pseudonymous(source: DicomSource, patient: str) -> Any:
    """Patient and study under a pseudonym, or an ID alone: every other tag is empty."""
    from pydicom.dataset import Dataset

    header = Dataset()
    for name in MAY_BE_EMPTY:
        setattr(header, name, "")
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientID = patient
    header.PatientName = f"{patient}^"
    header.StudyInstanceUID = source.study_uid
    return header


class SourceFolder:
    """The original series in a folder, by UID."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            DatasetError: no folder, or no DICOM file in it.
        """
        from pydicom.errors import InvalidDicomError

        if not folder.is_dir():
            raise DatasetError("The folder of the original series does not exist", value=folder, todo="check --source")
        self.folder = folder
        self._headers: dict[str, Any] = {}
        self._instances: dict[str, set[str]] = {}
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                try:
                    self._add(Path(place) / name)
                except (InvalidDicomError, OSError, ValueError, TypeError, AttributeError, KeyError, EOFError):
                    continue  # the folder may hold anything
        if not self._headers:
            raise DatasetError("The folder holds no DICOM files", value=folder, todo="give the original series' folder")

    def _add(self, path: Path) -> None:
        import pydicom

        wanted = [*PATIENT_AND_STUDY, "SeriesInstanceUID", "SOPInstanceUID"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted)
            series, instance = str(found.SeriesInstanceUID), str(found.SOPInstanceUID)
            self._headers.setdefault(series, found)
        self._instances.setdefault(series, set()).add(instance)

    def header(self, source: DicomSource, scan: str) -> Any:
        """Patient and study of a scan's own series.

        Raises:
            DatasetError: the series, or one of its files, is not in the folder.
        """
        from pydicom.dataset import Dataset

        missing = set(source.instance_uids) - self._instances.get(source.series_uid, set())
        if missing:
            what = f"The folder lacks the series that scan {scan} came from"
            if source.series_uid in self._headers:
                what = f"The folder lacks {len(missing)} files of the series that scan {scan} came from"
            raise DatasetError(what, value=self.folder, todo="give the original series, or leave out --source for pseudonyms")
        found, header = self._headers[source.series_uid], Dataset()
        for name in MAY_BE_EMPTY:
            setattr(header, name, "")
        for name in PATIENT_AND_STUDY:
            if name in found:
                header[name] = found[name]
        return header


def check_grid(grid: Grid, kind: str, scan: str, *, sheared: bool) -> None:
    """Check that a file of this kind can say where the grid lies.

    Args:
        scan: to name in a sentence.
        sheared: whether it can where the axes are not at right angles.

    Raises:
        DatasetError: it cannot.
    """
    if grid.affine is None:
        what = f"A {kind} has to say where the scan lies in the patient, and nobody knows"
        raise DatasetError(what, value=scan, todo="export nifti, nnunet, rle or png")
    if grid.sheared and not sheared:
        what = f"A {kind} cannot hold a scan whose axes are not at right angles"
        raise DatasetError(what, value=scan, todo="export nifti or rtstruct")


class SliceGeometry(NamedTuple):
    """A slice's place as DICOM states it; numbers of at most 16 characters."""

    position: list[str]
    orientation: list[str]
    spacing: list[str]
    step: str


def slice_geometry(grid: Grid, slices: int) -> list[SliceGeometry]:
    """The place of each slice of a grid whose axes are at right angles."""
    matrix = grid.matrix
    down, right = matrix[:3, 1], matrix[:3, 2]
    z, y, x = grid.spacing_mm or (1.0, 1.0, 1.0)
    along_row = right / x
    # Rounding in a file's header leaves a trace of an angle, which readers refuse.
    along_column = down - (down @ along_row) * along_row
    orientation = numbers([*along_row, *(along_column / np.linalg.norm(along_column))])
    places = grid.points_mm(np.array([[position, 0, 0] for position in range(slices)]))
    return [SliceGeometry(numbers(place), orientation, numbers([y, x]), numbers([z])[0]) for place in places]


def numbers(values: Sequence[float]) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5 6.2), as exact as that allows."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(np.round(value, 12)) + 0.0) for value in values]
