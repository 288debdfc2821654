"""Intervals over patients: by hand, against scipy's bootstrap, and that slices of one patient do not narrow them."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.metrics.bootstrap import Interval, column_interval, draws, patient_interval


def test_as_many_patients_are_drawn_as_there_are() -> None:
    drawn = draws(7, resamples=50)
    assert drawn.shape == (50, 7)
    assert set(drawn.sum(axis=1)) == {7}
    assert drawn.mean() == 1


def test_two_patients_by_hand() -> None:
    """Four equally likely draws: (0, 0), (0, 1), (1, 0), (1, 1): means 0, 0.5, 0.5, 1."""
    assert patient_interval([0.0, 1.0], ["a", "b"]) == Interval(0.0, 1.0, 2)


def test_the_same_scores_give_the_same_interval() -> None:
    values, patients = np.random.default_rng(0).normal(size=20), [str(number) for number in range(20)]
    assert patient_interval(values, patients) == patient_interval(values, patients)
    assert patient_interval(values, patients) != patient_interval(values, patients, seed=1)


def test_scipy_s_percentile_bootstrap_gives_the_same_where_each_patient_has_one_scan() -> None:
    values = np.random.default_rng(3).normal(0.8, 0.1, 30)
    found = patient_interval(values, [str(number) for number in range(30)], resamples=20_000)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    # A 2.5 % quantile of 20,000 normal draws is off by sqrt(0.025 * 0.975 / 20,000) / 0.058 = 1.9 % of their deviation, which is
    # 0.1 / sqrt(30); each of the two by so much: 4.9e-4, of which the limit is four.
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=2e-3)


def test_more_scans_of_the_same_patients_do_not_narrow_it() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 8)
    patients = [f"case{number}" for number in range(8)]
    once = patient_interval(values, patients)
    often = patient_interval(np.tile(values, 50), patients * 50)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_scans_without_the_score_are_left_out() -> None:
    found = patient_interval([0.5, math.nan, 0.5, math.nan], ["a", "a", "b", "c"])
    assert found == Interval(0.5, 0.5, 2)


@pytest.mark.parametrize(
    ("values", "patients"), [([0.5, 0.6], ["a", "a"]), ([0.5, math.nan], ["a", "b"]), ([math.nan], ["a"]), ([], [])]
)
def test_fewer_than_two_patients_have_no_interval(values: list[float], patients: list[str]) -> None:
    assert patient_interval(values, patients) is None


def test_a_column_of_the_scan_table() -> None:
    rows = pd.DataFrame({"patient": ["a", "b"], "dice": [0.25, 0.25]})
    assert column_interval(rows, "dice").to_json() == {"low": 0.25, "high": 0.25, "patients": 2}
