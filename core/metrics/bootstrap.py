"""Confidence intervals by resampling patients: scans of one patient are alike, and slices of one scan more so.

The percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) with the patient as the
unit: draw as many patients as there are, with replacement, take all scans of each as often as it was drawn, average over those
scans; the interval holds the middle 95% of 2,000 such means. The draw is seeded: the same scores give the same interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 20220714
LEVEL = 0.95
FEWEST_PATIENTS = 2
METHOD = f"percentile bootstrap over patients, {RESAMPLES} resamples, seed {SEED}, level {LEVEL:g}"


@dataclass(frozen=True)
class Interval:
    """An interval of a mean over scans."""

    low: float
    high: float
    patients: int
    """Patients with at least one scan that has the score."""

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "patients": self.patients}


@lru_cache(maxsize=4)
def draws(patients: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.int64]:
    """(resamples, patients): how often each patient was drawn; every row sums to the number of patients."""
    random = np.random.default_rng(seed)
    drawn: NDArray[np.int64] = random.multinomial(patients, np.full(patients, 1 / patients), size=resamples)
    drawn.flags.writeable = False
    return drawn


def patient_interval(
    values: Sequence[float] | NDArray[np.float64], patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval | None:
    """Interval of the mean over scans of one score; ``None`` where fewer than two patients have it.

    Args:
        values: one a scan; NaN where the scan has no such score.
        patients: the patient of each scan.
    """
    return mean_interval({"": values}, patients, resamples=resamples, seed=seed)


def mean_interval(
    groups: Mapping[str, Sequence[float] | NDArray[np.float64]],
    patients: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval | None:
    """Interval of the mean of several means over the same scans, such as the organs' mean Dice.

    A mean that a resample does not define (nobody drawn has the organ) is left out of that resample.

    Args:
        groups: values by name, one a scan; NaN where the scan has no such score.
        patients: the patient of each scan.
    """
    names, code = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    table = np.array([np.asarray(values, np.float64) for values in groups.values()])
    known = ~np.isnan(table)
    having = np.unique(code[known.any(axis=0)]).size
    if having < FEWEST_PATIENTS:
        return None
    # Each patient's scans come together or not at all, so their sums are drawn; nothing grows with the number of scans.
    drawn = draws(len(names), resamples=resamples, seed=seed).astype(np.float64)
    counts = drawn @ _by_patient(known.astype(np.float64), code, len(names))
    sums = drawn @ _by_patient(np.where(known, table, 0), code, len(names))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    defined = means[~np.isnan(means).all(axis=1)]
    low, high = np.quantile(np.nanmean(defined, axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), having)


def _by_patient(rows: NDArray[np.float64], code: NDArray[np.intp], patients: int) -> NDArray[np.float64]:
    """(patients, groups): the sum over each patient's scans of (groups, scans)."""
    return np.stack([np.bincount(code, weights=row, minlength=patients) for row in rows], axis=1)


def column_interval(rows: pd.DataFrame, column: str) -> Interval | None:
    """`patient_interval` of a column of ``scans.parquet``, of the rows of one organ."""
    return patient_interval(rows[column].to_numpy(np.float64), rows["patient"].astype(str).tolist())
