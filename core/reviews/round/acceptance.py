"""Which score do readers accept? The chance of acceptance against Dice and NSD, fitted from the verdicts; and what reviews cost.

Each standing verdict on the four-point scale is one observation: the scan accepted or not, with its score. A verdict is of a
whole scan: against one organ's score the line says how often scans are accepted whose organ scores so (the other organs weigh
in), not how often that organ is. A logistic regression gives P(accept) over the score (maximum likelihood, by statsmodels), and
from it the score at which half, or four in five, are accepted. Intervals resample patients, so that several readers and scans
of one patient count as what they are: related. Verdicts outside the scale and scans without the score are left out and counted.
With fewer than five verdicts on either side no line is fitted (Vittinghoff and McCulloch, Am J Epidemiol 2007, find five to
nine events a variable the least that is sound), and where the accepted scans all score above the others there is no line, only
a gap in which the limit lies.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.labels import MACRO, ORGANS
from core.metrics.bootstrap import LEVEL, MOST_UNDEFINED, draws
from core.metrics.surface import nsd_columns
from core.metrics.tables import mean_over_organs, over_all_organs, summarise
from core.reviews.round.agreement import SCALE
from core.reviews.store.events import Verdict
from core.reviews.store.state import ScanReview

ACCEPTED = frozenset({Verdict.ACCEPT})
PROBABILITIES = (0.5, 0.8)
OF_WHOLE_SCANS = (
    "A verdict is of a whole scan. Against one organ's score the line says how often a scan is accepted whose organ scores so, "
    "whatever the other organs are like; it does not say how often that organ is accepted."
)
FEWEST_EACH = 5
"""Fewest verdicts accepted, and fewest not accepted."""
FEWEST_JUDGED = 5
GRID = 41
_RIDGE = 0.01
_STEPS, _LARGEST_STEP, _CLOSE = 60, 2.0, 1e-8
_CHUNK = 1_000_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreThreshold:
    """The score at which a share of scans would be accepted."""

    probability: float
    score: float | None
    """``None`` where it lies outside the scores that were judged."""
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Acceptance:
    """P(the whole scan is accepted) against one score of one organ."""

    score: str
    """Column of ``scans.parquet``, such as ``dice``."""
    organ: str
    """An organ's name, or `MACRO`."""
    verdicts: int
    accepted: int
    readers: int
    scans: int
    patients: int
    without_score: int
    """Verdicts left out because the scan has no such score (the organ is absent, or the spacing unknown)."""
    problem: str
    """Why there is no line, as one sentence; empty where there is one."""
    gap: tuple[float, float] | None
    """Where acceptance splits cleanly: the highest score that was not accepted, and the lowest that was."""
    limits: tuple[ScoreThreshold, ...]
    curve: pd.DataFrame
    """Columns score, p, low, high, over the range of the scores judged; empty without a line."""
    points: pd.DataFrame
    """One row a verdict: scan, patient, reader, score, accepted."""


def acceptance(
    scans: pd.DataFrame, reviews: Mapping[str, ScanReview], *, accepting: Collection[Verdict] = ACCEPTED
) -> list[Acceptance]:
    """The curves of Dice and of each NSD, per organ and for the mean of the organs.

    Args:
        scans: ``scans.parquet``.
        reviews: the present state by scan.
        accepting: verdicts that count as accepted, such as minor edits too.
    """
    verdicts = _verdicts(reviews, accepting)
    patients = scans.drop_duplicates("scan").set_index("scan")["patient"].astype(str)
    names = ["dice", *nsd_columns(scans.columns)]
    return [
        _fitted(verdicts, of_scan, patients, name, organ) for name in names for organ, of_scan in _by_organ(scans, name).items()
    ]


def _verdicts(reviews: Mapping[str, ScanReview], accepting: Collection[Verdict]) -> pd.DataFrame:
    rows = [
        {"scan": scan, "reader": reader, "accepted": verdict in accepting}
        for scan, review in reviews.items()
        for reader, verdict in review.verdicts.items()
        if verdict in SCALE
    ]
    return pd.DataFrame(rows, columns=["scan", "reader", "accepted"]).astype({"accepted": bool})


def _by_organ(scans: pd.DataFrame, name: str) -> dict[str, "pd.Series[float]"]:
    """The score of each scan, by organ; last the mean over organs."""
    wide = scans.pivot(index="scan", columns="organ", values=name).astype(np.float64)
    return {organ.name: wide[organ.name] for organ in ORGANS} | {MACRO: mean_over_organs(scans, [name]).set_index("scan")[name]}


