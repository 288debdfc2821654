"""Two evaluations compared scan by scan: differences with their intervals, a paired test, and what changed most."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from core.errors import WorkspaceError
from core.labels import ALL_ORGANS, ORGAN_NAMES
from core.metrics.bootstrap import RESAMPLES, SEED, patient_interval
from core.metrics.tables import mean_over_organs
from core.runs.registry import Evaluation

HIGHER_IS_BETTER = ("dice", "nsd")
LOWER_IS_BETTER = ("hd95",)
FEWEST = 6
"""Fewest differences other than zero for the signed-rank test: with five, even all of one sign reach only p = 0.0625."""


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's signed-rank test, two-sided (Wilcoxon 1945, as `scipy.stats.wilcoxon`)."""

    n: int
    """Differences that entered: zeros are dropped (``zero_method="wilcox"``)."""
    zeros: int
    p: float | None
    """``None`` where fewer than `FEWEST` differences are left."""


@dataclass(frozen=True)
class Difference:
    """One organ's score in B less that in A, over the scans where both have one."""

    score: str
    organ: str
    scans: int
    patients: int
    undefined: int
    """Paired scans left out of the mean because the score is undefined on one side or both (the organ is absent there)."""
    a: float | None
    """Mean over the scans; ``None`` where there is none."""
    b: float | None
    difference: float | None
    """``b`` less ``a``."""
    low: float | None
    """95% interval of the difference, from a bootstrap over patients; ``None`` for fewer than two patients."""
    high: float | None
    higher_is_better: bool
    over_scans: SignedRank
    over_patients: SignedRank
    """The same test on each patient's mean difference: scans of one patient are not independent of each other."""


