"""Confidence intervals by resampling patients: scans of one patient are alike, and slices of one scan more so.

The percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) with the patient as the
unit: draw as many patients as there are, with replacement, take all scans of each as often as it was drawn, average over those
scans; the interval holds the middle 95% of 2,000 such means. The draw is seeded: the same scores give the same interval.
"""

from collections.abc import Sequence
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
MOST_UNDEFINED = 0.05
"""Share of resamples that may be undefined; with more, an interval of the others would be too narrow."""
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
    names, code = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    scores = np.asarray(values, np.float64)
    known = ~np.isnan(scores)
    having = np.unique(code[known]).size
    if having < FEWEST_PATIENTS:
        return None
    # Each patient's scans come together or not at all, so their sums are drawn; nothing grows with the number of scans.
    drawn = draws(len(names), resamples=resamples, seed=seed).astype(np.float64)
    counts = drawn @ np.bincount(code, weights=known, minlength=len(names))
    sums = drawn @ np.bincount(code, weights=np.where(known, scores, 0), minlength=len(names))
    low, high = np.quantile(sums[counts > 0] / counts[counts > 0], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), having)


def column_interval(rows: pd.DataFrame, column: str) -> Interval | None:
    """`patient_interval` of a column of ``scans.parquet``, of the rows of one organ."""
    return patient_interval(rows[column].to_numpy(np.float64), rows["patient"].astype(str).tolist())
