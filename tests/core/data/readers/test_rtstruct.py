"""Structure sets of other programs: holes by XOR, other planes, tilted, open contours, overlap, and damage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.data.grid import Grid
from core.data.readers.rtstruct import read_rtstruct
from core.data.volume import LabelVolume
from core.data.writers.dicom_context import DicomContext, Made, invented_source, pseudonymous
from core.data.writers.rtstruct import rtstruct_bytes
from core.errors import MaskError

GRID = Grid.of(np.array([[0, 0, 2.0, -10], [0, 2.0, 0, -20], [-4.0, 0, 0, 100], [0, 0, 0, 1]]), "here")
SHAPE = (5, 8, 9)
Points = Sequence[tuple[float, float, float]]


def square(z: float, low: float, high: float) -> Points:
    """Slice, row and column of a square's corners."""
    return [(z, low, low), (z, low, high), (z, high, high), (z, high, low)]


def write_contours(path: Path, *structures: tuple[str, list[tuple[Points, str]]], code: str = "") -> Path:
    """A structure set of named structures, each a list of contours in voxels and their kinds."""
    source = invented_source("x", SHAPE[0])
    context = DicomContext(source, pseudonymous(source, "case7"), Made("MANUAL", "x", "1"))
    path.write_bytes(rtstruct_bytes(LabelVolume(np.zeros(SHAPE, np.uint8), GRID), context))
    made = pydicom.dcmread(path)
    for (name, contours), roi, item, seen in zip(
        structures, made.StructureSetROISequence, made.ROIContourSequence, made.RTROIObservationsSequence, strict=False
    ):
        roi.ROIName, found = name, []
        seen.RTROIIdentificationCodeSequence[0].CodeValue = code
        for points, kind in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
            contour.ContourData = [round(float(v), 4) for v in GRID.points_mm(np.array(points)).ravel()]
            found.append(contour)
        item.ContourSequence = found
    made.save_as(path)
    return path


def test_a_hole_is_a_contour_inside_and_names_are_the_files(tmp_path: Path) -> None:
    ring = [(square(1, -0.5, 5.5), "CLOSED_PLANAR"), (square(1, 1.5, 3.5), "CLOSED_PLANAR")]
    path = write_contours(tmp_path / "x.dcm", ("Ring", ring), ("Other", [(square(3, 0.5, 2.5), "CLOSEDPLANAR_XOR")]))
    found = read_rtstruct(path, GRID, SHAPE)
    expected = np.zeros(SHAPE, np.uint8)
    expected[1, :6, :6] = 1
    expected[1, 2:4, 2:4] = 0
    expected[3, 1:3, 1:3] = 2
    assert np.array_equal(found.labels, expected)
    assert found.names == {1: "Ring", 2: "Other"}


def test_the_smaller_structure_wins_and_codes_tell_organs(tmp_path: Path) -> None:
    large, small = [(square(1, -0.5, 5.5), "CLOSED_PLANAR")], [(square(1, 4.5, 6.5), "CLOSED_PLANAR")]
    path = write_contours(tmp_path / "x.dcm", ("A", large), ("B", small), code="69695003")
    found = read_rtstruct(path, GRID, SHAPE)
    assert np.bincount(found.labels.ravel()).tolist()[1:] == [35, 4]
    assert found.contested_pixels == 1
    assert found.names == {1: "stomach", 2: "stomach"}


def test_planes_between_slices_go_to_the_nearest_and_points_are_left_out(tmp_path: Path) -> None:
    contours = [
        (square(2.3, -0.5, 1.5), "CLOSED_PLANAR"),
        (square(1.9, -0.5, 2.5), "CLOSED_PLANAR"),
        (square(7, -0.5, 1.5), "CLOSED_PLANAR"),
        ([(4, 1, 1)], "POINT"),
        ([(4, 1, 1), (4, 5, 5)], "OPEN_PLANAR"),
    ]
    found = read_rtstruct(write_contours(tmp_path / "x.dcm", ("A", contours)), GRID, SHAPE)
    assert np.argwhere(found.labels).tolist() == [[2, row, column] for row in range(3) for column in range(3)]
    assert found.notes == ("2 contours lie on no slice of the scan and were left out.",)


def test_a_digit_cut_off_moves_no_pixel(tmp_path: Path) -> None:
    """Corners on pixel centres: those above and to the left count as inside, those below and to the right do not."""
    for shift in (-4e-4, 0, 4e-4):
        path = write_contours(tmp_path / "x.dcm", ("A", [(square(1 + shift, 1 + shift, 4 + shift), "CLOSED_PLANAR")]))
        found = read_rtstruct(path, GRID, SHAPE)
        assert np.argwhere(found.labels[1]).tolist() == [[row, column] for row in range(1, 4) for column in range(1, 4)]


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    tilted = [[(1, 0, 0), (1, 0, 6), (2, 6, 6), (2, 6, 0)]]
    for points, kind, said in (
        (tilted[0], "CLOSED_PLANAR", r"^The contours of the DICOM structure set are tilted .*x\.dcm; draw them"),
        (square(9, 0, 3), "CLOSED_PLANAR", "lies beside the scan"),
        ([(1, 1, 1)], "POINT", "holds no closed contour"),
        ([(1, float("nan"), 1)], "CLOSED_PLANAR", "is damaged"),
    ):
        with pytest.raises(MaskError, match=said):
            read_rtstruct(write_contours(path, ("A", [(points, kind)])), GRID, SHAPE)
    whole = write_contours(path, ("A", [(square(1, 0, 3), "CLOSED_PLANAR")])).read_bytes()
    for content in (whole[:900], b"no DICOM"):
        path.write_bytes(content)
        with pytest.raises(MaskError, match=r"DICOM structure set.*x\.dcm"):
            read_rtstruct(path, GRID, SHAPE)
