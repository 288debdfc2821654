"""The Dice to expect where there is no reference, from the confidence alone: fitted on some patients, checked on others."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.labels import ORGANS

MIN_PATIENTS = 8
"""Fewer say nothing about the next one."""
RIDGE = 1.0
"""Pull of the slopes towards none, in units of one scan: few scans give small slopes."""
INTERVAL_AIM = 0.9
"""Share of the scans whose Dice the interval of an estimate should hold."""
KEYS = ["patient", "scan", "organ"]
COLUMNS = ["expected_dice", "expected_dice_low", "expected_dice_high"]
FEATURES = ["mean", "low", "size", "flips"]
METHOD = (
    "ridge regression of a scan's Dice per organ on the mean confidence over the predicted organ, that of its least certain "
    "tenth of slices, the logarithm of its predicted voxels and, where it was asked for, the mean agreement under flips over the "
    "predicted organ; each patient is estimated from the others alone, and so is its "
    "interval, from their errors when they were left out (split conformal)"
)


@dataclass(frozen=True)
class QualityModel:
    """Estimates the Dice of an organ in a scan from how sure the network was of what it drew."""

    weights: dict[str, tuple[float, ...]]
    """By organ: the intercept and the slopes."""
    half_width: dict[str, float]
    """By organ: half of the interval's width, see `_half_width`."""
    patients: int
    estimates: int
    """Scans and organs that it was checked on."""
    mean_absolute_error: float
    """Of the estimates for patients that were left out of the fit."""
    error_of_the_mean: float
    """The same if each organ's mean over the other patients were the estimate: what the confidence has to beat."""
    correlation: float | None
    """Pearson's between those estimates and the Dice, each less its organ's mean; nothing where one of them is constant."""
    coverage: float
    """Share of the scans and organs whose Dice lies in the interval of its estimate; `INTERVAL_AIM` is aimed at."""

    def to_json(self) -> dict[str, Any]:
        """For ``evaluation.json``."""
        return {"method": METHOD, "level": INTERVAL_AIM} | asdict(self)


def features(slices: pd.DataFrame) -> pd.DataFrame:
    """A row for each scan and organ: `FEATURES`, NaN where nothing was drawn; see `METHOD`.

    Args:
        slices: needs ``patient``, ``scan``, ``organ``, ``prediction_voxels`` and ``confidence``; ``flip_agreement`` if known.
    """
    voxels = slices["prediction_voxels"]
    drawn = slices.assign(sure=slices["confidence"] * voxels, alike=slices.get("flip_agreement", np.nan) * voxels)
    groups = drawn[slices["confidence"].notna() & (voxels > 0)].groupby(KEYS)
    found = groups[["sure", "prediction_voxels"]].sum()
    found["mean"] = found["sure"] / found["prediction_voxels"]
    found["flips"] = groups["alike"].sum(min_count=1) / found["prediction_voxels"]
    found["low"] = groups["confidence"].quantile(0.1)
    found["size"] = np.log10(found["prediction_voxels"].astype(float))
    found = found[FEATURES]
    return slices[KEYS].drop_duplicates().merge(found.reset_index(), on=KEYS, how="left")


def fit_quality(slices: pd.DataFrame, scans: pd.DataFrame) -> tuple[QualityModel, pd.DataFrame] | None:
    """A model, and the table of `QualityModel.expect` for these scans, each patient estimated from the others alone.

    ``None`` with fewer than `MIN_PATIENTS` patients in whom something was drawn. Organs that so few patients show, or that
    are drawn nowhere, get no estimate.

    Args:
        slices, scans: ``slices.parquet`` and ``scans.parquet`` of one evaluation.
    """
    table = features(slices).merge(scans[[*KEYS, "dice"]], on=KEYS)
    table[["expected_dice", "half_width", "by_mean", "about_mean"]] = np.nan
    weights, half_width = {}, {}
    for organ in ORGANS:
        rows = table[(table["organ"] == organ.name) & table["mean"].notna() & table["dice"].notna()].copy()
        if rows["patient"].nunique() < MIN_PATIENTS:
            continue
        weights[organ.name] = tuple(float(value) for value in _fit(rows))
        half_width[organ.name] = _leave_patients_out(rows)
        table.loc[rows.index] = rows
    if not weights:
        return None
    checked = table[table["expected_dice"].notna()]
    return _checked(weights, half_width, checked), _with_interval(table)


