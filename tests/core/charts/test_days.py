"""A patient over days: order, jumps and suspects by hand."""

import pandas as pd

from core.charts.days import over_days, patients_by_scans


def scans(rows: list[tuple[str, int | None, float, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["scan", "day", "reference_ml", "prediction_ml"]).astype({"day": "Int64"})
    return table.assign(patient=table["scan"].str.split("_").str[0], organ="stomach", dice=0.9, outcome="scored")


def test_jumps_and_suspects_by_hand() -> None:
    rows = [("p_c", 9, 300, 310), ("p_a", 0, 200, 200), ("p_b", 4, 280, 301), ("p_d", 12, 90, 320), ("p_e", 20, 180, 140)]
    found = over_days(scans(rows), "p")
    assert list(found["scan"]) == ["p_a", "p_b", "p_c", "p_d", "p_e"]
    # Day 4: 80 ml more is no jump; 101 ml more is, being over half of 200. Day 12: 300 to 90. Day 20: 320 to 140.
    assert list(found["reference_jump"]) == [False, False, False, True, False]
    assert list(found["prediction_jump"]) == [False, True, False, False, True]
    assert list(found["suspect"]) == [False, True, False, False, True]


def test_a_change_over_half_but_small_is_none() -> None:
    assert not over_days(scans([("p_a", 0, 60, 60), ("p_b", 1, 150, 150)]), "p")["prediction_jump"].any()


def test_unknown_volumes_and_days_make_no_jump() -> None:
    found = over_days(scans([("p_a", 0, float("nan"), 100), ("p_b", 1, 500, float("nan")), ("p_c", None, 900, 900)]), "p")
    assert len(found) == 2
    assert not found[["reference_jump", "prediction_jump", "suspect"]].any(axis=None)


def test_patients_with_most_scans_come_first() -> None:
    assert patients_by_scans(scans([("p_a", 0, 1, 1), ("q_a", 0, 1, 1), ("q_b", 1, 1, 1), ("r_a", None, 1, 1)])) == ["q", "p"]
