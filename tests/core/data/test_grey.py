"""The one grey rule: what stays, what is scaled, and that no voxel, whatever it holds, changes the others."""

import numpy as np
import pytest

from core.data.grey import to_pixels
from core.data.volume import GreyScale

RNG = np.random.default_rng(7)
MR = RNG.gamma(2.0, 150.0, (12, 40, 40))
"""Floats from 0 to about 2,000, as an MR scan's."""


@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2"])
def test_8_and_16_bits_stay(kind: str) -> None:
    values = np.array([[0, 7], [200, 3]], kind)
    pixels, grey, notes = to_pixels(values)
    np.testing.assert_array_equal(pixels, values)
    assert pixels.dtype in (np.uint8, np.uint16)
    assert (grey, notes) == (GreyScale(), ())


@pytest.mark.parametrize("kind", ["i2", "i4", "f4", "f8"])
def test_whole_numbers_lose_an_offset_at_most(kind: str) -> None:
    values = np.arange(-1000, 3000).reshape(40, 100).astype(kind)
    pixels, grey, notes = to_pixels(values)
    assert (grey, notes) == (GreyScale(1.0, -1000.0), ())
    np.testing.assert_array_equal(pixels + grey.intercept, values)
    positive, grey, _ = to_pixels(values + 1010)
    assert grey == GreyScale()
    np.testing.assert_array_equal(positive, values + 1010)


def test_other_numbers_are_scaled_by_a_power_of_two() -> None:
    # The 0.1th percentile is 1 and the 99.9th 999, of which the span lies below 1,024: 8,192 steps, three spans on either side.
    values = np.linspace(0, 1000, 1001)
    values[500] += 0.25
    pixels, grey, notes = to_pixels(values)
    assert (grey, notes) == (GreyScale(0.125, -3072.0), ())
    np.testing.assert_allclose(pixels * grey.slope + grey.intercept, values, atol=grey.slope / 2)


@pytest.mark.parametrize("odd", [1e9, -1e9, 1.7e308, -1.7e308, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("scale", [1.0, 1e-8 / 2000, 1e3])
def test_one_odd_voxel_changes_no_other(odd: float, scale: float) -> None:
    plain = MR * scale
    hot = plain.copy()
    hot[3, 4, 5] = odd
    (before, _, _), (after, grey, notes) = to_pixels(plain), to_pixels(hot)
    elsewhere = np.ones(MR.shape, bool)
    elsewhere[3, 4, 5] = False
    np.testing.assert_array_equal(before[elsewhere], after[elsewhere])
    assert len(np.unique(before)) > 3000
    assert grey.clipped + grey.non_finite == 1
    assert len(notes) == 1


@pytest.mark.parametrize("odd", [2e9, -2e9])
def test_one_odd_voxel_among_whole_numbers(odd: float) -> None:
    plain = MR.astype(np.int32) - 500
    hot = plain.copy()
    hot[0, 0, 0] = odd
    (before, _, _), (after, grey, notes) = to_pixels(plain), to_pixels(hot)
    np.testing.assert_array_equal(before.ravel()[1:], after.ravel()[1:])
    assert (grey.slope, grey.clipped) == (1.0, 1)
    assert notes[0].startswith("1 voxel lies far outside the others (")


@pytest.mark.parametrize("padding", [-2000, -3024])
@pytest.mark.parametrize("odd", [None, 1e9, -1e9])
def test_padding_of_a_ct(padding: int, odd: float | None) -> None:
    ct = np.clip(RNG.normal(0, 400, (10, 40, 40)), -1024, 1500).round()
    padded = ct.copy()
    padded[:, :5] = padding
    if odd is not None:
        padded[9, 9, 9] = odd
    pixels, grey, notes = to_pixels(padded)
    assert grey.padding == 10 * 5 * 40
    assert notes[0] == "2,000 voxels are padding and shown as the darkest others."
    kept = np.ones(ct.shape, bool)
    kept[:, :5], kept[9, 9, 9] = False, False
    np.testing.assert_array_equal(pixels[kept] + grey.intercept, ct[kept])
    dark = float(pixels[0, 0, 0]) + grey.intercept
    assert -1100 <= dark <= np.percentile(ct, 1)


def test_stated_padding() -> None:
    values = np.full((20, 20), 700, np.uint16) + np.arange(400, dtype=np.uint16).reshape(20, 20)
    values[:2] = 63536
    pixels, grey, _ = to_pixels(values, padding=63536)
    np.testing.assert_array_equal(pixels[2:], values[2:])
    assert pixels.dtype == np.uint16
    assert (grey, int(pixels[0, 0])) == (GreyScale(padding=40), 741)
    assert to_pixels(values, padding=(63000, 65535))[1].padding == 40
    assert to_pixels(values, padding=5) == (pytest.approx(values), GreyScale(), ())


def test_a_dark_background_without_a_gap_is_no_padding() -> None:
    values = np.maximum(MR - 100, 0)
    assert to_pixels(values)[1].padding == 0


@pytest.mark.parametrize(
    "values", [np.zeros((4, 4)), np.full((4, 4), 1e-320), np.full((4, 4), np.nan), np.array([[3.5]]), np.zeros((2, 2), bool)]
)
def test_nothing_to_see(values: np.ndarray) -> None:
    pixels, grey, notes = to_pixels(values)
    assert pixels.min() == pixels.max()
    assert grey.non_finite == (16 if np.isnan(values).any() else 0)
    assert notes == (("No voxel holds a finite number.",) if np.isnan(values).any() else ())


def test_a_few_voxels_of_something_in_nothing() -> None:
    values = np.zeros((40, 40, 40))
    values[20, 20, :20] = np.linspace(0.1, 0.9, 20)
    pixels, _, _ = to_pixels(values)
    assert len(np.unique(pixels)) > 18
