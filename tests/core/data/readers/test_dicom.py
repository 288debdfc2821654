"""A DICOM series as a volume: where its slices lie, against numbers worked by hand and against SimpleITK."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage

from core.data.readers.dicom import BURNT_IN, find_series, read_series
from core.errors import DatasetError, GutCheckError, ImageError
from tests.core.data.readers.odd_files import UID, dicom_slice, series

PACKAGED = Path(pydicom.data.__file__).parent / "test_files"
SAMPLES = Path(__file__).parents[4].parent / "shared" / "data" / "highdicom"
FILES = [path for folder in (PACKAGED, SAMPLES) for path in sorted(folder.rglob("*")) if path.is_file()]
OBLIQUE = np.linalg.qr(np.array([[1.0, 0.2, -0.1], [-0.15, 1.0, 0.3], [0.05, -0.25, 1.0]]))[0]
STACKS = {
    "axial": np.eye(3),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    "oblique": OBLIQUE * np.sign(np.linalg.det(OBLIQUE)),
}
"""Columns: where columns, rows and slices lead, in LPS; right-handed."""
PHYSICIST = "Doe^Jane"


def stack(folder: Path, places: np.ndarray, axes: np.ndarray = STACKS["axial"], shape: tuple[int, int] = (20, 24), **tags: Any):
    """A slice at each place (n, 3); pixel (row, column) of slice n holds 1000 n + 30 row + column."""
    folder.mkdir(exist_ok=True)
    paths = []
    for n, place in enumerate(places):
        rows, columns = np.indices(shape)
        where = {"ImagePositionPatient": [f"{value:.10g}"[:16] for value in place]}
        turn = {"ImageOrientationPatient": [f"{value:.10g}"[:16] for value in axes[:, :2].T.ravel()]}
        paths.append(
            dicom_slice(folder / f"{n}.dcm", n, (1000 * n + 30 * rows + columns).astype(np.uint16), **where | turn | tags)
        )
    return paths


def even(axes: np.ndarray, count: int = 5, step: float = 5.0) -> np.ndarray:
    return np.array([-10.0, 20.0, 7.0]) + np.arange(count)[:, None] * step * axes[:, 2]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_whatever_comes_is_a_volume_or_one_sentence(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = read_or_refused(path)
    assert said.count("\n") == 0
    assert not caplog.text
    with warnings.catch_warnings(), contextlib.suppress(AttributeError, ValueError, TypeError, NotImplementedError, OSError):
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        for name in ("PatientName", "PatientID", "InstitutionName", "StudyDescription"):
            assert len(str(dataset.get(name, ""))) < 4 or str(dataset[name].value) not in said


def read_or_refused(path: Path) -> str:
    """What is said of a file, without its name."""
    try:
        volume = read_series([path])
    except GutCheckError as error:
        return f"{error.what}; {error.todo}"
    assert volume.pixels.ndim == 3
    assert volume.pixels.dtype in (np.uint8, np.uint16)
    return " ".join(volume.notes)


@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize("reversed_", [False, True])
def test_every_voxel_lies_where_simpleitk_has_it(kind: str, reversed_: bool, tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    axes = STACKS[kind]
    paths = stack(tmp_path, even(axes)[:: -1 if reversed_ else 1], axes)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in (paths[::-1] if reversed_ else paths)])
    image = reader.Execute()
    volume = read_series(paths)
    values = volume.pixels.astype(int) + int(volume.grey.intercept)
    seen = sitk.GetArrayFromImage(image)
    random = np.random.default_rng(3)
    for z, y, x in random.integers(0, values.shape, (40, 3)):
        place = volume.grid.points_mm(np.array([[z, y, x]]))[0]
        i, j, k = image.TransformPhysicalPointToIndex(place.tolist())
        assert seen[k, j, i] == values[z, y, x]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((i, j, k)), place, atol=1e-3)
    assert volume.grid.orientation == {"axial": "IPL", "coronal": "PIL", "sagittal": "LIP"}.get(kind, "IPL")


def test_identifiers_follow_the_slices(tmp_path: Path) -> None:
    volume = read_series(stack(tmp_path, even(np.eye(3)), StudyInstanceUID=UID + "7", FrameOfReferenceUID=UID + "6"))
    # Slice n lies at 7 + 5 n mm to the head and has instance n + 1; ours begin at the head.
    assert volume.dicom is not None
    assert volume.dicom.instance_uids == tuple(UID + str(n) for n in (5, 4, 3, 2, 1))
    assert (volume.dicom.study_uid, volume.dicom.series_uid) == (UID + "7", UID + "9")
    assert volume.dicom.frame_of_reference_uid == UID + "6"
    assert volume.dicom.frame_numbers == ()
    assert volume.grid.origin == "DICOM headers"


@pytest.mark.parametrize(("drift", "sheared"), [((0, 2.0, 0), "2.00"), ((0, 0.784, 0), "0.78"), ((0, 1e-3, 0), "")])
def test_a_tilted_or_drifting_stack_lies_where_its_headers_say(drift: tuple[float, ...], sheared: str, tmp_path: Path) -> None:
    places = even(np.eye(3), 8, 3.0) + np.arange(8)[:, None] * drift
    volume = read_series(stack(tmp_path, places))
    # Ours run from the head: slice z is file 7 - z, whose first pixel is the upper left.
    np.testing.assert_allclose(volume.grid.points_mm(np.array([[z, 0, 0] for z in range(8)])), places[::-1], atol=1e-6)
    assert volume.grid.sheared is bool(sheared)
    expected = (f"The stack is sheared: each slice is shifted by {sheared} mm against the one before.",) if sheared else ()
    assert volume.notes == expected


def test_directions_may_jitter_but_not_differ(tmp_path: Path) -> None:
    for angle, fits in ((1e-3, True), (0.05, False)):
        paths = stack(tmp_path, even(np.eye(3)))
        turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        stack(tmp_path, even(np.eye(3))[:1], turned)
        if fits:
            np.testing.assert_allclose(np.abs(read_series(paths).grid.matrix[:3, 2]), [2, 0, 0], atol=3e-3)
        else:
            with pytest.raises(DatasetError, match="The slices of the series differ in direction: 5 files; give one stack"):
                read_series(paths)


def test_missing_slices_are_counted_and_the_rest_keep_their_places(tmp_path: Path) -> None:
    places = even(np.eye(3), 8, 3.0)[[0, 1, 2, 5, 6, 7]]
    volume = read_series(stack(tmp_path, places))
    assert volume.numbers == (1, 2, 3, 6, 7, 8)
    assert volume.grid.spacing_mm == (3.0, 2.0, 2.0)
    whole = np.array([[number - 1, 0, 0] for number in volume.numbers])
    np.testing.assert_allclose(volume.grid.points_mm(whole), places[::-1], atol=1e-6)
    assert volume.notes == ("The slices are unevenly spaced, so some may be missing; the scan counts as partial.",)


def test_missing_at_the_head_and_odd_gaps(tmp_path: Path) -> None:
    # From the feet 0, 3, 6, 12, 15: numbers from the head are 1, 2, 4, 5, 6.
    volume = read_series(stack(tmp_path, np.array([[0, 0, z] for z in (0.0, 3, 6, 12, 15)])))
    assert volume.numbers == (1, 2, 4, 5, 6)
    odd = read_series(stack(tmp_path / "odd", np.array([[0, 0, z] for z in (0.0, 3, 6, 9, 13)])))
    assert odd.numbers == (1, 3, 4, 5, 6)


def test_slices_are_cut_across_where_another_spacing_is_larger(tmp_path: Path) -> None:
    volume = read_series(stack(tmp_path, even(STACKS["coronal"], 20, 1.0), STACKS["coronal"]))
    assert volume.pixels.shape == (20, 20, 24)
    assert volume.grid.orientation == "IPL"
    assert "Slices were cut across those of the series, along its axis of largest spacing." in volume.notes
    few = read_series(stack(tmp_path / "few", even(STACKS["coronal"], 4, 1.0), STACKS["coronal"]))
    assert few.pixels.shape == (4, 20, 24)
    assert few.grid.orientation == "PIL"


def test_two_in_one_place(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Two slices of the series lie in one place: 3 files; give one stack: one echo, one t"):
        read_series(series(tmp_path, ImagePositionPatient=[0, 0, 0]))


@pytest.mark.parametrize("thickness", ["3,0", "", "-", None])
def test_a_thickness_that_nobody_needs_may_be_anything(thickness: str | None, tmp_path: Path) -> None:
    tags = {} if thickness is None else {"SliceThickness": 3.0}
    paths = stack(tmp_path, even(np.eye(3)), **tags)
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"DS\x04\x003.0 ", b"DS\x04\x00" + (thickness or "").ljust(4).encode()))
    assert read_series(paths).grid.spacing_mm == (5.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("tag", "old", "new"),
    [
        ("NumberOfFrames", b"IS\x02\x001 ", b"IS\x02\x001A"),
        ("RescaleSlope", b"DS\x04\x001.25", b"DS\x04\x001,25"),
        ("ImagePositionPatient", b"-10\\20\\7", b"-10\\zz\\7"),
    ],
)
def test_a_number_that_is_needed_is_one_sentence_without_its_value(tag: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    path = stack(tmp_path, even(np.eye(3), 1), NumberOfFrames=1, RescaleSlope="1.25", RescaleIntercept=0)[0]
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(ImageError) as shown:
        read_series([path])
    assert str(shown.value) == f"The DICOM header's {tag} cannot be read: {path}; export it again."


def test_without_places_the_instance_numbers_order(tmp_path: Path) -> None:
    volume = read_series(series(tmp_path, ImagePositionPatient=None, SliceThickness=4.0))
    assert [int(plane.min()) // 100 for plane in volume.pixels] == [1, 2, 3]
    assert volume.grid.affine is None
    assert volume.grid.spacing_mm == (4.0, 2.0, 2.0)
    assert volume.notes[0].startswith("The headers do not state where the slices lie")
    assert read_series(series(tmp_path, ImagePositionPatient=None)).grid.spacing_mm is None


def test_one_slice_of_unknown_thickness_lies_nowhere(tmp_path: Path) -> None:
    assert read_series(series(tmp_path, 1)).grid.affine is None
    assert read_series(series(tmp_path, 1, SliceThickness=3.0)).grid.spacing_mm == (3.0, 2.0, 2.0)


def test_size_is_checked_before_any_pixel_is_read(tmp_path: Path) -> None:
    paths = series(tmp_path, PixelData=None)
    with pytest.raises(DatasetError, match=r"The series is too large: 3 slices of 48×40; use at most 5,000 pixels\."):
        read_series(paths, max_pixels=5000)
    with pytest.raises(ImageError, match=r"The DICOM header states 999,999,999 frames: .*; use at most 100,000\."):
        read_series(series(tmp_path, 1, NumberOfFrames=999_999_999))


def enhanced(path: Path, places: np.ndarray, slopes: list[float], stacks: list[str] | None = None) -> Path:
    """An Enhanced MR file whose frame n begins with n + 1."""
    ramp = 10 * np.arange(480, dtype=np.uint16).reshape(20, 24)
    planes = np.stack([ramp + np.uint16(n + 1) for n in range(len(places))])
    dicom_slice(path, 0, planes[0], ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None)
    made = pydicom.dcmread(path)
    made.SOPClassUID, made.NumberOfFrames, made.PixelData = EnhancedMRImageStorage, len(places), planes.tobytes()

    def item(**tags: Any) -> Sequence:
        inside = Dataset()
        for name, value in tags.items():
            setattr(inside, name, value)
        return Sequence([inside])

    made.SharedFunctionalGroupsSequence = item(
        PixelMeasuresSequence=item(PixelSpacing=[2.0, 1.5], SliceThickness=9.0),
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    )
    frames = [
        item(
            PlanePositionSequence=item(ImagePositionPatient=list(place)),
            PixelValueTransformationSequence=item(RescaleSlope=slope, RescaleIntercept=0, RescaleType="US"),
            FrameContentSequence=item(StackID=(stacks or ["1"] * len(places))[n]),
        )[0]
        for n, (place, slope) in enumerate(zip(places, slopes, strict=True))
    ]
    made.PerFrameFunctionalGroupsSequence = Sequence(frames)
    made.save_as(path)
    return path


def test_an_enhanced_file_is_one_stack_of_its_frames(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "e.dcm", np.array([[0, 0, z] for z in (0.0, 8.0, 4.0)]), [1, 1, 3])
    volume = read_series([path])
    assert volume.dicom is not None
    # By height from the head: frames 2, 3, 1; frame 3 holds 3, three times over.
    assert volume.dicom.frame_numbers == (2, 3, 1)
    assert (volume.pixels[:, 0, 0] * volume.grey.slope + volume.grey.intercept).tolist() == [2, 9, 1]
    assert volume.grid.spacing_mm == (4.0, 2.0, 1.5)
    assert len(set(volume.dicom.instance_uids)) == 1
    assert len(volume.dicom.instance_uids) == 3


def test_an_enhanced_file_of_two_stacks(tmp_path: Path) -> None:
    places = np.array([[0, 0, z] for z in (0.0, 4.0, 0.0, 4.0)])
    with pytest.raises(DatasetError, match=r"The DICOM file holds 2 stacks: e\.dcm; give one stack: one echo, one time point\."):
        read_series([enhanced(tmp_path / "e.dcm", places, [1] * 4, ["1", "1", "2", "2"])])


def test_text_in_the_pixels_is_said(tmp_path: Path) -> None:
    assert read_series(series(tmp_path, BurnedInAnnotation="YES")).notes == (BURNT_IN,)
    assert read_series(series(tmp_path, BurnedInAnnotation="NO")).notes == ()


def test_no_tag_of_a_patient_is_kept_or_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        paths = series(tmp_path, PatientBirthDate="not a date", SeriesDescription=PHYSICIST, ImagePositionPatient=[0, 0, 0])
    with pytest.raises(GutCheckError) as shown:
        read_series(paths)
    (found,) = find_series(series(tmp_path, SeriesDescription=PHYSICIST))
    volume = read_series(found)
    for word in ("Doe", "4711"):
        assert word not in f"{shown.value} {caplog.text} {found} {volume.notes} {volume.dicom}"
