"""The slice and scan tables, and the means over scans that become headlines."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.data.identity import SliceName
from core.data.index import Scan, SliceFile
from core.data.manifest import ScanInfo
from core.labels import ORGANS
from core.metrics.overlap import confusion_per_slice
from core.metrics.tables import frame, macro_dice, scan_rows, slice_rows, summarise

Volume = np.ndarray


def make_scan(name: str, slices: int, day: int | None = 0) -> Scan:
    files = [SliceFile(SliceName(name, name, n + 3, f"{name}_{n + 3}", day), Path(), Path()) for n in range(slices)]
    return Scan(f"{name}_day0", name, day, tuple(files), ScanInfo())


def summary_of(pairs: list[tuple[Volume, Volume]]) -> dict[str, dict[str, object]]:
    rows = []
    for number, (reference, prediction) in enumerate(pairs):
        confusion = confusion_per_slice(reference=reference, prediction=prediction)
        rows += scan_rows(make_scan(f"case{number}", len(reference)), confusion)
    return summarise(frame(rows))


def volume(*planes: list[int]) -> Volume:
    return np.array(planes, np.uint8)[:, None, :]


def test_a_scan_is_scored_as_one_volume() -> None:
    reference, prediction = volume([1, 1, 1, 1], [1, 0, 0, 0]), volume([1, 1, 1, 1], [0, 1, 0, 0])
    confusion = confusion_per_slice(reference=reference, prediction=prediction)
    stomach = scan_rows(make_scan("case1", 2), confusion)[0]
    # Slices score 1 and 0; the volume shares 4 of 5 and 5 voxels: 8 / 10, not the slices' mean of 0.5.
    assert stomach == {
        "patient": "case1", "scan": "case1_day0", "day": 0, "slices": 2, "organ": "stomach", "outcome": "scored",
        "dice": 0.8, "iou": 4 / 6, "reference_voxels": 5, "prediction_voxels": 5, "both_voxels": 4,
    }  # fmt: skip


def test_slice_rows_by_hand() -> None:
    reference, prediction = volume([1, 1, 0], [0, 0, 2]), volume([1, 0, 0], [0, 0, 3])
    confidence = np.full((2, 1, 3), 255, np.uint8)
    confidence[1, 0, 2] = 51
    confusion = confusion_per_slice(reference=reference, prediction=prediction)
    table = frame(slice_rows(make_scan("case1", 2), confusion, prediction=prediction, confidence=confidence))
    assert table["outcome"].tolist() == ["scored", "absent", "absent", "absent", "missed", "false_alarm"]
    assert table["slice"].tolist() == [3, 3, 3, 4, 4, 4]
    assert table["position"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["dice"].iloc[0] == pytest.approx(2 / 3)
    assert table["confidence"].iloc[[0, 5]].tolist() == pytest.approx([1.0, 0.2])
    assert table["confidence"].iloc[1:5].isna().all()


def test_days_that_names_do_not_tell_stay_empty() -> None:
    rows = [row for day in (None, 3) for row in scan_rows(make_scan("a", 1, day), np.zeros((1, 4, 4), np.int64))]
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
    assert stomach == {
        "dice": pytest.approx(2 / 9),
        "iou": pytest.approx(1 / 6),
        "scans": 3,
        "missed": 1,
        "false_alarm": 1,
        "absent": 1,
    }


def test_an_organ_that_is_nowhere_has_no_score() -> None:
    summary = summary_of([(volume([1, 0]), volume([1, 0]))])
    assert summary["large_bowel"] == {"dice": None, "iou": None, "scans": 0, "missed": 0, "false_alarm": 0, "absent": 1}
    assert macro_dice(summary) == 1.0


def test_macro_dice_is_the_mean_of_the_organs_means() -> None:
    organs = {"a": {"dice": 0.2}, "b": {"dice": 0.6}, "c": {"dice": None}}
    assert macro_dice(organs) == pytest.approx(0.4)
    assert macro_dice({"a": {"dice": None}}) is None


def test_background_does_not_lift_the_score() -> None:
    empty = np.zeros((1, 1, 100), np.uint8)
    one = empty.copy()
    one[0, 0, 0] = 1
    assert macro_dice(summary_of([(one, empty)])) == 0.0


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
    before, after = summary_of(found), summary_of(without)
    for score in ("dice", "iou"):
        assert after[organ.name][score] <= before[organ.name][score] + 1e-12
    assert macro_dice(after) <= macro_dice(before) + 1e-12
    assert after[organ.name]["scans"] == before[organ.name]["scans"]


@given(pairs, st.sampled_from(ORGANS))
def test_the_summary_is_the_mean_over_scans_without_the_absent(found: list[tuple[Volume, Volume]], organ) -> None:
    scores = []
    for reference, prediction in found:
        a, b = reference == organ.id, prediction == organ.id
        scores.append(2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else math.nan)
    expected = None if np.isnan(scores).all() else pytest.approx(np.nanmean(scores))
    assert summary_of(found)[organ.name]["dice"] == expected
