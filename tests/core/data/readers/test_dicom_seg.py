"""Segmentations of other programs: fractional, overlapping, with frames left out, and damaged; and laying labels on a scan."""

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from core.data.grid import Grid
from core.data.readers.dicom_labels import placed_on, referenced_series
from core.data.readers.dicom_seg import read_seg
from core.data.volume import LabelVolume
from core.errors import MaskError
from tests.core.data.writers.series import write_series
from tests.core.data.writers.test_dicom_out import STACKS

SHAPE = (7, 6, 5)
GRID = Grid.of(STACKS["axial"], "here")
CT = Path(__file__).parents[5] / "shared/data/highdicom/seg_image_ct_binary.dcm"


def described(number: int, label: str, code: Any) -> Any:
    return highdicom.seg.SegmentDescription(number, label, codes.SCT.Organ, code, "MANUAL")


def write_seg(tmp_path: Path, planes: NDArray[Any], kind: str, *segments: Any, **options: Any) -> Path:
    """A segmentation of a series of 7 slices by highdicom as it is used elsewhere: empty frames left out.

    Args:
        planes: (Z, H, W, segments) or (Z, H, W).
    """
    write_series(tmp_path / "series", np.zeros(SHAPE, np.uint16), GRID)
    pictures = [pydicom.dcmread(path) for path in sorted((tmp_path / "series").iterdir())]
    made = highdicom.seg.Segmentation(
        pictures, planes, kind, list(segments), highdicom.UID(), 1, highdicom.UID(), 1, "x", "x", "1", "1", **options
    )
    made.save_as(tmp_path / "x.dcm")
    return tmp_path / "x.dcm"


def two_segments() -> NDArray[np.uint8]:
    """The large one has 4 slices of 12 voxels, the small one 2 voxels in it and 1 beside."""
    planes = np.zeros((*SHAPE, 2), np.uint8)
    planes[1:5, 1:4, 0:4, 0] = 1
    planes[2, 1, 0:2, 1] = planes[2, 5, 4, 1] = 1
    return planes


def test_the_smaller_segment_wins_and_names_come_from_codes(tmp_path: Path) -> None:
    segments = described(1, "Bowel", codes.SCT.SmallIntestine), described(2, "S1", codes.SCT.Stomach)
    path = write_seg(tmp_path, two_segments(), "BINARY", *segments)
    found = read_seg(path)
    assert np.bincount(found.labels.ravel()).tolist()[1:] == [46, 3]
    assert found.contested_pixels == 2
    assert found.names[2] == "stomach"
    assert referenced_series(path) == pydicom.dcmread(tmp_path / "series" / "0000.dcm").SeriesInstanceUID


def test_empty_slices_come_back_on_the_scan(tmp_path: Path) -> None:
    planes = two_segments()
    planes[3] = 0
    path = write_seg(tmp_path, planes, "BINARY", described(1, "a", codes.SCT.Kidney), described(2, "b", codes.SCT.Liver))
    assert len(pydicom.dcmread(path).PerFrameFunctionalGroupsSequence) == 4
    found = read_seg(path)
    assert found.shape == (4, 6, 5)  # slices 1 to 4; the one between is background, those at the ends nobody told of
    laid = placed_on(found, GRID, SHAPE, path)
    expected = planes[..., 0].copy()
    expected[planes[..., 1] > 0] = 2
    assert np.array_equal(laid.labels, expected)
    assert laid.grid is GRID


@pytest.mark.parametrize("kept", [(2,), (1, 3), (0, 2, 6)])
def test_frames_far_apart(kept: tuple[int, ...], tmp_path: Path) -> None:
    planes = np.zeros(SHAPE, np.uint8)
    planes[list(kept), 2, 3] = 1
    path = write_seg(tmp_path, planes, "BINARY", described(1, "a", codes.SCT.Kidney))
    dataset = pydicom.dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    for stated in (True, False):
        if not stated and "SpacingBetweenSlices" in measures:
            del measures.SpacingBetweenSlices
            measures.SliceThickness = "1.1"
            dataset.save_as(path)
        assert np.array_equal(placed_on(read_seg(path), GRID, SHAPE, path).labels, planes)


def test_fractions_count_from_half_of_the_largest(tmp_path: Path) -> None:
    planes = np.zeros(SHAPE, np.float32)
    planes[1, 0, :3] = 0.3, 0.52, 1.0
    options = {"fractional_type": "PROBABILITY", "max_fractional_value": 200}
    path = write_seg(tmp_path, planes, "FRACTIONAL", described(1, "a", codes.SCT.Kidney), **options)
    assert placed_on(read_seg(path), GRID, SHAPE, path).labels[1, 0, :4].tolist() == [0, 1, 1, 0]


def test_a_segmentation_of_another_program_as_highdicom_reads_it() -> None:
    if not CT.exists():
        pytest.skip("../shared/data is not here")
    theirs = highdicom.seg.segread(CT).get_volume(combine_segments=True, relabel=False)
    ours = read_seg(CT)
    assert np.array_equal(ours.labels, theirs.array)
    assert np.allclose(ours.grid.matrix, theirs.affine)


def labelled(matrix: NDArray[np.float64], shape: tuple[int, ...] = (2, 2, 2)) -> LabelVolume:
    return LabelVolume(np.arange(1, 1 + np.prod(shape), dtype=np.uint8).reshape(shape), Grid.of(matrix))


def test_labels_beside_the_scan_are_counted(tmp_path: Path) -> None:
    there = GRID.matrix
    there[:3, 3] = GRID.points_mm(np.array([[6, 0, -1]]))[0]
    laid = placed_on(labelled(there), GRID, SHAPE, tmp_path)
    assert laid.labels[6, :2, 0].tolist() == [2, 4]
    assert np.count_nonzero(laid.labels) == 2
    assert laid.notes == ("6 labelled voxels lie outside the scan and were left out.",)


@pytest.mark.parametrize("change", ["turned", "half a voxel", "another size"])
def test_another_grid_is_refused(change: str, tmp_path: Path) -> None:
    matrix = GRID.matrix
    if change == "turned":
        matrix = STACKS["oblique"]
    elif change == "half a voxel":
        matrix[0, 3] += 0.4
    else:
        matrix[:3, 2] *= 1.3
    with pytest.raises(MaskError, match=r"^The label map does not lie on the scan's voxels: .*; export it on the grid"):
        placed_on(labelled(matrix, (3, 4, 5)), GRID, SHAPE, tmp_path / "x.dcm")


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = write_seg(tmp_path, two_segments()[..., 0], "BINARY", described(1, "a", codes.SCT.Kidney))
    whole = path.read_bytes()
    for name, content in (("cut", whole[:1500]), ("text", b"no DICOM"), ("short", whole[:-5])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MaskError, match=f"DICOM segmentation.*{name}"):
            read_seg(tmp_path / name)
    with pytest.raises(MaskError, match="does not exist"):
        read_seg(tmp_path / "nothing.dcm")
    with pytest.raises(MaskError, match="This is no DICOM segmentation"):
        read_seg(tmp_path / "series" / "0000.dcm")
    dataset = pydicom.dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient = [0, 0, "1234.9"]
    dataset.save_as(path)
    with pytest.raises(MaskError, match="unevenly spaced"):
        read_seg(path)
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    dataset.save_as(path)
    with pytest.raises(MaskError, match="does not say where its frames lie"):
        read_seg(path)
