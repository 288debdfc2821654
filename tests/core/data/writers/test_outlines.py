"""Outlines along pixel edges: hand-worked ones, and any mask filled again by two fillings."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from core.data.readers.rtstruct import fill
from core.data.writers.outlines import outlines

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def test_a_ring_is_one_polygon_with_a_keyhole() -> None:
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    (polygon,) = outlines(ring)
    around = [[-0.5, -0.5], [-0.5, 2.5], [2.5, 2.5], [2.5, -0.5]]
    cut, hole = [0.5, -0.5], [[0.5, 0.5], [1.5, 0.5], [1.5, 1.5], [0.5, 1.5]]
    assert polygon.tolist() == [*around, cut, *hole, hole[0], cut]


def test_pixels_that_touch_at_a_corner_are_two_polygons() -> None:
    assert [len(each) for each in outlines(np.eye(2, dtype=bool))] == [4, 4]
    assert [len(each) for each in outlines(np.eye(2, dtype=bool)[::-1])] == [4, 4]
    assert outlines(np.zeros((3, 4), bool)) == []


@given(MASKS)
def test_filling_gives_the_same_pixels_and_no_island_is_lost(mask: NDArray[np.bool_]) -> None:
    polygons = outlines(mask)
    assert len(polygons) == ndimage.label(mask)[1]
    if polygons:
        assert np.array_equal(fill(polygons, mask.shape), mask)


@given(MASKS)
def test_another_library_finds_the_same_pixels_inside(mask: NDArray[np.bool_]) -> None:
    places = np.argwhere(np.ones_like(mask))
    found = np.zeros(mask.size, bool)
    for polygon in outlines(mask):
        corners = polygon.astype(np.float32)
        found ^= np.array([cv2.pointPolygonTest(corners, (float(row), float(column)), False) > 0 for row, column in places])
    assert np.array_equal(found.reshape(mask.shape), mask)


def test_slanted_edges_as_opencv_fills_them() -> None:
    """OpenCV draws the border too; a pixel or more inside it, and outside, both agree."""
    corners = np.array([[3.0, 4.0], [30.5, 10.25], [22.0, 36.75], [8.0, 25.0]])
    ours = fill([corners], (40, 45))
    theirs = np.zeros((40, 45), np.uint8)
    cv2.fillPoly(theirs, [np.rint(corners[:, ::-1] * 256).astype(np.int32)], 1, shift=8)
    assert not (ours & (theirs == 0)).any()
    assert not (cv2.erode(theirs, np.ones((3, 3), np.uint8)).astype(bool) & ~ours).any()


def test_contours_that_leave_the_picture_are_cut() -> None:
    square = np.array([[-5.5, -5.5], [-5.5, 1.5], [1.5, 1.5], [1.5, -5.5]])
    assert fill([square], (4, 4)).astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert not fill([square - 50], (4, 4)).any()
    assert fill([square * 100], (2, 2)).sum() == pytest.approx(4)
