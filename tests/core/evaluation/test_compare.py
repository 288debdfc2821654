"""Two evaluations compared: differences by hand, the test against scipy, and pairs that must not be made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import WorkspaceError
from core.evaluation.compare import compare, signed_rank
from core.labels import ORGAN_NAMES
from core.runs.registry import Evaluation
from core.storage.workspace import EvaluationPaths

NAN = float("nan")
Table = dict[str, tuple[float, float, float]]
"""Dice of stomach, small bowel and large bowel by scan."""
Make = Callable[..., Evaluation]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes an evaluation with these Dice; the reference of a scan is told by ``references`` or by its name."""

    def made(run: str, dice: Table, *, references: dict[str, str] | None = None, **more: Any) -> Evaluation:
        rows = [
            {
                "patient": scan.split("_")[0],
                "scan": scan,
                "organ": organ,
                "dice": value,
                "outcome": "scored" if value else "missed",
            }
            | more.get("columns", {})
            for scan, values in dice.items()
            for organ, value in zip(ORGAN_NAMES, values, strict=True)
        ]
        paths = EvaluationPaths(tmp_path / run)
        paths.root.mkdir()
        table = pd.DataFrame(rows)
        table.loc[table["dice"].isna(), "outcome"] = "absent"
        table.to_parquet(paths.scans)
        facts = {scan: {"reference_sha256": (references or {}).get(scan, scan)} for scan in dice}
        leak = {"kind": more.get("leak", "patient-clean"), "leaked": 1, "patients": 2}
        conventions = {"unit": more.get("unit", "one scan")}
        return Evaluation(run, "set-valid", paths, {"scans": facts, "leak": leak, "conventions": conventions})

    return made


A: Table = {"case1_day0": (0.8, 0.6, NAN), "case1_day2": (0.7, 0.5, 0.9), "case2_day0": (0.9, 0.7, 0.8)}
B: Table = {"case1_day0": (0.9, 0.5, 0.0), "case1_day2": (0.9, 0.5, 0.9), "case2_day0": (0.6, 0.7, 0.8)}


def test_differences_by_hand(make: Make) -> None:
    done = compare(make("a", A), make("b", B))
    found = {each.organ: each for each in done.differences}
    assert list(found) == [*ORGAN_NAMES, "all"]
    stomach, large, every = found["stomach"], found["large_bowel"], found["all"]
    assert (stomach.scans, stomach.patients, stomach.undefined) == (3, 2, 0)
    assert (stomach.a, stomach.b, stomach.difference) == pytest.approx((0.8, 0.8, 0.0))
    # Only patient 1 drawn: +0.15; only patient 2: -0.3.
    assert (stomach.low, stomach.high) == pytest.approx((-0.3, 0.15))
    # B drew a large bowel in a scan that has none: no pair of scores, but a changed outcome.
    assert (large.scans, large.undefined, large.difference) == (2, 1, 0.0)
    # Per scan, each side over the organs that have a score there, B's false alarm included: 1.4 / 3 - 1.4 / 2, 0.2 / 3, -0.3 / 3.
    assert (every.scans, every.difference) == (3, pytest.approx((1.4 / 3 - 0.7 + 0.2 / 3 - 0.1) / 3))
    assert (done.scans, done.patients, done.left_out) == (3, 2, {})


def test_what_changed_most(make: Make) -> None:
    done = compare(make("a", A), make("b", B))
    worse, better = done.most_changed()
    alarm, row = worse.to_dict("records")
    assert (alarm["scan"], alarm["organ"]) == ("case1_day0", "large_bowel")
    assert (alarm["dice_a"], alarm["dice_b"]) == pytest.approx((0.7, 1.4 / 3))
    assert np.isnan(alarm["organ_difference"]), "absent in A: no difference of scores"
    assert (row["scan"], row["organ"]) == ("case2_day0", "stomach")
    assert (row["dice_a"], row["dice_b"], row["difference"]) == pytest.approx((0.8, 0.7, -0.1))
    assert better["scan"].tolist() == ["case1_day2"]
    assert better["organ_difference"].tolist() == pytest.approx([0.2])
    (changed,) = done.outcomes.to_dict("records")
    assert (changed["scan"], changed["organ"], changed["outcome_a"]) == ("case1_day0", "large_bowel", "absent")


def test_the_result_is_json_and_carries_both_badges(make: Make) -> None:
    content = compare(make("a", A), make("b", B, leak="leaked")).to_json()
    assert (content["leak_a"], content["leak_b"]) == ("patient-clean", "leaked (1 of 2 patients)")
    assert json.loads(json.dumps(content, allow_nan=False))["differences"][0]["organ"] == "stomach"
    assert [each["scan"] for each in content["worse"]] == ["case1_day0", "case2_day0"]
    assert content["worse"][0]["organ_difference"] is None


