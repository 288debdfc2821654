"""Readers' agreement: published tables, a second library, and what is left out."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from core.reviews.round.agreement import SCALE, ReaderAgreement, kappas, reader_agreement
from core.reviews.store.events import Verdict
from tests.core.reviews.judged import judged

A, MINOR, MAJOR, REJECT = SCALE
WRONG, UNUSABLE = Verdict.REFERENCE_WRONG, Verdict.UNUSABLE_IMAGE

# Fleiss (1971), table 1: 30 patients, diagnoses 1 to 5 by six psychiatrists.
FLEISS_1971 = """444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445
333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"""


def agreed(rows: Sequence[Sequence[Verdict]], *, scans_per_patient: int = 1) -> ReaderAgreement:
    """Agreement of readers R0, R1, … who said ``rows[scan][reader]``."""
    given = {f"scan{i:03d}": {f"R{j}": verdict for j, verdict in enumerate(row)} for i, row in enumerate(rows)}
    return reader_agreement(judged(given), {scan: f"patient{i // scans_per_patient}" for i, scan in enumerate(given)})


def rows_of(table: Sequence[Sequence[int]], verdicts: Sequence[Verdict] = SCALE) -> list[tuple[Verdict, Verdict]]:
    return [(verdicts[i], verdicts[j]) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]


def test_cohen_s_kappa_of_a_published_table() -> None:
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (2003), table 18.1: po = 0.89, and
    # pe = 0.8·0.8 + 0.1·0.05 + 0.1·0.15 = 0.66, so kappa = (0.89 − 0.66) / (1 − 0.66) = 0.6765.
    pair = agreed(rows_of([[75, 1, 4], [5, 4, 1], [0, 0, 10]])).pairs[0]
    assert (pair.first, pair.second, pair.kappa.scans, pair.kappa.patients) == ("R0", "R1", 100, 100)
    assert pair.percent.value == pytest.approx(0.89)
    assert pair.kappa.value == pytest.approx(0.23 / 0.34)


def test_weighted_kappa_by_hand() -> None:
    # Accept–Accept 2, Accept–Minor 1, Reject–Accept 1, Reject–Reject 2. Rows: Accept 3, Reject 3; columns: Accept 3, Minor 1,
    # Reject 2. Linear costs: observed 1·1 + 1·3 = 4; expected (3·1·1 + 3·2·3 + 3·3·3 + 3·1·2) / 6 = 54/6 = 9; 1 − 4/9.
    # Quadratic: observed 1 + 9 = 10; expected (3·1·1 + 3·2·9 + 3·3·9 + 3·1·4) / 6 = 150/6 = 25; 1 − 10/25.
    pair = agreed([(A, A)] * 2 + [(A, MINOR), (REJECT, A)] + [(REJECT, REJECT)] * 2).pairs[0]
    assert pair.linear.value == pytest.approx(5 / 9)
    assert pair.quadratic.value == pytest.approx(0.6)


def test_fleiss_kappa_of_his_own_paper() -> None:
    names = (*SCALE, WRONG)
    found = agreed([[names[int(digit) - 1] for digit in row] for row in FLEISS_1971.split()])
    assert found.fleiss is not None
    assert found.fleiss.value == pytest.approx(0.430, abs=5e-4)
    assert (found.fleiss.scans, found.verdicts_per_scan, found.other_counts) == (30, 6, 0)
    assert found.fleiss.low < 0.430 < found.fleiss.high


@pytest.mark.parametrize("seed", range(4))
def test_another_library_agrees(seed: int) -> None:
    draw = np.random.default_rng(seed)
    first = draw.integers(0, 4, 60)
    second = np.clip(first + draw.integers(-1, 2, 60), 0, 3)
    pair = agreed([(SCALE[i], SCALE[j]) for i, j in zip(first, second, strict=True)]).pairs[0]
    assert pair.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert pair.linear.value == pytest.approx(cohen_kappa_score(first, second, weights="linear", labels=range(4)))
    assert pair.quadratic.value == pytest.approx(cohen_kappa_score(first, second, weights="quadratic", labels=range(4)))


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_the_resamples_use_the_library_s_formula(weights) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    tables = np.random.default_rng(5).integers(0, 9, (20, 4, 4)).astype(float)
    expected = [cohens_kappa(table, wt=weights, return_results=False) for table in tables]
    np.testing.assert_allclose(kappas(tables, weights), expected)


def test_an_interval_resamples_patients_and_not_scans() -> None:
    rows = rows_of([[12, 4, 0, 0], [3, 9, 2, 0], [0, 2, 6, 1], [0, 0, 1, 8]])
    alone, together = agreed(rows).pairs[0].kappa, agreed(rows, scans_per_patient=8).pairs[0].kappa
    assert alone.value == together.value
    assert (alone.patients, together.patients) == (48, 6)
    assert alone.low < alone.value < alone.high
    # Neighbours in this list say the same, so whole patients vary more than scans do.
    assert together.high - together.low > alone.high - alone.low
    assert agreed(rows, scans_per_patient=99).pairs[0].kappa.low is None


def test_verdicts_outside_the_scale_count_for_kappa_and_are_left_out_of_the_weighted_ones() -> None:
    inside = [(A, A), (A, MINOR), (REJECT, REJECT), (MAJOR, REJECT)]
    outside = [(WRONG, WRONG), (A, UNUSABLE), (WRONG, A)]
    pair = agreed(inside + outside).pairs[0]
    assert pair.outside == 3
    assert (pair.kappa.scans, pair.quadratic.scans) == (7, 4)
    assert pair.percent.value == pytest.approx(3 / 7)
    assert pair.quadratic.value == agreed(inside).pairs[0].quadratic.value


def test_nothing_to_tell_is_no_number() -> None:
    same = agreed([(A, A)] * 5).pairs[0]
    assert (same.kappa.value, same.linear.value, same.percent.value) == (None, None, 1.0)
    beyond = agreed([(WRONG, WRONG), (WRONG, UNUSABLE)]).pairs[0]
    assert (beyond.quadratic.value, beyond.quadratic.scans, beyond.outside) == (None, 0, 2)
    alone = agreed([(A,), (REJECT,)])
    assert (alone.pairs, alone.fleiss, alone.light_linear) == ((), None, None)
    assert reader_agreement({}, {}).readers == ()


def test_no_interval_where_many_resamples_say_nothing() -> None:
    # One scan of six decides: a resample without it has nothing but one verdict.
    kappa = agreed([(A, A)] * 5 + [(A, REJECT)]).pairs[0].kappa
    assert kappa.value == pytest.approx(0)
    assert (kappa.low, kappa.high) == (None, None)


def test_several_readers_who_did_not_all_judge_everything() -> None:
    given = {
        "s1": {"R1": A, "R2": A, "R3": MINOR},
        "s2": {"R1": REJECT, "R2": REJECT, "R3": REJECT},
        "s3": {"R1": MINOR, "R2": MAJOR, "R3": MINOR},
        "s4": {"R1": A, "R2": REJECT},
        "s5": {"R3": A},
    }
    found = reader_agreement(judged(given), {scan: scan for scan in given})
    assert (found.verdicts_per_scan, found.other_counts, found.fleiss.scans) == (3, 1, 3)
    assert found.light_quadratic.value == pytest.approx(np.mean([pair.quadratic.value for pair in found.pairs]))
    assert found.light_quadratic.scans == 4
    assert [pair.kappa.scans for pair in found.pairs] == [4, 3, 3]


def test_the_scans_to_talk_about() -> None:
    found = agreed([(A, A, A), (A, REJECT, A), (A, MINOR, MAJOR), (WRONG, A, A)]).disagreements
    assert found["scan"].tolist() == ["scan003", "scan001", "scan002"]
    assert found["majority"].tolist() == ["Accept", "Accept", ""]
    assert found["spread"].isna().tolist() == [True, False, False]
    assert found["spread"].tolist()[1:] == [3, 2]
    assert found["verdicts"][1] == "R0: Accept, R1: Reject, R2: Accept"
