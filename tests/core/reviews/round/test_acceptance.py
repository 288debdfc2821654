"""What score readers accept: two libraries' lines, honest refusals, disputed scans, minutes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from statsmodels.discrete.discrete_model import Logit

from core.labels import MACRO
from core.metrics.bootstrap import draws
from core.reviews.round.acceptance import Acceptance, acceptance, effort, headline, resampled_lines
from core.reviews.store.events import Event, Verdict
from core.reviews.store.state import ScanReview
from tests.core.reviews.judged import judged, verdict_event

ORGANS = ("stomach", "small_bowel", "large_bowel")


def score_table(scores: Sequence[float], *, scans_per_patient: int = 1) -> pd.DataFrame:
    """``scans.parquet`` as far as it is read here: every organ with the same Dice, the NSD 0.05 below."""
    rows = [
        {"patient": f"p{i // scans_per_patient}", "scan": f"s{i}", "organ": organ, "dice": dice, "nsd_3mm": dice - 0.05}
        for i, dice in enumerate(scores)
        for organ in ORGANS
    ]
    return pd.DataFrame(rows)


def verdicts_for(accepted: Sequence[bool], reader: str = "R1") -> dict[str, ScanReview]:
    return judged({f"s{i}": {reader: Verdict.ACCEPT if yes else Verdict.MAJOR_EDITS} for i, yes in enumerate(accepted)})


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """120 scores, accepted with log-odds 30·(score − 0.8)."""
    draw = np.random.default_rng(3)
    score = draw.uniform(0.5, 1.0, 120)
    return score, draw.uniform(size=120) < 1 / (1 + np.exp(-30 * (score - 0.8)))


@pytest.fixture(scope="module")
def found(drawn) -> list[Acceptance]:
    score, accepted = drawn
    return acceptance(score_table(score, scans_per_patient=2), verdicts_for(accepted))


def test_a_curve_for_each_score_and_organ(found) -> None:
    assert [(each.score, each.organ) for each in found] == [
        (score, organ) for score in ("dice", "nsd_3mm") for organ in (*ORGANS, MACRO)
    ]


def test_the_line_is_the_maximum_likelihood_one(found, drawn) -> None:
    score, accepted = drawn
    fitted = Logit(accepted.astype(float), np.column_stack([np.ones_like(score), score])).fit(disp=0)
    half = found[0].limits[0]
    assert half.score == pytest.approx(-fitted.params[0] / fitted.params[1], abs=1e-6)
    assert found[0].limits[1].score == pytest.approx((np.log(4) - fitted.params[0]) / fitted.params[1], abs=1e-6)
    assert found[4].limits[0].score == pytest.approx(half.score - 0.05, abs=1e-6)


def test_the_truth_lies_in_the_interval_and_the_counts_are_beside_it(found, drawn) -> None:
    dice = found[0]
    assert dice.limits[0].low < 0.8 < dice.limits[0].high
    assert (dice.verdicts, dice.accepted, dice.scans, dice.patients, dice.readers) == (120, int(drawn[1].sum()), 120, 60, 1)
    assert dice.problem == ""
    inside = (dice.curve["low"] <= dice.curve["p"]) & (dice.curve["p"] <= dice.curve["high"])
    assert inside.all()
    assert dice.curve["p"].is_monotonic_increasing


def test_resampled_lines_are_a_library_s(drawn) -> None:
    score, accepted = drawn
    times = draws(120)[:5]
    ours = resampled_lines(score, accepted.astype(float), times)
    x = (score - score.mean()) / score.std()
    for line, weights in zip(ours, times, strict=True):
        theirs = LogisticRegression(C=100, tol=1e-10, max_iter=1000).fit(x[:, None], accepted, sample_weight=weights)
        slope = theirs.coef_[0, 0] / score.std()
        np.testing.assert_allclose(line, [theirs.intercept_[0] - slope * score.mean(), slope], rtol=1e-4)


def test_a_resample_that_splits_cleanly_has_its_limit_in_the_gap_and_one_of_one_kind_has_none() -> None:
    score, accepted = np.array([0.5, 0.6, 0.8, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    clean, nothing = resampled_lines(score, accepted, np.array([[1, 1, 1, 1], [2, 2, 0, 0]]))
    assert 0.6 < -clean[0] / clean[1] < 0.8
    assert np.isnan(nothing).all()


def test_too_few_verdicts_are_said_to_be_too_few() -> None:
    few = acceptance(score_table(np.linspace(0.5, 0.9, 9)), verdicts_for([False] * 5 + [True, False, True, True]))[0]
    assert few.problem == "Not enough verdicts: 3 accepted and 6 not, of 9 patients; 5 of each and 5 patients are needed."
    assert (few.limits, len(few.curve), len(few.points)) == ((), 0, 9)
    draw = np.random.default_rng(0)
    one = acceptance(score_table(draw.uniform(size=30), scans_per_patient=30), verdicts_for(draw.uniform(size=30) < 0.5))[0]
    assert "of 1 patient;" in one.problem
    assert acceptance(score_table([0.5]), {})[0].verdicts == 0


def test_a_clean_split_names_the_gap_and_fits_nothing() -> None:
    clean = acceptance(score_table(np.linspace(0.5, 0.95, 10)), verdicts_for([False] * 5 + [True] * 5))[0]
    assert clean.gap == (pytest.approx(0.7), pytest.approx(0.75))
    assert clean.problem == "Every accepted scan scores above every other: the limit lies between 0.700 and 0.750."
    assert clean.limits == ()


@pytest.mark.parametrize("clean", [True, False])
def test_acceptance_that_does_not_rise_with_the_score_has_no_limit(clean: bool) -> None:
    accepted = [True] * 6 + [False] * 6
    if not clean:
        accepted[2], accepted[8] = False, True
    upside_down = acceptance(score_table(np.linspace(0.5, 0.95, 12)), verdicts_for(accepted))[0]
    assert upside_down.problem == "Acceptance does not rise with this score."
    assert upside_down.limits == ()


def test_a_limit_beyond_the_scores_judged_is_not_told() -> None:
    accepted = np.arange(40) % 4 != 0
    mostly = acceptance(score_table(np.linspace(0.9, 0.95, 40) + 0.002 * accepted), verdicts_for(accepted))[0]
    assert mostly.problem == ""
    assert mostly.limits[0].score is None


def test_verdicts_outside_the_scale_and_scans_without_the_score_are_left_out() -> None:
    scores = [0.5, 0.6, float("nan"), 0.7]
    reviews = verdicts_for([False, True, True, True]) | judged(
        {"s3": {"R1": Verdict.REFERENCE_WRONG}, "gone": {"R1": Verdict.REJECT}}
    )
    one = acceptance(score_table(scores), reviews)[0]
    assert (one.verdicts, one.accepted, one.without_score) == (2, 1, 1)


def test_minor_edits_can_count_as_accepted() -> None:
    reviews = judged({"s0": {"R1": Verdict.MINOR_EDITS}})
    table = score_table([0.5])
    assert acceptance(table, reviews)[0].accepted == 0
    assert acceptance(table, reviews, accepting={Verdict.ACCEPT, Verdict.MINOR_EDITS})[0].accepted == 1


def full_table(scores: Sequence[float]) -> pd.DataFrame:
    table = score_table(scores).assign(outcome="scored")
    others = ("iou", "precision", "recall", "hd95_mm", "mean_surface_distance_mm", "volume_error_ml", "volume_error_percent")
    return table.assign(**dict.fromkeys(others, 0.0))


def test_the_headline_with_and_without_disputed_scans_by_hand() -> None:
    reviews = judged({"s1": {"R1": Verdict.REFERENCE_WRONG, "R2": Verdict.ACCEPT}, "s2": {"R1": Verdict.REJECT}})
    lines = {each.organ: each for each in headline(full_table([0.9, 0.3, 0.6]), reviews)}
    assert list(lines) == [*ORGANS, MACRO]
    macro = lines[MACRO]
    assert macro.all_scans["mean"] == pytest.approx(0.6)
    assert macro.undisputed["mean"] == pytest.approx(0.75)
    assert (macro.all_scans["scans"], macro.undisputed["scans"], macro.undisputed["patients"], macro.disputed) == (3, 2, 2, 1)
    assert macro.undisputed["low"] == pytest.approx(0.6)


def test_the_headline_where_all_scans_are_disputed() -> None:
    macro = headline(full_table([0.9]), judged({"s0": {"R1": Verdict.REFERENCE_WRONG}}))[-1]
    assert macro.undisputed == {"mean": None, "low": None, "high": None, "scans": 0, "patients": 0}


def test_minutes_add_up_over_readers_and_corrections() -> None:
    subject = verdict_event("s0", "R1", Verdict.ACCEPT).subject
    fixes = tuple(
        Event(i, f"c{i}", "", "R1", "correction", subject, {"seconds": 45.0, "changed_voxels": 100}, "", "") for i in range(2)
    )
    table = effort({"s0": ScanReview(corrections=fixes, active_s={"R1": 90.0, "R2": 30.0}), "s1": ScanReview()})
    assert table.to_dict("records")[0] == {
        "scan": "s0", "active_min": 2.0, "corrections": 2, "correction_min": 1.5, "changed_voxels": 200,
    }  # fmt: skip
    assert table["active_min"].tolist() == [2.0, 0.0]
