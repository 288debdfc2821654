"""Bland and Altman by hand, and by numpy from their definition."""

import numpy as np
import pandas as pd
import pytest

from core.charts.volumes import volume_agreement, volume_pairs

NAN = float("nan")


def scans(pairs: list[tuple[float, float]]) -> pd.DataFrame:
    table = pd.DataFrame(pairs, columns=["reference_ml", "prediction_ml"]).assign(organ="stomach", outcome="scored")
    table["scan"] = [f"case{number}_day0" for number in range(len(table))]
    return table.assign(volume_error_ml=table["prediction_ml"] - table["reference_ml"])


def test_bias_and_limits_by_hand() -> None:
    # Differences 10, 20 and 30: mean 20, standard deviation with n - 1 exactly 10.
    found = volume_agreement(scans([(100, 110), (100, 120), (100, 130)]))["stomach"]
    assert (found.scans, found.bias_ml) == (3, 20.0)
    assert (found.low_ml, found.high_ml) == pytest.approx((20 - 19.6, 20 + 19.6))


def test_limits_hold_about_95_percent_of_normal_differences() -> None:
    draws = np.random.default_rng(0).normal(5, 40, 4000)
    found = volume_agreement(scans([(500, 500 + draw) for draw in draws]))["stomach"]
    assert found.low_ml is not None
    assert found.high_ml is not None
    # The share of 4000 draws has a standard deviation of 0.0034: 0.01 is three of them.
    assert np.mean((draws > found.low_ml) & (draws < found.high_ml)) == pytest.approx(0.95, abs=0.01)


def test_two_scans_have_a_bias_and_no_limits() -> None:
    found = volume_agreement(scans([(100, 90), (100, 100)]))["stomach"]
    assert (found.bias_ml, found.low_ml, found.high_ml) == (-5.0, None, None)


def test_unknown_volumes_are_left_out() -> None:
    table = scans([(100, 110), (NAN, NAN)])
    pairs = volume_pairs(table)
    assert list(pairs["scan"]) == ["case0_day0"]
    assert (pairs["mean_ml"].iloc[0], pairs["difference_ml"].iloc[0]) == (105, 10)
    assert volume_agreement(scans([(NAN, NAN)])) == {}
