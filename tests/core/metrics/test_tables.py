"""The slice and scan tables, and the means over scans that become headlines."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.data.identity import SliceName
from core.data.manifest import ScanInfo
from core.data.scan import Scan, SliceFile
from core.labels import ORGANS
from core.metrics.confidence import Confidence
from core.metrics.overlap import confusion_per_slice
from core.metrics.tables import (
    OTHER_MEANS,
    OVERLAP_MEANS,
    frame,
    mean_over_organs,
    over_all_organs,
    scan_rows,
    slice_rows,
    summarise,
)
from tests.core.metrics.references import score_scan

Volume = np.ndarray
SPACING = (3.0, 1.5, 1.5)


def make_scan(name: str, slices: int, day: int | None = 0) -> Scan:
    files = [SliceFile(SliceName(name, name, n + 3, f"{name}_{n + 3}", day), Path(), Path()) for n in range(slices)]
    return Scan(f"{name}_day0", name, day, tuple(files), ScanInfo())


def table_of(pairs: list[tuple[Volume, Volume]]) -> pd.DataFrame:
    rows = []
    for number, (reference, prediction) in enumerate(pairs):
        scores = score_scan(reference=reference, prediction=prediction, spacing_mm=SPACING)
        rows += scan_rows(make_scan(f"case{number}", len(reference)), scores)
    return frame(rows)


def summary_of(pairs: list[tuple[Volume, Volume]]) -> dict[str, dict[str, object]]:
    return summarise(table_of(pairs))


def volume(*planes: list[int]) -> Volume:
    return np.array(planes, np.uint8)[:, None, :]


def test_a_scan_is_scored_as_one_volume() -> None:
    reference, prediction = volume([1, 1, 1, 1], [1, 0, 0, 0]), volume([1, 1, 1, 1], [0, 1, 0, 0])
    scores = score_scan(reference=reference, prediction=prediction, spacing_mm=SPACING)
    stomach = scan_rows(make_scan("case1", 2), scores, leak="patient-clean")[0]
    # Slices score 1 and 0; the volume shares 4 of 5 and 5 voxels: 8 / 10, not the slices' mean of 0.5. All voxels are
    # surface; of ten distances eight are 0 and two 1.5 mm, one in each direction: its 95th percentile is 0.8 of the way
    # from the fourth to the fifth of 0, 0, 0, 0, 1.5.
    assert stomach == {
        "patient": "case1", "scan": "case1_day0", "day": 0, "slices": 2, "organ": "stomach", "outcome": "scored",
        "dice": 0.8, "iou": 4 / 6, "precision": 0.8, "recall": 0.8,
        "reference_voxels": 5, "prediction_voxels": 5, "both_voxels": 4,
        "hd95_mm": pytest.approx(1.2), "nsd_1_5mm": 1.0, "nsd_3mm": 1.0, "mean_surface_distance_mm": pytest.approx(0.3),
        "reference_ml": pytest.approx(0.03375), "prediction_ml": pytest.approx(0.03375), "volume_error_ml": 0.0,
        "volume_error_percent": 0.0, "flip_agreement": pytest.approx(math.nan, nan_ok=True), "leak": "patient-clean",
    }  # fmt: skip


def test_slice_rows_by_hand() -> None:
    reference, prediction = volume([1, 1, 0], [0, 0, 2]), volume([1, 0, 0], [0, 0, 3])
    certain = np.full((2, 1, 3), 255, np.uint8)
    certain[1, 0, 2] = 51
    highest = np.array([[1, 1, 0.25, 0], [1, 0.5, 0.75, 0.5]], np.float32)
    confusion = confusion_per_slice(reference=reference, prediction=prediction)
    table = frame(slice_rows(make_scan("case1", 2), confusion, confidence=Confidence.of(prediction, certain, highest)))
    assert table["outcome"].tolist() == ["scored", "absent", "absent", "absent", "missed", "false_alarm"]
    assert table["slice"].tolist() == [3, 3, 3, 4, 4, 4]
    assert table["position"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["dice"].iloc[0] == pytest.approx(2 / 3)
    assert table["confidence"].iloc[[0, 5]].tolist() == pytest.approx([1.0, 0.2])
    assert table["confidence"].iloc[1:5].isna().all()
    assert table["confidence_absent"].iloc[1:5].tolist() == [0.75, 1.0, 0.5, 0.25]
    assert table["confidence_absent"].iloc[[0, 5]].isna().all()
    assert table["flip_agreement"].isna().all()


def test_days_that_names_do_not_tell_stay_empty() -> None:
    empty = np.zeros((1, 2, 2), np.uint8)
    scores = score_scan(reference=empty, prediction=empty, spacing_mm=None)
    rows = [row for day in (None, 3) for row in scan_rows(make_scan("a", 1, day), scores)]
    table = frame(rows)
    assert table["day"].dtype == "Int64"
    assert table["day"].isna().sum() == 3
    assert frame(rows[:3])["day"].isna().all()


def test_summary_by_hand() -> None:
    scored = volume([1, 1]), volume([1, 0])  # Dice 2/3
    missed = volume([1, 1]), volume([0, 0])
    alarm = volume([0, 0]), volume([1, 0])
    absent = volume([0, 0]), volume([0, 0])
    stomach = summary_of([scored, missed, alarm, absent])["stomach"]
    diagonal = math.hypot(3.0, 1.5, 3.0)
    assert {key: value for key, value in stomach.items() if key not in ("counts", "intervals")} == {
        "dice": pytest.approx(2 / 9),
        "iou": pytest.approx(1 / 6),
        "precision": pytest.approx(1 / 3),
        "recall": pytest.approx(1 / 6),
        "hd95_mm": pytest.approx((0.95 * 1.5 + 2 * diagonal) / 3),
        "nsd_1_5mm": pytest.approx(1 / 3),
        "nsd_3mm": pytest.approx(1 / 3),
        "mean_surface_distance_mm": pytest.approx((0.5 + 2 * diagonal) / 3),
        "volume_error_ml": pytest.approx(-0.00675 * 2 / 3),
        "volume_error_percent": pytest.approx(-75),
        "absolute_volume_error_ml": pytest.approx(0.00675 * 4 / 3),
        "scans": 3,
        "missed": 1,
        "false_alarm": 1,
        "absent": 1,
    }
    assert stomach["counts"]["dice"] == 3
    assert stomach["counts"]["volume_error_percent"] == 2, "there is no percentage of an organ that is not there"
    assert stomach["intervals"]["dice"]["patients"] == 3


def test_an_organ_that_is_nowhere_has_no_score() -> None:
    summary = summary_of([(volume([1, 0]), volume([1, 0]))])
    colon = summary["large_bowel"]
    assert (colon["scans"], colon["missed"], colon["false_alarm"], colon["absent"]) == (0, 0, 0, 1)
    assert all(colon[name] is None for name in (*OVERLAP_MEANS, *OTHER_MEANS, "nsd_1_5mm", "nsd_3mm"))
    assert set(colon["counts"].values()) == {0}
    assert set(colon["intervals"].values()) == {None}
    assert over_all_organs(table_of([(volume([1, 0]), volume([1, 0]))]))["dice"] == 1.0


def test_one_patient_has_no_interval() -> None:
    assert summary_of([(volume([1, 0]), volume([1, 0]))])["stomach"]["intervals"]["dice"] is None


def test_without_spacing_distances_and_volumes_are_undefined_and_the_rest_is_not() -> None:
    reference, prediction = volume([1, 1]), volume([1, 0])
    scores = score_scan(reference=reference, prediction=prediction, spacing_mm=None)
    stomach = summarise(frame(scan_rows(make_scan("case1", 1), scores)))["stomach"]
    assert stomach["dice"] == pytest.approx(2 / 3)
    for name in ("hd95_mm", "nsd_3mm", "mean_surface_distance_mm", "volume_error_ml", "absolute_volume_error_ml"):
        assert stomach[name] is None
        assert stomach["counts"][name] == 0
    assert stomach["volume_error_percent"] == -50


def test_other_tolerances_have_other_columns() -> None:
    one = volume([1, 0])
    scores = score_scan(reference=one, prediction=one, spacing_mm=SPACING, tolerances_mm=(0.25, 2))
    table = frame(scan_rows(make_scan("case1", 1), scores))
    assert [name for name in table if name.startswith("nsd_")] == ["nsd_0_25mm", "nsd_2mm"]
    assert summarise(table)["stomach"]["nsd_0_25mm"] == 1


def test_the_badge_stands_beside_every_score() -> None:
    one = volume([1, 0])
    confusion = confusion_per_slice(reference=one, prediction=one)
    rows = slice_rows(make_scan("case1", 1), confusion, leak="leaked (1 of 1 patients)")
    assert {row["leak"] for row in rows} == {"leaked (1 of 1 patients)"}
    assert all(math.isnan(row["confidence"]) for row in rows)


def test_over_all_organs_each_scan_counts_once() -> None:
    """Scans 1 and 2 hold a stomach alone (Dice 1 and 1), scan 3 a stomach (0) and a small bowel (0.5): 1, 1 and 0.25."""
    one = volume([1, 0, 0, 0])
    pairs = [(one, one), (one, one), (volume([1, 2, 2, 0]), volume([0, 2, 0, 2])), (volume([0]), volume([0]))]
    table = table_of(pairs)
    assert mean_over_organs(table, ["dice"])["dice"].tolist() == pytest.approx([1, 1, 0.25, math.nan], nan_ok=True)
    found = over_all_organs(table)
    organs = summarise(table)
    of_organs = np.mean([each["dice"] for each in organs.values() if each["dice"] is not None])
    assert found["dice"] == pytest.approx(2.25 / 3)
    assert of_organs == pytest.approx((2 / 3 + 1 / 2) / 2), "another number: the scan with a bowel weighs more in it"
    assert (found["scans"], found["absent"], found["missed"], found["false_alarm"], found["counts"]["dice"]) == (3, 1, 1, 0, 3)
    diagonal = math.hypot(3.0, 1.5, 4 * 1.5)
    assert found["hd95_mm"] == pytest.approx((diagonal + 1.5) / 2 / 3, rel=0.2)


def test_distances_over_all_organs_leave_out_scans_of_unknown_spacing() -> None:
    one = volume([1, 0])
    scores = score_scan(reference=one, prediction=one, spacing_mm=None)
    found = over_all_organs(pd.concat([table_of([(one, one)]), frame(scan_rows(make_scan("case9", 1), scores))]))
    assert (found["counts"]["dice"], found["counts"]["hd95_mm"], found["hd95_mm"]) == (2, 1, 0.0)


def test_the_interval_over_all_organs_holds_the_mean() -> None:
    table = table_of([(volume([1, 2, 3, 0]), volume(drawn)) for drawn in ([1, 2, 3, 3], [1, 2, 2, 0], [1, 1, 0, 0])])
    found = over_all_organs(table)
    assert found["intervals"]["dice"]["low"] < found["dice"] < found["intervals"]["dice"]["high"]
    assert over_all_organs(table.head(3))["intervals"]["dice"] is None


def test_without_any_scan_there_is_no_headline() -> None:
    found = over_all_organs(table_of([(volume([1]), volume([1]))]).head(0))
    assert (found["dice"], found["scans"], found["absent"], found["intervals"]["dice"]) == (None, 0, 0, None)


def test_background_does_not_lift_the_score() -> None:
    empty = np.zeros((1, 1, 100), np.uint8)
    one = empty.copy()
    one[0, 0, 0] = 1
    assert over_all_organs(table_of([(one, empty)]))["dice"] == 0.0


volumes = arrays(np.uint8, (2, 2, 3), elements=st.integers(0, 3))
pairs = st.lists(st.tuples(volumes, volumes), min_size=1, max_size=3)


@given(pairs, st.sampled_from(ORGANS), st.data())
def test_to_miss_an_organ_never_improves_a_score(found: list[tuple[Volume, Volume]], organ, data: st.DataObject) -> None:
    """Removing a predicted organ from a scan that has it never raises its mean Dice or IoU, nor the headline."""
    chosen = data.draw(st.sampled_from(range(len(found))))
    reference, prediction = found[chosen]
    if not (reference == organ.id).any():
        return
    without = [*found]
    without[chosen] = reference, np.where(prediction == organ.id, 0, prediction).astype(np.uint8)
    tables = table_of(found), table_of(without)
    before, after = (summarise(table) for table in tables)
    for score in ("dice", "iou"):
        assert after[organ.name][score] <= before[organ.name][score] + 1e-12
        assert over_all_organs(tables[1])[score] <= over_all_organs(tables[0])[score] + 1e-12
    assert after[organ.name]["scans"] == before[organ.name]["scans"]


@given(pairs, st.sampled_from(ORGANS))
def test_the_summary_is_the_mean_over_scans_without_the_absent(found: list[tuple[Volume, Volume]], organ) -> None:
    scores = []
    for reference, prediction in found:
        a, b = reference == organ.id, prediction == organ.id
        scores.append(2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else math.nan)
    expected = None if np.isnan(scores).all() else pytest.approx(np.nanmean(scores))
    assert summary_of(found)[organ.name]["dice"] == expected
