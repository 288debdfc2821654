"""What is taken for what, by hand, and against the confusion matrix of a real scoring."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.charts.mistakes import confusion, kinds_of_error
from core.labels import CLASSES
from core.metrics.regions import COLUMNS, regions_frame
from tests.browser.small_workspace import small_workspace


def region(scan: str, organ: str, side: str, voxels: int, *, other: str = "", kind: str = "boundary", number: int = 7) -> dict:
    defaults = {"patient": "p", "day": 0, "end": "", "first_slice": 1, "last_slice": 9, "position": 0, "x": 1, "y": 1}
    row = defaults | {"scan": scan, "organ": organ, "side": side, "other": other, "kind": kind, "slice": number}
    return row | {"voxels": voxels, "volume_ml": voxels / 100}


ERRORS = regions_frame(
    [
        region("a", "stomach", "missing", 300, number=3),
        region("b", "stomach", "missing", 100),
        region("b", "stomach", "missing", 150, number=4),
        region("a", "large_bowel", "extra", 50),
        region("a", "small_bowel", "exchanged", 20, other="stomach", kind="swapped"),
    ]
)
SCANS = pd.DataFrame(
    {
        "scan": ["a", "b"],
        "organ": "stomach",
        "dice": [0.5, 0.7],
        "both_voxels": [400, 600],
        "reference_voxels": [700, 850],
        "reference_ml": [7.0, 8.5],
    }
)


def cell(table: pd.DataFrame, reference: str, prediction: str) -> dict:
    return table[(table["reference"] == reference) & (table["prediction"] == prediction)].to_dict("records")[0]


def test_confusion_by_hand() -> None:
    found = confusion(SCANS, ERRORS)
    missed = cell(found.table, "stomach", "background")
    assert (found.unit, found.left_out) == ("ml", 0)
    assert (missed["amount"], missed["scans"], missed["scan"], missed["slice"]) == (5.5, 2, "a", 3)
    extra = cell(found.table, "background", "large_bowel")
    assert (extra["amount"], extra["organ"]) == (0.5, "large_bowel")
    assert cell(found.table, "small_bowel", "stomach")["amount"] == pytest.approx(0.2)
    right = cell(found.table, "stomach", "stomach")
    assert (right["amount"], right["scan"]) == (pytest.approx(10.0), "a")


def test_the_worst_scan_of_a_pair_is_that_with_most_in_all_not_with_the_largest_region() -> None:
    errors = regions_frame([region("a", "stomach", "missing", 200, number=3), *[region("b", "stomach", "missing", 150)] * 2])
    assert cell(confusion(SCANS, errors).table, "stomach", "background")["scan"] == "b"


def test_without_any_spacing_voxels_are_counted() -> None:
    found = confusion(SCANS.assign(reference_ml=float("nan")), ERRORS.assign(volume_ml=float("nan")))
    assert found.unit == "voxels"
    assert cell(found.table, "stomach", "background")["amount"] == 550
    assert cell(found.table, "stomach", "stomach")["amount"] == 1000


def test_kinds_by_hand_largest_first() -> None:
    found = kinds_of_error(SCANS, ERRORS).table
    assert list(found["kind"]) == ["boundary", "boundary", "swapped"]
    stomach = found[found["organ"] == "stomach"].to_dict("records")[0]
    assert (stomach["amount"], stomach["regions"], stomach["scans"], stomach["scan"], stomach["slice"]) == (5.5, 3, 2, "a", 3)


def test_amounts_are_of_the_scans_whose_volume_is_known_with_or_without_an_error() -> None:
    """Scan c has no error, d and e are partial (e without an error): amounts are of a, b and c."""
    more = pd.DataFrame({"scan": list("cde"), "organ": "stomach", "dice": 1.0, "both_voxels": 10, "reference_voxels": 10})
    scans = pd.concat([SCANS, more.assign(reference_ml=[0.1, float("nan"), float("nan")])], ignore_index=True)
    partial = regions_frame([region("d", "stomach", "missing", 900)]).assign(volume_ml=float("nan"))
    errors = pd.concat([ERRORS, partial], ignore_index=True)
    for found in (confusion(scans, errors), kinds_of_error(scans, errors)):
        assert (found.unit, found.scans, found.left_out) == ("ml", 3, 2)
        assert found.over == "3 scans (2 of unknown volume left out)"
        assert "d" not in set(found.table["scan"])


def test_voxels_are_of_all_scans() -> None:
    found = kinds_of_error(SCANS.assign(reference_ml=float("nan")), ERRORS.assign(volume_ml=float("nan")))
    assert (found.unit, found.scans, found.left_out, found.over) == ("voxels", 2, 0, "2 scans")


def test_no_error_at_all_gives_empty_tables() -> None:
    none = regions_frame([])
    assert list(none.columns) == list(COLUMNS)
    assert kinds_of_error(SCANS, none).table.empty
    assert len(confusion(SCANS, none).table) == 1


def test_the_cells_add_up_to_the_stored_confusion_matrix(tmp_path: Path) -> None:
    evaluation = small_workspace(tmp_path)
    found = confusion(evaluation.scans(), evaluation.errors())
    names = [each.name for each in CLASSES]
    wide = found.table.pivot(index="reference", columns="prediction", values="amount").reindex(index=names, columns=names)
    stored = np.array(evaluation.summary["confusion"]["pixels"], float) * 3.0 * 2.0 * 1.0 / 1000
    stored[0, 0] = 0
    assert np.allclose(wide.fillna(0).to_numpy(float), stored)