def _fitted(verdicts: pd.DataFrame, of_scan: "pd.Series[float]", patients: "pd.Series[str]", name: str, organ: str) -> Acceptance:
    known = verdicts[verdicts["scan"].isin(of_scan.index)]
    points = known.assign(patient=known["scan"].map(patients), score=known["scan"].map(of_scan).astype(np.float64))
    without, points = int(points["score"].isna().sum()), points.dropna(subset=["score"]).reset_index(drop=True)
    score, accepted = points["score"].to_numpy(np.float64), points["accepted"].to_numpy(bool)
    problem, gap = _problem(score, accepted, points["patient"].nunique())
    line = None if problem else _line(score, accepted)
    if line is not None and line[1] <= 0:
        problem, line = "Acceptance does not rise with this score.", None
    limits, curve = ((), _no_curve()) if line is None else _read_off(line, points)
    return Acceptance(
        score=name,
        organ=organ,
        verdicts=len(points),
        accepted=int(accepted.sum()),
        readers=points["reader"].nunique(),
        scans=points["scan"].nunique(),
        patients=points["patient"].nunique(),
        without_score=without,
        problem=problem,
        gap=gap,
        limits=limits,
        curve=curve,
        points=points[["scan", "patient", "reader", "score", "accepted"]],
    )


def _problem(score: Floats, accepted: NDArray[np.bool_], patients: int) -> tuple[str, tuple[float, float] | None]:
    yes, no = int(accepted.sum()), int((~accepted).sum())
    if min(yes, no) < FEWEST_EACH or patients < FEWEST_JUDGED:
        have = f"{yes} accepted and {no} not, of {patients} patient{'' if patients == 1 else 's'}"
        return f"Not enough verdicts: {have}; {FEWEST_EACH} of each and {FEWEST_JUDGED} patients are needed.", None
    if score[accepted].min() >= score[~accepted].max():
        gap = float(score[~accepted].max()), float(score[accepted].min())
        return f"Every accepted scan scores above every other: the limit lies between {gap[0]:.3f} and {gap[1]:.3f}.", gap
    if score[accepted].max() <= score[~accepted].min():
        return "Acceptance does not rise with this score.", None
    return "", None


def _line(score: Floats, accepted: NDArray[np.bool_]) -> tuple[float, float]:
    """Intercept and slope of the log-odds, by maximum likelihood."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    fitted = GLM(accepted.astype(float), np.column_stack([np.ones_like(score), score]), family=Binomial()).fit()
    intercept, slope = fitted.params
    return float(intercept), float(slope)


def _read_off(line: tuple[float, float], points: pd.DataFrame) -> tuple[tuple[ScoreThreshold, ...], pd.DataFrame]:
    """Limits and curve with their intervals from the resampled lines."""
    score, accepted = points["score"].to_numpy(np.float64), points["accepted"].to_numpy(np.float64)
    names, code = np.unique(points["patient"].to_numpy(str), return_inverse=True)
    lines = resampled_lines(score, accepted, draws(len(names))[:, code])
    span = float(score.min()), float(score.max())
    limits = tuple(_limit(line, lines, probability, span) for probability in PROBABILITIES)
    grid = np.linspace(*span, GRID)
    curves = _sigmoid(lines[:, :1] + lines[:, 1:] * grid)
    low, high = _quantiles(curves[~np.isnan(lines[:, 0])], len(lines))
    return limits, pd.DataFrame({"score": grid, "p": _sigmoid(line[0] + line[1] * grid), "low": low, "high": high})


def _limit(line: tuple[float, float], lines: Floats, probability: float, span: tuple[float, float]) -> ScoreThreshold:
    log_odds = np.log(probability / (1 - probability))
    score = float((log_odds - line[0]) / line[1])
    rising = lines[lines[:, 1] > 0]
    low, high = _quantiles(np.clip((log_odds - rising[:, 0]) / rising[:, 1], 0.0, 1.0)[:, None], len(lines))
    inside = span[0] <= score <= span[1]
    return ScoreThreshold(probability, score if inside else None, _number(low[0]), _number(high[0]))


def _quantiles(defined: Floats, resamples: int) -> tuple[Floats, Floats]:
    """Ends of the interval over the first axis; NaN where too many resamples have no answer."""
    if len(defined) < (1 - MOST_UNDEFINED) * resamples:
        nothing = np.full(defined.shape[1], np.nan)
        return nothing, nothing
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def resampled_lines(score: Floats, accepted: Floats, times: NDArray[np.int64]) -> Floats:
    """Logistic lines of many resamples at once, by Newton's method; one by one in a library they take over ten times as long.

    The slope (per standard deviation) has a ridge penalty of 0.01, too weak to move a line that the verdicts determine; it keeps
    the line of a resample that splits cleanly finite, with its limit inside the gap.

    Args:
        score: (n,).
        accepted: (n,) 0 or 1.
        times: (resamples, n), how often each observation was drawn.

    Returns:
        (resamples, 2): intercept and slope; NaN where everything drawn was accepted, or nothing.
    """
    size = max(_CHUNK // len(score), 1)
    return np.concatenate([_newton(score, accepted, part) for part in np.split(times, range(size, len(times), size))])


def _newton(score: Floats, accepted: Floats, times: NDArray[np.int64]) -> Floats:
    centre, spread = score.mean(), score.std()
    x, drawn = (score - centre) / spread, times.astype(np.float64)
    yes, every = drawn @ accepted, drawn.sum(axis=1)
    line = np.zeros((len(times), 2))
    for _ in range(_STEPS):
        p = _sigmoid(line[:, :1] + line[:, 1:] * x)
        rest, weight = drawn * (accepted - p), drawn * p * (1 - p)
        gradient = rest.sum(axis=1), rest @ x - _RIDGE * line[:, 1]
        a, b, c = weight.sum(axis=1) + 1e-12, weight @ x, weight @ x**2 + _RIDGE
        step = np.stack([c * gradient[0] - b * gradient[1], a * gradient[1] - b * gradient[0]], axis=1) / (a * c - b**2)[:, None]
        step *= np.minimum(1, _LARGEST_STEP / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        line += step
        if np.abs(step[(yes > 0) & (yes < every)]).max(initial=0) < _CLOSE:
            break
    line[(yes == 0) | (yes == every)] = np.nan
    slope = line[:, 1] / spread
    return np.stack([line[:, 0] - slope * centre, slope], axis=1)


def _sigmoid(log_odds: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(log_odds / 2))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _no_curve() -> pd.DataFrame:
    return pd.DataFrame(columns=["score", "p", "low", "high"], dtype=float)


@dataclass(frozen=True)
class Headline:
    """The mean Dice of an evaluation, with and without the scans whose reference a reader calls wrong."""

    organ: str
    """An organ's name, or `MACRO`: see `core.metrics.tables.over_all_organs`."""
    all_scans: dict[str, Any]
    """mean, low, high, scans, patients; the first three ``None`` where undefined."""
    undisputed: dict[str, Any]
    """The same, without the disputed scans."""
    disputed: int
    """Scans left out."""


