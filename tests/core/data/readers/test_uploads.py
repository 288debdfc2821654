"""Whatever is uploaded to the demo: a result, or one clear sentence; seventy odd files, and scans in their right order."""

import re
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from core.data.readers import uploads
from core.data.readers.uploads import read_upload
from core.errors import GutCheckError
from tests.core.data.readers.odd_files import ODD_FILES, SHAPE, dicom_slice, grey, png, series, zipped

ONE, SCAN = "one picture", "a scan"
NO_PICTURE = "The file is not a picture that can be read: {}; export the slice again as PNG."
OUTCOMES: dict[str, str] = {
    "8-bit grey PNG": ONE,
    "16-bit grey PNG": ONE,
    "colour PNG": ONE,
    "grey PNG stored as colour": ONE,
    "16-bit colour PNG with alpha": ONE,
    "palette PNG": ONE,
    "1-bit PNG": ONE,
    "grey PNG with alpha": ONE,
    "JPEG": ONE,
    "CMYK JPEG": ONE,
    "CMYK TIFF": ONE,
    "JPEG 2000": ONE,
    "BMP": ONE,
    "8-bit TIFF": ONE,
    "32-bit float TIFF": ONE,
    "float TIFF with NaN": "The picture holds values that are no numbers: a.tif; export it as 8- or 16-bit PNG.",
    "WebP": ONE,
    "GIF": ONE,
    "PNG named .jpg": ONE,
    "name of several scripts": ONE,
    "text file": NO_PICTURE.format("report.txt"),
    "PDF": NO_PICTURE.format("a.pdf"),
    "SVG": NO_PICTURE.format("a.svg"),
    "gzipped SVG": NO_PICTURE.format("a.svgz"),
    "text named .png": NO_PICTURE.format("a.png"),
    "HTML named .png": NO_PICTURE.format("a.png"),
    "empty file": "The picture is empty: a.png; export the slice again as PNG.",
    "truncated PNG": "The picture is damaged: a.png; export or copy it again.",
    "truncated JPEG": "The picture is damaged: a.jpg; export or copy it again.",
    "PNG with a wrong checksum": "The picture is damaged: a.png; export or copy it again.",
    "1 × 1 PNG": "The picture is too small (1×1 pixels): a.png; use a slice of at least 16×16 pixels.",
    "1 × 5,000 PNG": "The picture is too small (5000×1 pixels): a.png; use a slice of at least 16×16 pixels.",
    "20,000 × 1 PNG": "The picture is too small (1×20000 pixels): a.png; use a slice of at least 16×16 pixels.",
    "PNG that claims 60,000 × 60,000": "The picture is too large: a.png; use at most 36,000,000 pixels.",
    "all black PNG": ONE,
    "JPEG turned by EXIF": ONE,
    "animated GIF": "The file holds 3 pictures: a.gif; export one slice a file, or a zip of slices.",
    "animated WebP": "The file holds 3 pictures: a.webp; export one slice a file, or a zip of slices.",
    "animated PNG": "The file holds 3 pictures: a.png; export one slice a file, or a zip of slices.",
    "TIFF of three pages": "The file holds 3 pictures: a.tif; export one slice a file, or a zip of slices.",
    "two pictures of two sizes": "2 pictures",
    "three slices of one scan": SCAN,
    "picture and volume": "The files are not of one kind: 2 files; upload pictures, one volume or one series at a time.",
    "zip of slices": SCAN,
    "zip with other files": ONE,
    "empty zip": "The zip holds no pictures and no scan: a.zip; zip PNG slices, one NIfTI volume or one DICOM series.",
    "zip of text": "The zip holds no pictures and no scan: a.zip; zip PNG slices, one NIfTI volume or one DICOM series.",
    "zip that leaves its folder": "An entry of a.zip leaves the folder: a.zip; zip the slices again.",
    "zip in a zip": "The zip holds no pictures and no scan: a.zip; zip PNG slices, one NIfTI volume or one DICOM series.",
    "two zips": "There is a zip among several files: 2 files; upload one zip at a time.",
    "encrypted zip": "The archive is encrypted: a.zip; zip the slices without a password.",
    "zip with a link": "An entry of a.zip is a link or device: a.zip; zip the slices again.",
    "zip of WebP": SCAN,
    "zip with backslashes": SCAN,
    "zip bomb": "The archive unpacks to more than 0.005 GB: a.zip; upload fewer slices.",
    "damaged zip": "The archive cannot be unpacked (Bad CRC-32 for file 'mr_1.png'): a.zip; zip the slices again.",
    "NIfTI volume": SCAN,
    "NIfTI of one slice": SCAN,
    "two NIfTI volumes": "There are 2 volumes: 2 files; upload one at a time, without its label map.",
    "NIfTI named .NII.GZ": SCAN,
    "NIfTI of 8 columns": "The slices are too small (8×40 pixels): a.nii.gz; use at least 16×16 pixels.",
    "NIfTI of four dimensions": "The file holds no single 3D volume (48×40×3×2): a.nii.gz; export one volume a file.",
    "NIfTI of floats with NaN": SCAN,
    "NIfTI that claims 30,000³": "The volume is too large (30000×30000×30000): a.nii.gz; use at most 67,108,864 voxels.",
    "gzip that is no NIfTI": "The volume is damaged or no NIfTI file: a.nii.gz; export or copy it again.",
    "DICOM series": SCAN,
    "one DICOM slice": SCAN,
    "DICOM without places": SCAN,
    "DICOM, two in one place": "Two slices of the series lie in one place: 3 files; give one stack: one echo, one time point.",
    "DICOM of two series": "The files belong to 2 DICOM series: 2 files; give one series.",
    "DICOM in JPEG-LS": (
        "The DICOM file's compression cannot be read here (JPEG-LS Lossless Image Compression): im1.dcm; export it uncompressed."
    ),
    "deflated DICOM": SCAN,
    "DICOM in colour": "The DICOM file is in colour: im1.dcm; give the image files of a grey series.",
    "DICOM without pixels": "The DICOM file holds no picture: im1.dcm; give the image files of a grey series.",
    "DICOM of several frames": ("Two slices of the series lie in one place: im1.dcm; give one stack: one echo, one time point."),
    "DICOM with a DICOMDIR and a report": SCAN,
    "truncated DICOM": "The DICOM file is damaged: im1.dcm; export it again.",
    "zipped DICOM series": SCAN,
}


