"""Do readers agree? Cohen's, weighted and Fleiss' kappa of the verdicts on one evaluation, with intervals over patients.

- Percent agreement and Cohen's kappa (Cohen 1960) of two readers count all six verdicts.
- Weighted kappa (Cohen 1968), with linear and quadratic weights, is of the four-point scale: scans that either reader calls
  unusable, or whose reference is said to be wrong, have no place on it; they are left out and counted.
- Fleiss' kappa (Fleiss 1971) is of several readers, over scans with one and the same number of verdicts.
- Light's kappa (Light 1971) is the mean of all pairs' weighted kappas: agreement of several readers on the scale.

Values come from statsmodels. An interval resamples patients, see `core.metrics.bootstrap`; a resample in which a coefficient is
undefined (everybody gave the same verdict) is left out, and where that is more than one in twenty there is no interval.

In a blind round, verdicts of readers to whom the score was known (`core.reviews.store.events.SCORE_KNOWN`) are left out and
counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.bootstrap import FEWEST_PATIENTS, LEVEL, MOST_UNDEFINED, draws
from core.reviews.store.events import Verdict
from core.reviews.store.state import ScanReview

SCALE = (Verdict.ACCEPT, Verdict.MINOR_EDITS, Verdict.MAJOR_EDITS, Verdict.REJECT)
"""The four points, in order; the other verdicts lie outside the scale."""
VERDICTS = tuple(Verdict)
DISAGREEMENT_COLUMNS = ["patient", "scan", "readers", "verdicts", "spread", "majority"]

Weights = Literal["linear", "quadratic"]
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of agreement."""

    value: float | None
    """``None`` where it is undefined: no scan in common, or everybody gave one and the same verdict."""
    low: float | None
    high: float | None
    scans: int
    patients: int


@dataclass(frozen=True)
class PairAgreement:
    """Two readers, over the scans that both judged."""

    first: str
    second: str
    percent: Coefficient
    """Share of scans with the same verdict, 0 to 1."""
    kappa: Coefficient
    linear: Coefficient
    """Weighted by the distance on the four-point scale."""
    quadratic: Coefficient
    """Weighted by the squared distance."""
    outside: int
    """Scans left out of the weighted coefficients: at least one of the two verdicts is outside the scale."""


@dataclass(frozen=True)
class ReaderAgreement:
    """How far the readers of one evaluation agree."""

    readers: tuple[str, ...]
    pairs: tuple[PairAgreement, ...]
    """Every two readers with a scan in common."""
    fleiss: Coefficient | None
    """``None`` for fewer than three readers."""
    verdicts_per_scan: int
    """That Fleiss' kappa rests on: the number that most scans with two verdicts or more have; 0 where there are none."""
    other_counts: int
    """Scans with two verdicts or more that Fleiss' kappa leaves out because they have another number of them."""
    light_linear: Coefficient | None
    """``None`` for fewer than three readers."""
    light_quadratic: Coefficient | None
    score_known: int
    """Verdicts of a blind round that all of these leave out, since the score was known to their readers."""
    score_unsaid: int
    """Verdicts of a blind round that do not say whether it was (earlier versions did not store it); they count."""
    disagreements: pd.DataFrame
    """Scans on which readers differ: `DISAGREEMENT_COLUMNS`. ``spread`` is the distance of the furthest verdicts on the scale
    (missing where one is outside it), ``majority`` the verdict of more than half of the readers, or empty. Widest first; with the
    verdicts that the coefficients leave out."""


