"""Where it fails, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from core.charts.where import along_body, calibration, calibration_error, scan_confidence

NAN = float("nan")


def slice_table(rows: list[tuple[str, int, str, int, int, int, float]]) -> pd.DataFrame:
    """Rows of scan, position, organ, voxels of reference, prediction and both, confidence; slice numbers start at 5."""
    columns = ["scan", "position", "organ", "reference_voxels", "prediction_voxels", "both_voxels", "confidence"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(slice=table["position"] + 5)


def test_along_the_body_pools_voxels_and_names_the_worst_slice() -> None:
    table = slice_table(
        [
            ("a", 0, "stomach", 10, 10, 10, 0.9),  # the head's half: 20 of 40 voxels wrong in b
            ("b", 0, "stomach", 30, 10, 0, 0.9),
            ("a", 4, "stomach", 0, 0, 0, NAN),  # makes scan a five slices long
            ("b", 4, "stomach", 8, 8, 4, 0.9),
        ]
    )
    found = along_body(table, bins=2)
    head, foot = found.to_dict("records")
    assert (head["centre"], head["scans"], head["scan"], head["slice"]) == (0.25, 2, "b", 5)
    assert head["dice"] == pytest.approx(2 * 10 / 60)
    assert (foot["centre"], foot["scans"], foot["dice"]) == (0.75, 1, 0.5)


def test_along_the_body_partial_scans_are_left_out() -> None:
    """One slice, and two with a gap, beside two that follow each other."""
    rows = [("one", 0, "stomach", 9, 9, 0, 0.9), ("gap", 0, "stomach", 9, 9, 0, 0.9), ("gap", 1, "stomach", 9, 9, 0, 0.9)]
    rows += [("whole", 0, "stomach", 4, 4, 2, 0.9), ("whole", 1, "stomach", 4, 4, 2, 0.9)]
    table = slice_table(rows)
    table.loc[(table["scan"] == "gap") & (table["position"] == 1), "slice"] = 9
    found = along_body(table, bins=2)
    assert found["scan"].tolist() == ["whole", "whole"]
    assert found["dice"].tolist() == [0.5, 0.5]
    assert along_body(table[table["scan"] != "whole"]).empty
    assert along_body(table, crosswise=["whole"]).empty


def test_along_the_body_of_nothing_is_empty() -> None:
    assert along_body(slice_table([("a", 0, "stomach", 0, 0, 0, NAN)])).empty


def test_a_scan_s_confidence_is_weighted_by_what_was_drawn() -> None:
    table = slice_table(
        [("a", 0, "stomach", 5, 30, 5, 0.9), ("a", 1, "stomach", 5, 10, 5, 0.5), ("a", 2, "stomach", 5, 0, 0, NAN)]
    )
    scans = pd.DataFrame({"scan": ["a", "b"], "organ": "stomach", "dice": [0.5, 0.6], "outcome": "scored"})
    (row,) = scan_confidence(table, scans).to_dict("records")
    assert row["scan"] == "a"
    assert row["confidence"] == pytest.approx((30 * 0.9 + 10 * 0.5) / 40)


def test_calibration_by_hand() -> None:
    table = slice_table(
        [
            ("a", 0, "stomach", 50, 10, 9, 0.92),
            ("a", 1, "stomach", 50, 30, 21, 0.96),  # one bin: 40 voxels, 30 right, confidence 0.95
            ("b", 0, "stomach", 50, 10, 1, 0.31),  # another: 10 voxels, 1 right
        ]
    )
    bins = calibration(table)
    low, high = bins.to_dict("records")
    assert (high["confidence"], high["right"], high["voxels"]) == pytest.approx((0.95, 0.75, 40))
    assert (high["scan"], high["slice"]) == ("a", 6)
    assert (low["confidence"], low["right"]) == pytest.approx((0.31, 0.1))
    assert calibration_error(bins) == {"stomach": pytest.approx((40 * 0.2 + 10 * 0.21) / 50)}


def test_names_may_be_categories() -> None:
    table = slice_table([("a", 0, "stomach", 5, 30, 5, 0.9), ("b", 1, "stomach", 5, 10, 5, 0.5)])
    named = table.astype({"scan": "category", "organ": "category"})
    pd.testing.assert_frame_equal(along_body(named), along_body(table), check_dtype=False, check_categorical=False)
    assert np.allclose(calibration(named)["right"], calibration(table)["right"])