def _leave_patients_out(rows: pd.DataFrame) -> float:
    """Fill the columns of one organ's ``rows``, each patient's from the others; return the half width for a new patient."""
    for patient in rows["patient"].unique():
        mine = rows["patient"] == patient
        rows.loc[mine, "expected_dice"] = _estimate(_fit(rows[~mine]), rows[mine])
        rows.loc[mine, "by_mean"] = rows.loc[~mine, "dice"].mean()
    off = (rows["expected_dice"] - rows["dice"]).abs()
    for patient in rows["patient"].unique():
        mine = rows["patient"] == patient
        rows.loc[mine, "half_width"] = _half_width(off[~mine])
    rows["about_mean"] = rows["dice"] - rows["dice"].mean()
    return _half_width(off)


def _half_width(off: pd.Series) -> float:
    """The split-conformal quantile (Vovk 2005): the ⌈(n + 1) · `INTERVAL_AIM`⌉-th smallest of n errors, at most the largest."""
    rank = min(math.ceil((len(off) + 1) * INTERVAL_AIM), len(off))
    return float(np.sort(off.to_numpy())[rank - 1])


def _checked(weights: dict[str, tuple[float, ...]], half_width: dict[str, float], checked: pd.DataFrame) -> QualityModel:
    off, by_mean = ((checked[column] - checked["dice"]).abs() for column in ("expected_dice", "by_mean"))
    estimates = checked["expected_dice"] - checked.groupby("organ")["expected_dice"].transform("mean")
    moving = estimates.std() > 0 and checked["about_mean"].std() > 0
    return QualityModel(
        weights,
        half_width,
        patients=int(checked["patient"].nunique()),
        estimates=len(checked),
        mean_absolute_error=float(off.mean()),
        error_of_the_mean=float(by_mean.mean()),
        correlation=float(np.corrcoef(estimates, checked["about_mean"])[0, 1]) if moving else None,
        coverage=float((off <= checked["half_width"]).mean()),
    )


def _with_interval(table: pd.DataFrame) -> pd.DataFrame:
    low, high = (table["expected_dice"] + sign * table["half_width"] for sign in (-1, 1))
    return table.assign(expected_dice_low=low.clip(lower=0), expected_dice_high=high.clip(upper=1))[[*KEYS, *COLUMNS]]


def _fit(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Intercept and slopes; the slopes of standardised features are pulled to zero, the intercept is free.

    A feature that is the same everywhere, or known nowhere, gets the slope 0.
    """
    seen, dice = np.nan_to_num(rows[FEATURES].to_numpy(np.float64)), rows["dice"].to_numpy(np.float64)
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    constant = spread <= 1e-9
    scaled = (seen - middle) / np.where(constant, 1.0, spread)
    scaled[:, constant] = 0
    slopes = np.linalg.solve(scaled.T @ scaled + RIDGE * np.eye(len(FEATURES)), scaled.T @ (dice - dice.mean()))
    slopes = slopes / np.where(constant, 1.0, spread)
    return np.concatenate([[dice.mean() - slopes @ middle], slopes])


def _estimate(weights: NDArray[np.float64], rows: pd.DataFrame) -> NDArray[np.float64]:
    used = np.flatnonzero(weights[1:])
    known = rows[FEATURES].to_numpy(np.float64)[:, used]
    found: NDArray[np.float64] = np.clip(weights[0] + known @ weights[1:][used], 0, 1)
    return found


def with_expected_dice(scans: pd.DataFrame, slices: pd.DataFrame) -> tuple[pd.DataFrame, QualityModel | None]:
    """``scans.parquet`` with the columns `COLUMNS`, and what is to be said of them.

    With too few patients for an estimate the columns are left out.
    """
    fitted = fit_quality(slices, scans)
    if fitted is None:
        return scans, None
    return scans.merge(fitted[1], on=KEYS, how="left"), fitted[0]