def reader_agreement(reviews: Mapping[str, ScanReview], patients: Mapping[str, str], *, blind: bool = False) -> ReaderAgreement:
    """How far the readers agree.

    Args:
        reviews: the present state by scan; verdicts carried over from an earlier run count as that reader's.
        patients: the patient of each scan that has a review.
        blind: the round is blind, so that a verdict by somebody who knew the score does not count.
    """
    every = {scan: dict(review.verdicts) for scan, review in reviews.items() if review.verdicts}
    known, unsaid = (_told(reviews, what) if blind else {} for what in (True, None))
    given = {scan: {name: said[name] for name in said if name not in known.get(scan, ())} for scan, said in every.items()}
    readers = tuple(sorted({reader for verdicts in given.values() for reader in verdicts}))
    tables = {pair: _tables(given, patients, *pair) for pair in combinations(readers, 2)}
    tables = {pair: table for pair, table in tables.items() if table}
    several = len(readers) > 2
    shared = sum(len([1 for verdict in verdicts.values() if verdict in SCALE]) > 1 for verdicts in given.values())
    counts, per_scan, other = _ratings(given, patients)
    return ReaderAgreement(
        readers=readers,
        pairs=tuple(_pair(*pair, _stacked(table)) for pair, table in tables.items()),
        fleiss=_fleiss(counts) if several else None,
        verdicts_per_scan=per_scan,
        other_counts=other,
        light_linear=_light(tables, "linear", shared) if several else None,
        light_quadratic=_light(tables, "quadratic", shared) if several else None,
        score_known=sum(len(names) for names in known.values()),
        score_unsaid=sum(len(names) for names in unsaid.values()),
        disagreements=_disagreements(every, patients),
    )


def _told(reviews: Mapping[str, ScanReview], what: bool | None) -> dict[str, list[str]]:
    """By scan, the readers whose verdict says this of whether the score was known."""
    return {scan: [name for name, told in review.told.items() if told is what] for scan, review in reviews.items()}


def _tables(given: Mapping[str, dict[str, Verdict]], patients: Mapping[str, str], first: str, second: str) -> dict[str, Table]:
    """(6, 6) counts of the two readers' verdicts, by patient."""
    found: dict[str, Table] = {}
    for scan, verdicts in given.items():
        if first in verdicts and second in verdicts:
            table = found.setdefault(patients[scan], np.zeros((len(VERDICTS), len(VERDICTS))))
            table[VERDICTS.index(verdicts[first]), VERDICTS.index(verdicts[second])] += 1
    return found


def _stacked(tables: Mapping[str, Table], order: Sequence[str] | None = None) -> Table:
    """(patients, 6, 6), zero for a patient of ``order`` whom the pair has not in common."""
    nothing = np.zeros((len(VERDICTS), len(VERDICTS)))
    return np.stack([tables.get(patient, nothing) for patient in order or sorted(tables)])


def _pair(first: str, second: str, tables: Table) -> PairAgreement:
    on_scale = tables[:, : len(SCALE), : len(SCALE)]
    return PairAgreement(
        first=first,
        second=second,
        percent=_percent(tables),
        kappa=_cohen(tables, None),
        linear=_cohen(on_scale, "linear"),
        quadratic=_cohen(on_scale, "quadratic"),
        outside=int(tables.sum() - on_scale.sum()),
    )


def _percent(tables: Table) -> Coefficient:
    agreed, every = np.trace(tables, axis1=1, axis2=2), tables.sum(axis=(1, 2))
    drawn = _draws(len(tables))
    return _coefficient(float(agreed.sum() / every.sum()), drawn @ agreed / np.maximum(drawn @ every, 1), tables)


