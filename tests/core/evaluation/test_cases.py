"""The list of cases, worst first."""

import math

import pandas as pd
import pytest

from core.evaluation.cases import case_table

DICE = {
    "case1_day0": {"stomach": (0.9, "scored"), "small_bowel": (0.7, "scored"), "large_bowel": (0.8, "scored")},
    "case2_day0": {"stomach": (0.0, "missed"), "small_bowel": (0.6, "scored"), "large_bowel": (math.nan, "absent")},
    "case3_day0": dict.fromkeys(("stomach", "small_bowel", "large_bowel"), (math.nan, "absent")),
}


@pytest.fixture
def scans() -> pd.DataFrame:
    rows = [
        {"scan": scan, "patient": scan[:5], "day": 0, "slices": 4, "organ": organ, "dice": dice, "outcome": outcome}
        for scan, organs in DICE.items()
        for organ, (dice, outcome) in organs.items()
    ]
    return pd.DataFrame(rows)


def test_worst_first_and_scans_without_a_score_last(scans: pd.DataFrame) -> None:
    table = case_table(scans, {})
    assert table["scan"].tolist() == ["case2_day0", "case1_day0", "case3_day0"]
    assert table["mean_dice"].tolist() == pytest.approx([0.3, 0.8, math.nan], nan_ok=True)


def test_notes_and_states(scans: pd.DataFrame) -> None:
    table = case_table(scans, {"case2_day0": "Reject"}).set_index("scan")
    assert table.loc["case2_day0", "notes"] == "Stomach missed, Large bowel absent"
    assert table.loc["case1_day0", "notes"] == ""
    assert table["state"].to_dict() == {"case2_day0": "Reject", "case1_day0": "Unreviewed", "case3_day0": "Unreviewed"}