def test_every_odd_file_has_its_outcome() -> None:
    assert ODD_FILES.keys() == OUTCOMES.keys()


@pytest.mark.parametrize("kind", ODD_FILES)
def test_odd_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 5_000_000)
    assert outcome(ODD_FILES[kind](tmp_path)) == OUTCOMES[kind]


def outcome(paths: list[Path]) -> str:
    try:
        upload = read_upload(paths)
    except GutCheckError as error:
        return str(error)
    assert {image.shape for image in upload.slices} <= {SHAPE, (30, 50)}
    assert all(upload.grey(position).dtype == np.uint8 for position in range(len(upload.slices)))
    if upload.is_scan:
        return SCAN
    return ONE if len(upload.slices) == 1 else f"{len(upload.slices)} pictures"


def test_nothing_uploaded() -> None:
    with pytest.raises(GutCheckError, match=r"^There is no picture yet; choose a slice or one of the examples"):
        read_upload([])


def test_slices_are_ordered_by_number_and_keep_their_pixels(tmp_path: Path) -> None:
    upload = read_upload(ODD_FILES["three slices of one scan"](tmp_path))
    assert upload.numbers == (9, 10, 11)
    assert upload.names == ("mr_9.png", "mr_10.png", "mr_11.png")
    np.testing.assert_array_equal(np.stack(upload.slices), [grey(9), grey(10), grey(11)])
    assert upload.partial == ""


def test_the_competition_s_names_state_the_spacing(tmp_path: Path) -> None:
    names = [f"case1/scans/slice_{n:04d}_48_40_1.50_1.25.png" for n in (1, 2, 4)]
    upload = read_upload(zipped(tmp_path / "a.zip", {name: png(grey()) for name in names}))
    assert (upload.is_scan, upload.grid.spacing_mm) == (True, (3.0, 1.5, 1.25))
    assert upload.partial == "slices are missing, so no volumes"


def test_slices_of_two_scans_are_pictures(tmp_path: Path) -> None:
    names = [f"day{day}/slice_0001_48_40_1.50_1.50.png" for day in (0, 1)]
    upload = read_upload(zipped(tmp_path / "a.zip", {name: png(grey()) for name in names}))
    assert (upload.is_scan, len(upload.slices)) == (False, 2)