def headline(scans: pd.DataFrame, reviews: Mapping[str, ScanReview]) -> list[Headline]:
    """The headline Dice with and without disputed scans, per organ and over all.

    Args:
        scans: ``scans.parquet``.
        reviews: the present state by scan; a scan is disputed where any reader's verdict is that the reference is wrong.
    """
    disputed = {scan for scan, review in reviews.items() if Verdict.REFERENCE_WRONG in review.verdicts.values()}
    kept = scans[~scans["scan"].isin(list(disputed))]
    every, rest = _dice(scans), _dice(kept)
    out = scans["scan"].nunique() - kept["scan"].nunique()
    return [Headline(organ, every[organ], rest[organ], out) for organ in every]


def _dice(scans: pd.DataFrame) -> dict[str, dict[str, Any]]:
    scored = scans[scans["dice"].notna()]
    found = {name: _means(each, scored[scored["organ"] == name]) for name, each in summarise(scans).items()}
    return found | {MACRO: _means(over_all_organs(scans), scored)}


def _means(summary: Mapping[str, Any], scored: pd.DataFrame) -> dict[str, Any]:
    interval = summary["intervals"]["dice"]
    counts = {"scans": scored["scan"].nunique(), "patients": scored["patient"].nunique()}
    ends = {"low": interval["low"], "high": interval["high"]} if interval else {"low": None, "high": None}
    return {"mean": summary["dice"]} | ends | counts


EFFORT_COLUMNS = ["scan", "active_min", "corrections", "correction_min", "changed_voxels"]


def effort(reviews: Mapping[str, ScanReview]) -> pd.DataFrame:
    """Minutes that each scan took, all readers together: columns `EFFORT_COLUMNS`, one row a scan that has a review.

    ``active_min`` is time on the scan with idle time left out; ``correction_min`` is the part that corrections say they took.
    ``changed_voxels`` adds up the changes of all corrections.
    """
    rows = [
        {
            "scan": scan,
            "active_min": sum(review.active_s.values()) / 60,
            "corrections": len(review.corrections),
            "correction_min": sum(float(each.payload["seconds"]) for each in review.corrections) / 60,
            "changed_voxels": sum(int(each.payload["changed_voxels"]) for each in review.corrections),
        }
        for scan, review in reviews.items()
    ]
    return pd.DataFrame(rows, columns=EFFORT_COLUMNS)
