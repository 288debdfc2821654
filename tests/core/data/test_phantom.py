"""The phantom: repeatable, plausible and consistent, on small volumes."""

from functools import cache

import numpy as np
import pytest

from core.data.phantom.scan import PhantomScan, make_scan
from core.errors import InputError

SMALL = (24, 96, 96)
SMALL_MM = (8.0, 3.7, 3.7)
ORGANS = (1, 2, 3)


@cache
def small_scan(patient: int, day: int = 0, seed: int = 42) -> PhantomScan:
    return make_scan(patient, day, seed=seed, shape=SMALL, spacing_mm=SMALL_MM)


def body_of(scan: PhantomScan) -> np.ndarray:
    return scan.image > 0.12 * np.percentile(scan.image, 99)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_equal_arguments_give_identical_scans() -> None:
    first, again = (make_scan(3, 1, shape=(12, 64, 64), spacing_mm=(16.0, 5.6, 5.6)) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.label_map, again.label_map)


def test_types_and_shapes() -> None:
    scan = small_scan(1)
    assert scan.image.dtype == np.uint16
    assert scan.label_map.dtype == np.uint8
    assert scan.image.shape == scan.label_map.shape == SMALL
    assert scan.spacing_mm == SMALL_MM


def test_grey_levels_are_those_of_a_16_bit_mr() -> None:
    scan = small_scan(1)
    assert 1000 < np.percentile(scan.image, 99) < 4000
    assert scan.image.max() < 6000


@pytest.mark.parametrize("patient", range(6))
def test_every_patient_has_all_organs_at_plausible_sizes(patient: int) -> None:
    labels = small_scan(patient).label_map
    assert set(np.unique(labels)) == {0, *ORGANS}
    for organ in ORGANS:
        slices = (labels == organ).mean(axis=(1, 2))
        assert 0.005 < slices[slices > 0].mean() < 0.08


def test_default_shape_has_all_organs_and_empty_ends() -> None:
    scan = make_scan(2)
    present = scan.label_map.max(axis=(1, 2)) > 0
    assert scan.image.shape == (40, 224, 224)
    assert set(np.unique(scan.label_map)) == {0, *ORGANS}
    assert present[[0, -1]].sum() == 0


@pytest.mark.parametrize("organ", ORGANS)
def test_organs_begin_and_end_inside_the_volume(organ: int) -> None:
    slices = np.flatnonzero((small_scan(4).label_map == organ).any(axis=(1, 2)))
    assert slices[0] > 0
    assert slices[-1] < SMALL[0] - 1


def test_stomach_lies_above_small_bowel() -> None:
    labels = small_scan(0).label_map
    stomach, small_bowel = (np.argwhere(labels == organ)[:, 0].mean() for organ in (1, 2))
    assert stomach < small_bowel


def test_stomach_lies_on_the_image_right() -> None:
    columns = np.argwhere(small_scan(0).label_map == 1)[:, 2]
    assert columns.mean() > SMALL[2] / 2


@pytest.mark.parametrize("patient", range(4))
def test_no_organ_outside_of_the_body(patient: int) -> None:
    scan = small_scan(patient)
    body = body_of(scan)
    before = np.logical_or.accumulate(body, axis=2)
    after = np.logical_or.accumulate(body[:, :, ::-1], axis=2)[:, :, ::-1]
    assert not (scan.label_map > 0)[~(before & after)].any()


def test_patients_differ() -> None:
    assert (small_scan(1).label_map != small_scan(2).label_map).any()
    assert dice(small_scan(1).label_map == 1, small_scan(2).label_map == 1) < 0.9


def test_seeds_differ() -> None:
    assert (small_scan(1).image != small_scan(1, seed=7).image).any()


def test_another_day_keeps_the_body_but_moves_the_bowel() -> None:
    first, later = small_scan(1, 0), small_scan(1, 5)
    assert dice(body_of(first), body_of(later)) > 0.93
    assert dice(first.label_map == 1, later.label_map == 1) < 0.95
    assert dice(first.label_map == 2, later.label_map == 2) < 0.8


def test_stomach_gas_lies_in_front_of_the_fluid_with_a_level_between() -> None:
    scan = make_scan(1, shape=(24, 128, 128), spacing_mm=(8.0, 2.8, 2.8))
    stomach = scan.label_map == 1
    gas = stomach & (scan.image < 0.1 * np.percentile(scan.image, 99))
    rows = np.argwhere(gas)[:, 1]
    assert gas.sum() > 30
    assert rows.mean() < np.argwhere(stomach)[:, 1].mean()
    # One plane for the whole stomach: below the level there is none, but for the blur across it.
    deepest_per_column = [np.flatnonzero(column).max() for column in gas.max(axis=0).T if column.any()]
    assert np.median(deepest_per_column) >= rows.max() - 2


def test_background_noise_is_rayleigh() -> None:
    scan = small_scan(3)
    air = scan.image[:, :8, 30:66].astype(float)
    assert air.mean() > 5
    # Of n pixels, the mean is off by 0.52 / sqrt(n) of itself and the deviation by 0.75 / sqrt(n): the ratio by 0.92 / sqrt(n).
    assert air.mean() / air.std() == pytest.approx(1.913, rel=3 * 0.92 / air.size**0.5)


def test_noise_is_fresh_each_day() -> None:
    corner = np.s_[:, :8, 30:66]
    first, later = small_scan(3, 0).image[corner], small_scan(3, 1).image[corner]
    assert abs(np.corrcoef(first.ravel(), later.ravel())[0, 1]) < 0.1


def test_body_fits_a_field_of_view_that_is_too_small() -> None:
    scan = make_scan(0, shape=(6, 64, 64), spacing_mm=(40.0, 2.0, 2.0))
    assert set(np.unique(scan.label_map)) == {0, *ORGANS}


def test_shapes_need_not_be_square() -> None:
    scan = make_scan(0, shape=(8, 60, 80), spacing_mm=(25.0, 6.0, 4.5))
    assert scan.label_map.any()


@pytest.mark.parametrize("shape", [(0, 64, 64), (12, -1, 64), (12, 64), (12, 64, 64, 3), (12, 8, 64)])
def test_a_shape_that_cannot_be_used_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"shape can't be used: \(.*\); give slices, rows and columns"):
        make_scan(0, shape=shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("spacing", [(5.0, 0.0, 1.0), (5.0, 1.6), (float("nan"), 1.0, 1.0)])
def test_a_spacing_that_cannot_be_used_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="spacing can't be used"):
        make_scan(0, shape=SMALL, spacing_mm=spacing)  # type: ignore[arg-type]


def test_a_negative_patient_is_refused() -> None:
    with pytest.raises(InputError, match="patient is negative: -1; give 0 or more"):
        make_scan(-1)