def _cohen(tables: Table, weights: Weights | None) -> Coefficient:
    from statsmodels.stats.inter_rater import cohens_kappa  # seconds to import

    used = tables[tables.sum(axis=(1, 2)) > 0]
    if not len(used):
        return Coefficient(None, None, None, 0, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(cohens_kappa(used.sum(axis=0), wt=weights, return_results=False))
    return _coefficient(value, kappas(np.tensordot(_draws(len(used)), used, axes=1), weights), used)


def kappas(tables: Table, weights: Weights | None) -> NDArray[np.float64]:
    """Cohen's kappa of many tables at once, as the resamples need it: 1 − Σ w·observed / Σ w·expected (Cohen 1968).

    Args:
        tables: (…, k, k) counts.
        weights: of a disagreement: its distance, the distance squared, or without weights 1.

    Returns:
        (…); NaN where nothing but one and the same verdict was given.
    """
    distance = np.abs(np.subtract.outer(np.arange(tables.shape[-1]), np.arange(tables.shape[-1]))).astype(np.float64)
    cost = {None: np.sign(distance), "linear": distance, "quadratic": distance**2}[weights]
    total = np.maximum(tables.sum(axis=(-2, -1)), 1)
    expected = tables.sum(axis=-1)[..., :, None] * tables.sum(axis=-2)[..., None, :] / total[..., None, None]
    observed_cost, expected_cost = (tables * cost).sum(axis=(-2, -1)), (expected * cost).sum(axis=(-2, -1))
    return np.where(expected_cost > 0, 1 - observed_cost / np.where(expected_cost > 0, expected_cost, 1), np.nan)


def _light(tables: Mapping[tuple[str, str], dict[str, Table]], weights: Weights, scans: int) -> Coefficient:
    patients = sorted({patient for each in tables.values() for patient in each})
    if not patients:
        return Coefficient(None, None, None, 0, 0)
    pairs = np.stack([_stacked(each, patients)[:, : len(SCALE), : len(SCALE)] for each in tables.values()])
    drawn = np.tensordot(_draws(len(patients)), pairs, axes=(1, 1))
    value = float(_means(kappas(pairs.sum(axis=1), weights)))
    return _coefficient(value, _means(kappas(drawn, weights)), patients, scans=scans)


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis of what is defined."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def _ratings(given: Mapping[str, dict[str, Verdict]], patients: Mapping[str, str]) -> tuple[dict[str, Table], int, int]:
    """Per patient the (scans, 6) counts of verdicts, of the scans with the commonest number of verdicts; that number; others."""
    numbers = Counter(len(verdicts) for verdicts in given.values() if len(verdicts) > 1)
    if not numbers:
        return {}, 0, 0
    per_scan = max(numbers, key=lambda number: (numbers[number], number))
    rows: dict[str, list[list[int]]] = {}
    for scan, verdicts in given.items():
        if len(verdicts) == per_scan:
            said = Counter(verdicts.values())
            rows.setdefault(patients[scan], []).append([said[verdict] for verdict in VERDICTS])
    return {name: np.array(rows[name], np.float64) for name in sorted(rows)}, per_scan, numbers.total() - numbers[per_scan]


def _fleiss(counts: Mapping[str, Table]) -> Coefficient:
    from statsmodels.stats.inter_rater import fleiss_kappa

    if not counts:
        return Coefficient(None, None, None, 0, 0)
    tables = list(counts.values())
    every = np.concatenate(tables)
    of_patient = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = [fleiss_kappa(np.repeat(every, times[of_patient].astype(int), axis=0)) for times in _draws(len(tables))]
        return _coefficient(float(fleiss_kappa(every)), np.array(drawn), tables, scans=len(every))


def _draws(patients: int) -> NDArray[np.float64]:
    return draws(patients).astype(np.float64)


def _coefficient(
    value: float, resampled: NDArray[np.float64], tables: Table | Sequence[object], *, scans: int | None = None
) -> Coefficient:
    """The coefficient with its interval; ``tables`` has one entry a patient."""
    patients = len(tables)
    scans = int(np.sum(np.asarray(tables))) if scans is None else scans
    known = resampled[~np.isnan(resampled)]
    if np.isnan(value):
        return Coefficient(None, None, None, scans, patients)
    if patients < FEWEST_PATIENTS or len(known) < (1 - MOST_UNDEFINED) * len(resampled):
        return Coefficient(value, None, None, scans, patients)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Coefficient(value, float(low), float(high), scans, patients)


def _disagreements(given: Mapping[str, dict[str, Verdict]], patients: Mapping[str, str]) -> pd.DataFrame:
    rows = [_disagreement(scan, patients[scan], verdicts) for scan, verdicts in given.items() if len(set(verdicts.values())) > 1]
    table = pd.DataFrame(rows, columns=DISAGREEMENT_COLUMNS).astype({"spread": "Int64"})
    return table.sort_values(["spread", "scan"], ascending=[False, True], na_position="first", ignore_index=True)


def _disagreement(scan: str, patient: str, verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    places = [SCALE.index(verdict) for verdict in verdicts.values() if verdict in SCALE]
    commonest, count = Counter(verdicts.values()).most_common(1)[0]
    return {
        "patient": patient,
        "scan": scan,
        "readers": len(verdicts),
        "verdicts": ", ".join(f"{reader}: {verdicts[reader].label}" for reader in sorted(verdicts)),
        "spread": max(places) - min(places) if len(places) == len(verdicts) else None,
        "majority": commonest.label if 2 * count > len(verdicts) else "",
    }
