"""Millimetres of the stored grid: stretched with a resized image, and none where slices are missing."""

from pathlib import Path

import pytest

from core.data.identity import SliceName
from core.data.manifest import ScanInfo
from core.data.scan import Scan, SliceFile
from core.metrics.geometry import KNOWN, NO_SPACING, SLICES_MISSING, grid_spacing, is_whole

MM = (3.0, 1.5, 1.5)


def scan(numbers: list[int], info: ScanInfo) -> Scan:
    files = [SliceFile(SliceName("case1", "case1", number, f"case1_{number}", 0), Path(), Path()) for number in numbers]
    return Scan("case1_day0", "case1", 0, tuple(files), info)


def test_images_as_they_were_taken() -> None:
    for info in (ScanInfo(MM), ScanInfo(MM, native_size=(266, 266))):
        assert grid_spacing(scan([4, 5, 6], info), (266, 266)) == (MM, KNOWN)


def test_resized_images_keep_the_patient_s_size() -> None:
    """266 × 310 pixels of 1.5 mm, squashed to 133 × 155, are 3 mm each way: 399 × 465 mm before and after."""
    spacing, _ = grid_spacing(scan([4, 5], ScanInfo(MM, native_size=(266, 310))), (133, 155))
    assert spacing == (3.0, 3.0, 3.0)
    spacing, _ = grid_spacing(scan([4, 5], ScanInfo(MM, native_size=(310, 360))), (288, 288))
    assert (spacing[1] * 288, spacing[2] * 288) == pytest.approx((310 * 1.5, 360 * 1.5))


def test_no_spacing_and_missing_slices_are_told_apart() -> None:
    assert grid_spacing(scan([4, 5], ScanInfo()), (9, 9)) == (None, NO_SPACING)
    assert grid_spacing(scan([4, 6], ScanInfo(MM)), (9, 9)) == (None, SLICES_MISSING)


def test_whole() -> None:
    assert is_whole(scan([7], ScanInfo()))
    assert is_whole(scan([7, 8, 9], ScanInfo()))
    assert not is_whole(scan([7, 9], ScanInfo()))
