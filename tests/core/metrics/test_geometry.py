"""Millimetres of the stored grid: stretched with a resized image, and none where slices are missing."""

from pathlib import Path

import pytest

from core.data.identity import SliceName
from core.data.manifest import ScanInfo
from core.data.scan import Scan, SliceFile
from core.metrics.geometry import KNOWN, NO_SPACING, ONE_SLICE, SHEARED, SLICES_MISSING, measures

MM = (3.0, 1.5, 1.5)


def scan(numbers: list[int], info: ScanInfo) -> Scan:
    files = [SliceFile(SliceName("case1", "case1", number, f"case1_{number}", 0), Path(), Path()) for number in numbers]
    return Scan("case1_day0", "case1", 0, tuple(files), info)


def test_images_as_they_were_taken() -> None:
    for info in (ScanInfo(MM), ScanInfo(MM, native_size=(266, 266))):
        assert measures(scan([4, 5, 6], info), (266, 266)) == (MM, pytest.approx(0.00675), KNOWN)


def test_resized_images_keep_the_patient_s_size() -> None:
    """266 × 310 pixels of 1.5 mm, squashed to 133 × 155, are 3 mm each way: 399 × 465 mm before and after."""
    spacing, voxel_ml, _ = measures(scan([4, 5], ScanInfo(MM, native_size=(266, 310))), (133, 155))
    assert (spacing, voxel_ml) == ((3.0, 3.0, 3.0), pytest.approx(0.027))
    spacing, _, _ = measures(scan([4, 5], ScanInfo(MM, native_size=(310, 360))), (288, 288))
    assert spacing is not None
    assert (spacing[1] * 288, spacing[2] * 288) == pytest.approx((310 * 1.5, 360 * 1.5))


def test_no_spacing_and_missing_slices_are_told_apart() -> None:
    assert measures(scan([4, 5], ScanInfo()), (9, 9)) == (None, None, NO_SPACING)
    assert measures(scan([4, 6], ScanInfo(MM)), (9, 9)) == (None, None, SLICES_MISSING)
    assert measures(scan([4], ScanInfo(MM)), (9, 9)) == (None, None, ONE_SLICE)


def test_a_sheared_grid_has_volumes_and_no_distances() -> None:
    """Slices 3 mm apart that drift by 1 mm: the axis is √10 mm long, and the voxel 3 × 1.5 × 1.5 mm³ all the same."""
    affine = ((0.0, 0.0, 1.5, 0.0), (1.0, 1.5, 0.0, 0.0), (-3.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    info = ScanInfo(native_size=(20, 20), affine=affine)
    assert measures(scan([1, 2], info), (20, 20)) == (None, pytest.approx(0.00675), SHEARED)
    assert measures(scan([1, 2], info), (10, 10)) == (None, pytest.approx(0.027), SHEARED)
