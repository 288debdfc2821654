"""Finding series among whatever lies in a folder."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import BasicTextSRStorage, GrayscaleSoftcopyPresentationStateStorage, SegmentationStorage

from core.data.readers.dicom import find_series, read_series
from core.data.readers.dicom_files import is_dicom, term, uid
from core.errors import DatasetError, ImageError
from tests.core.data.readers.odd_files import UID, dicom_slice, grey, series


def other(path: Path, **tags: object) -> Path:
    return dicom_slice(path, 900, grey().astype(np.uint16), SeriesInstanceUID=UID + "77", **tags)


def test_what_is_no_scan_is_left_out_and_counted(tmp_path: Path) -> None:
    paths = series(tmp_path)
    nothing = {"PixelData": None, "Rows": None, "Columns": None, "PhotometricInterpretation": None}
    other(tmp_path / "a.dcm", SOPClassUID=BasicTextSRStorage, SOPInstanceUID=UID + "31", **nothing)
    other(tmp_path / "b.dcm", SOPClassUID=GrayscaleSoftcopyPresentationStateStorage, SOPInstanceUID=UID + "32", **nothing)
    other(tmp_path / "c.dcm", SOPClassUID=SegmentationStorage, SOPInstanceUID=UID + "33")
    other(tmp_path / "d.dcm", PhotometricInterpretation="PALETTE COLOR", SOPInstanceUID=UID + "34")
    other(tmp_path / "e.dcm", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SOPInstanceUID=UID + "35")
    (tmp_path / "copy.dcm").write_bytes(paths[0].read_bytes())
    (tmp_path / "f.dcm").write_bytes(paths[0].read_bytes()[:140])
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "._im1.dcm").write_bytes(paths[0].read_bytes())
    left = "1 colour picture, 1 duplicate, 1 localizer, 1 other object, 1 presentation state, 1 report, 1 segmentation"
    volume = read_series(tmp_path)
    assert volume.pixels.shape == (3, 40, 48)
    assert volume.notes == (f"Left out beside the series: {left}.",)


def test_series_come_in_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9):
        for n in range(2):
            tags = {"SeriesNumber": number, "SeriesInstanceUID": UID + str(number), "SOPInstanceUID": f"{UID}5.{number}.{n}"}
            dicom_slice(tmp_path / f"{number}-{n}.dcm", n, grey().astype(np.uint16), **tags)
    assert [(found.uid, len(found.paths)) for found in find_series(tmp_path)] == [(UID + "9", 2), (UID + "10", 2)]
    with pytest.raises(DatasetError, match=f"The files belong to 2 DICOM series: {tmp_path}; give one series."):
        read_series(tmp_path)


@pytest.mark.parametrize("implicit", [False, True])
def test_files_without_a_preamble(implicit: bool, tmp_path: Path) -> None:
    plain = read_series(series(tmp_path)).pixels
    for path in series(tmp_path):
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 100"
        del dataset.file_meta
        dataset.preamble = None
        with path.open("wb") as file:
            pydicom.dcmwrite(file, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
        assert is_dicom(path)
    np.testing.assert_array_equal(read_series(tmp_path).pixels, plain)


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "The DICOM file is in colour"),
        ({"PixelData": None, "Rows": None}, "The DICOM file holds no picture"),
        ({"SOPClassUID": SegmentationStorage}, r"The DICOM file is no scan \(segmentation\)"),
    ],
)
def test_a_single_file_says_what_it_is(tags: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=rf"^{sentence}: .*im1\.dcm; give the image files of a grey series\.$"):
        find_series(series(tmp_path, 1, **tags))


def test_nothing_to_find(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no DICOM")
    with pytest.raises(DatasetError, match=f"There is no DICOM file: {tmp_path}; give the image files of a series."):
        find_series(tmp_path)
    with pytest.raises(DatasetError, match="The folder does not exist: "):
        find_series(tmp_path / "b")
    series(tmp_path, 2, SOPClassUID=SegmentationStorage)
    with pytest.raises(DatasetError, match="There is no grey DICOM series, only 2 segmentations: "):
        find_series(tmp_path)


def test_identifiers_and_terms_hold_nothing_else(tmp_path: Path) -> None:
    header = pydicom.dcmread(series(tmp_path, 1, Modality="MR")[0])
    assert uid(header, "SeriesInstanceUID") == UID + "9"
    assert term(header, "Modality", ("MR",)) == "MR"
    header.PatientID = header.Modality = "DOE JANE"
    assert term(header, "Modality", ("MR",)) == ""
    assert "DOE" not in uid(header, "PatientID")
    assert uid(header, "PatientID") == uid(header, "PatientID")
