"""A DICOM export as hospitals give it: two patients, three series, a structure set and a segmentation, names in many tags."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.readers.dicom import find_series, read_series
from core.data.volume import LabelVolume
from core.data.writers.dicom_context import DicomContext, Made, pseudonymous
from core.data.writers.dicom_seg import seg_bytes
from core.data.writers.rtstruct import rtstruct_bytes
from tests.core.data.readers.odd_files import UID, dicom_slice, grey

SECRETS = ("Doe", "Jane", "PX4711", "PX0815", "Mercy", "19610203", "Abdomen of", "Private", "20200110", "20200117", "2020-01")
"""What must be found nowhere: parts of the values of tags."""
SHAPE = (6, 40, 48)


def scan(folder: Path, name: str, series: int, patient: str, day: str, **tags: Any) -> list[Path]:
    """Six slices, 3 mm apart, from the feet up."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(SHAPE[0]):
        about = {
            "PatientID": patient, "PatientName": "Doe^Jane", "PatientBirthDate": "19610203", "StudyDate": day,
            "InstitutionName": "Mercy", "SeriesDescription": "Abdomen of Doe", "StudyInstanceUID": f"{UID}3.{series}",
            "SeriesInstanceUID": f"{UID}4.{series}", "SOPInstanceUID": f"{UID}5.{series}.{n}", "SeriesNumber": series,
            "FrameOfReferenceUID": f"{UID}6.{series}", "Modality": "MR", "ScanningSequence": "GR", "MRAcquisitionType": "3D",
            "RepetitionTime": 4.1, "SequenceName": "Doe_seq", "AccessionNumber": "PX0815", "StudyID": "PX0815",
            "ImagePositionPatient": [-10.0, -20.0, 3.0 * n],
        }  # fmt: skip
        path = dicom_slice(folder / f"{name}-{n}", n, grey(n).astype(np.uint16), **about | tags)
        _with_private_tag(path)
        made.append(path)
    return made


def _with_private_tag(path: Path) -> None:
    import pydicom

    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0011, "Private^Doe", create=True)
    block.add_new(0x01, "LO", "Private Doe PX4711")
    dataset.save_as(path)


def labels() -> NDArray[np.uint8]:
    """(6, 40, 48), head first: a stomach with a hole on slices 1 and 2, large bowel on slice 4."""
    made = np.zeros(SHAPE, np.uint8)
    made[1:3, 5:15, 8:20] = 1
    made[1:3, 8:11, 12:15] = 0
    made[4, 20:30, 30:40] = 3
    return made


def drawn_on(series: list[Path], path: Path, kind: str, label_map: NDArray[np.uint8] | None = None) -> Path:
    """A structure set (``rtstruct``) or segmentation (``seg``) of a series."""
    (found,) = find_series(series)
    volume = read_series(found)
    assert volume.dicom is not None
    context = DicomContext(volume.dicom, pseudonymous(volume.dicom, "Doe"), Made("MANUAL", "Doe", "1"))
    drawn = LabelVolume(labels() if label_map is None else label_map, volume.grid)
    path.write_bytes(rtstruct_bytes(drawn, context) if kind == "rtstruct" else seg_bytes(drawn, context, "BINARY"))
    return path


def study(folder: Path) -> dict[str, list[Path]]:
    """Jane's two days, one with a structure set, the other with a segmentation, and another patient's scan with neither."""
    made = {
        "first": scan(folder / "a", "im", 1, "PX4711", "20200110"),
        "second": scan(folder / "b", "im", 2, "PX4711", "20200117"),
        "other": scan(folder / "c", "im", 3, "PX0815", "20200110"),
    }
    drawn_on(made["first"], folder / "a" / "rs.dcm", "rtstruct")
    drawn_on(made["second"], folder / "b" / "seg.dcm", "seg")
    return made