def test_a_turned_picture_is_said_to_be_turned(tmp_path: Path) -> None:
    upload = read_upload(ODD_FILES["JPEG turned by EXIF"](tmp_path))
    assert re.match(r"The file says to show the picture turned \(EXIF\)", upload.notes[0])


def test_only_colour_counts_as_colour(tmp_path: Path) -> None:
    for kind, expected in (("colour PNG", True), ("grey PNG stored as colour", False), ("16-bit grey PNG", False)):
        assert read_upload(ODD_FILES[kind](tmp_path)).in_colour == (expected,)


def test_a_volume_lies_as_nibabel_says(tmp_path: Path) -> None:
    voxels = grey(shape=(48, 40, 3)).astype(np.int16) - 100
    nib.Nifti1Image(voxels, np.diag([-2.0, -3.0, 5.0, 1.0])).to_filename(tmp_path / "a.nii")
    upload = read_upload([tmp_path / "a.nii"])
    # Columns lead left and rows back in the file already; its slices lead to the head, ours to the feet.
    expected = voxels.transpose(2, 1, 0)[::-1].astype(int)
    np.testing.assert_array_equal(np.stack(upload.slices).astype(int), expected - expected.min())
    assert upload.grid.spacing_mm == (5.0, 3.0, 2.0)
    # Our first voxel is the file's (0, 0, 2), at (0, 0, 10) mm as NIfTI has it.
    assert upload.grid.matrix.tolist() == [[0, 0, 2, 0], [0, 3, 0, 0], [-5, 0, 0, 10], [0, 0, 0, 1]]


def test_a_dicom_series_is_ordered_by_place_head_first(tmp_path: Path) -> None:
    upload = read_upload(series(tmp_path))
    # Slice n was written at z = 5 n mm, with 100 (n + 1) added to its pixels; DICOM's z leads to the head.
    assert [int(image.min()) // 100 for image in upload.slices] == [3, 2, 1]
    assert upload.grid.spacing_mm == (5.0, 2.0, 2.0)
    np.testing.assert_allclose(upload.grid.points_mm([[0, 0, 0], [1, 1, 1]]), [[-10, -20, 10], [-8, -18, 5]])


def test_what_lies_beside_a_series_is_left_out_and_counted(tmp_path: Path) -> None:
    upload = read_upload(ODD_FILES["DICOM with a DICOMDIR and a report"](tmp_path))
    assert len(upload.slices) == 3
    assert upload.notes == ("Left out beside the series: 1 DICOMDIR, 1 report.",)


def test_dicom_inverse_grey(tmp_path: Path) -> None:
    plain = np.stack(read_upload(series(tmp_path)).slices).astype(int)
    inverse = np.stack(read_upload(series(tmp_path, PhotometricInterpretation="MONOCHROME1")).slices).astype(int)
    np.testing.assert_array_equal(inverse - inverse.min(), plain.max() - plain)


def test_uneven_series_are_partial_and_coronal_ones_stay_coronal(tmp_path: Path) -> None:
    plane = grey().astype(np.uint16)
    uneven = [dicom_slice(tmp_path / f"{n}.dcm", n, plane, ImagePositionPatient=[0, 0, n * n * 3.0]) for n in range(3)]
    assert read_upload(uneven).notes[0].startswith("The slices are unevenly spaced")
    assert read_upload(uneven).partial == "slices are missing, so no volumes"
    turned = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    coronal = [dicom_slice(tmp_path / f"{n}.dcm", n, plane, ImagePositionPatient=[0, 4.0 * n, 0], **turned) for n in range(20)]
    upload = read_upload(coronal)
    assert (upload.notes, upload.grid.orientation) == ((), "PIL")
    assert np.stack(upload.slices).shape == (20, 40, 48)


def test_no_tag_of_a_patient_is_kept_or_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        paths = series(tmp_path, PatientBirthDate="not a date", ImagePositionPatient=[0, 0, 0])
    with pytest.raises(GutCheckError) as shown:
        read_upload(paths)
    upload = read_upload(series(tmp_path))
    for word in ("Doe", "4711"):
        assert word not in f"{shown.value} {caplog.text} {upload.title} {upload.names} {upload.notes}"