@dataclass(frozen=True)
class Comparison:
    """Two evaluations, paired by scan. B is the newer one: positive differences mean that B's score is higher."""

    a: str
    b: str
    """RUN · EVALUATION."""
    leak_a: str
    leak_b: str
    scans: int
    patients: int
    left_out: dict[str, int]
    """Scans that could not be paired, by reason."""
    differences: tuple[Difference, ...]
    changes: pd.DataFrame
    """One row a scan: patient, scan, dice_a, dice_b, difference (Dice, `mean_over_organs`), organ (that changed most),
    organ_difference (NaN where the organ is absent in one and falsely drawn in the other); the largest loss first."""
    outcomes: pd.DataFrame
    """One row a scan and organ whose outcome changed (missed, false alarm, …): patient, scan, organ, outcome_a, outcome_b."""
    seed: int
    resamples: int

    def most_changed(self, count: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The scans that got worse and those that got better, most changed first."""
        worse = self.changes[self.changes["difference"] < 0].head(count)
        better = self.changes[self.changes["difference"] > 0].iloc[::-1].head(count)
        return worse, better

    def to_json(self, count: int = 5) -> dict[str, Any]:
        """The comparison as JSON, with the ``count`` scans that changed most on either side."""
        content = {key: value for key, value in vars(self).items() if key not in ("differences", "changes", "outcomes")}
        worse, better = self.most_changed(count)
        return content | {
            "differences": [asdict(each) for each in self.differences],
            "worse": _records(worse),
            "better": _records(better),
            "outcome_changes": self.outcomes.to_dict("records"),
        }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows.to_dict("records")]


def compare(a: Evaluation, b: Evaluation, *, seed: int = SEED, resamples: int = RESAMPLES) -> Comparison:
    """Compare two evaluations on the scans that both have with the very same reference.

    Raises:
        WorkspaceError: no scan can be paired, the conventions differ, or a table is missing or damaged.
    """
    _check_conventions(a, b)
    shared, left_out = _pair(a, b)
    keys = ["patient", "scan", "organ"]
    tables = [table[table["scan"].isin(shared)] for table in (a.scans(), b.scans())]
    both = tables[0].merge(tables[1].drop(columns="patient"), on=["scan", "organ"], suffixes=("_a", "_b"), validate="1:1")
    both = both.sort_values(keys, ignore_index=True)
    differences = [
        _difference(_wide(both, score), score, organ, seed=seed, resamples=resamples)
        for score in _scores(*tables)
        for organ in (*ORGAN_NAMES, ALL_ORGANS)
    ]
    changed = both[both["outcome_a"] != both["outcome_b"]]
    return Comparison(
        a=f"{a.run} · {a.name}",
        b=f"{b.run} · {b.name}",
        leak_a=a.badge.text,
        leak_b=b.badge.text,
        scans=len(shared),
        patients=int(both["patient"].nunique()),
        left_out=left_out,
        differences=tuple(differences),
        changes=_changes(both),
        outcomes=changed[[*keys, "outcome_a", "outcome_b"]].reset_index(drop=True),
        seed=seed,
        resamples=resamples,
    )


def _check_conventions(a: Evaluation, b: Evaluation) -> None:
    of_a, of_b = a.summary.get("conventions", {}), b.summary.get("conventions", {})
    differing = sorted(key for key in of_a.keys() | of_b.keys() if of_a.get(key) != of_b.get(key))
    if differing:
        value = f"{', '.join(differing)} of {a.run} · {a.name} and {b.run} · {b.name}"
        raise WorkspaceError("The evaluations follow different conventions", value=value, todo="evaluate the older one again")


def _pair(a: Evaluation, b: Evaluation) -> tuple[frozenset[str], dict[str, int]]:
    """Scans with one reference on both sides, and how many were left out and why."""
    of_a, of_b = a.facts, b.facts
    both = of_a.keys() & of_b.keys()
    same = frozenset(scan for scan in both if of_a[scan]["reference_sha256"] == of_b[scan]["reference_sha256"])
    reasons = {"only in A": len(of_a) - len(both), "only in B": len(of_b) - len(both), "other reference": len(both) - len(same)}
    if not same:
        why = "their references differ" if both else "they have no scan in common"
        value = f"{a.run} · {a.name} and {b.run} · {b.name}"
        todo = "evaluate both on the same data set and split"
        raise WorkspaceError(f"The evaluations cannot be compared because {why}", value=value, todo=todo)
    return same, {reason: count for reason, count in reasons.items() if count}


def _scores(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """Names of the scores that both tables have: Dice, and HD95 and NSD under whatever tolerance."""
    return [name for name in a.columns if name in b.columns and name.startswith(HIGHER_IS_BETTER + LOWER_IS_BETTER)]


def _wide(both: pd.DataFrame, score: str) -> pd.DataFrame:
    """Columns patient, scan, organ, a, b of one score."""
    return both[["patient", "scan", "organ"]].assign(a=both[f"{score}_a"].astype(float), b=both[f"{score}_b"].astype(float))


def _difference(table: pd.DataFrame, score: str, organ: str, *, seed: int, resamples: int) -> Difference:
    every = mean_over_organs(table, ["a", "b"]) if organ == ALL_ORGANS else table[table["organ"] == organ]
    rows = every.dropna(subset=["a", "b"])
    change = (rows["b"] - rows["a"]).to_numpy(float)
    interval = patient_interval(change, rows["patient"].astype(str).tolist(), resamples=resamples, seed=seed)
    return Difference(
        score=score,
        organ=organ,
        scans=len(rows),
        patients=int(rows["patient"].nunique()),
        undefined=len(every) - len(rows),
        a=_mean(rows["a"].to_numpy(float)),
        b=_mean(rows["b"].to_numpy(float)),
        difference=_mean(change),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        higher_is_better=score.startswith(HIGHER_IS_BETTER),
        over_scans=signed_rank(change),
        over_patients=signed_rank(pd.Series(change).groupby(rows["patient"].to_numpy()).mean().to_numpy(float)),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def signed_rank(differences: NDArray[np.float64]) -> SignedRank:
    """Wilcoxon's test of whether paired differences lie around zero; zeros are dropped and counted."""
    other = differences[differences != 0]
    zeros = len(differences) - len(other)
    if len(other) < FEWEST:
        return SignedRank(len(other), zeros, None)
    return SignedRank(len(other), zeros, float(stats.wilcoxon(other, zero_method="wilcox").pvalue))


def _changes(both: pd.DataFrame) -> pd.DataFrame:
    """One row a scan with its change in Dice, the largest loss first."""
    dice = _wide(both, "dice")
    means = mean_over_organs(dice, ["a", "b"]).rename(columns={"a": "dice_a", "b": "dice_b"}).dropna()
    if means.empty:
        return pd.DataFrame(columns=["patient", "scan", "dice_a", "dice_b", "difference", "organ", "organ_difference"])
    # An organ that is absent in one and falsely drawn in the other changed most, though it has no difference.
    dice = dice.dropna(how="all", subset=["a", "b"]).assign(organ_difference=dice["b"] - dice["a"])
    order = dice["organ_difference"].abs().sort_values(ascending=False, kind="stable", na_position="first").index
    most = dice.loc[order].drop_duplicates("scan")[["scan", "organ", "organ_difference"]]
    table = means.assign(difference=means["dice_b"] - means["dice_a"]).merge(most, on="scan")
    return table.sort_values(["difference", "scan"], kind="stable", ignore_index=True)