def test_distances_are_compared_where_both_have_them(make: Make) -> None:
    a = make("a", A, columns={"hd95_mm": 9.0, "nsd_3mm": 0.5, "nsd_1_5mm": 0.4})
    done = compare(a, make("b", B, columns={"hd95_mm": 7.0, "nsd_3mm": 0.6}))
    found = {(each.score, each.organ): each for each in done.differences}
    assert {score for score, _ in found} == {"dice", "hd95_mm", "nsd_3mm"}
    hd95 = found["hd95_mm", "all"]
    assert (hd95.difference, hd95.low, hd95.high, hd95.higher_is_better) == (-2, -2, -2, False)
    assert found["nsd_3mm", "stomach"].higher_is_better


def test_one_patient_has_no_interval_and_no_test(make: Make) -> None:
    (stomach, *_) = compare(make("a", {"case1_day0": (0.8, 0.8, 0.8)}), make("b", {"case1_day0": (0.9, 0.8, 0.8)})).differences
    assert (stomach.low, stomach.high, stomach.over_scans.p) == (None, None, None)
    assert (stomach.over_scans.n, stomach.over_scans.zeros) == (1, 0)


def test_an_organ_that_no_scan_has(make: Make) -> None:
    none = {"case1_day0": (0.8, 0.8, NAN), "case2_day0": (0.8, 0.8, NAN)}
    large = compare(make("a", none), make("b", none)).differences[2]
    assert (large.organ, large.scans, large.undefined, large.a, large.difference) == ("large_bowel", 0, 2, None, None)


def test_the_same_input_gives_the_same_interval(make: Make) -> None:
    random = np.random.default_rng(1)
    tables = [{f"case{n}_day0": tuple(random.random(3)) for n in range(12)} for _ in range(2)]
    a, b = make("a", tables[0]), make("b", tables[1])
    first, again, other = (compare(a, b, seed=seed).differences for seed in (1, 1, 2))
    assert first == again
    assert first[0].low != other[0].low
    assert first[0].low < first[0].difference < first[0].high


def test_scans_with_another_reference_are_left_out_and_counted(make: Make) -> None:
    a = make("a", A | {"case9_day0": (1, 1, 1)})
    b = make("b", B | {"case8_day0": (1, 1, 1)}, references={"case2_day0": "redrawn"})
    done = compare(a, b)
    assert (done.scans, done.patients) == (2, 1)
    assert done.left_out == {"only in A": 1, "only in B": 1, "other reference": 1}


@pytest.mark.parametrize(
    ("table", "references", "why"),
    [(B, dict.fromkeys(B, "redrawn"), "their references differ"), ({"case7_day0": (1, 1, 1)}, {}, "they have no scan in common")],
)
def test_nothing_to_pair(make: Make, table: Table, references: dict[str, str], why: str) -> None:
    sentence = rf"^The evaluations cannot be compared because {why}: a · set-valid and b · set-valid; evaluate both on .*\.$"
    with pytest.raises(WorkspaceError, match=sentence):
        compare(make("a", A), make("b", table, references=references))


def test_other_conventions(make: Make) -> None:
    sentence = "^The evaluations follow different conventions: unit of a · set-valid and b · set-valid; evaluate the older"
    with pytest.raises(WorkspaceError, match=sentence):
        compare(make("a", A), make("b", B, unit="one slice"))


def test_signed_rank_by_hand() -> None:
    # Six gains: of 64 ways to sign the ranks only all-plus and all-minus are as extreme, so p = 2 / 64.
    assert signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])).p == pytest.approx(2 / 64)
    five = signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.0, 0.0]))
    assert (five.n, five.zeros, five.p) == (5, 2, None)


def test_signed_rank_agrees_with_scipy(make: Make) -> None:
    random = np.random.default_rng(3)
    tables = [{f"case{n % 9}_day{n}": tuple(random.random(3)) for n in range(20)} for _ in range(2)]
    done = compare(make("a", tables[0]), make("b", tables[1])).differences[1]
    a, b = (pd.Series({scan: values[1] for scan, values in table.items()}) for table in tables)
    assert (done.over_scans.n, done.over_patients.n) == (20, 9)
    assert done.over_scans.p == pytest.approx(stats.wilcoxon(a, b).pvalue)
    patients = (b - a).groupby(lambda scan: scan.split("_")[0]).mean()
    assert done.over_patients.p == pytest.approx(stats.wilcoxon(patients).pvalue)
