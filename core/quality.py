"""The Dice to expect where there is no reference, from the confidence alone: fitted on some patients, checked on others."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.files import write_json, write_whole
from core.labels import ORGANS
from core.runs import Evaluation

MIN_PATIENTS = 8
"""Fewer say nothing about the next one."""
RIDGE = 1.0
"""Pull of the slopes towards none, in units of one scan: few scans give small slopes."""
KEYS = ["patient", "scan", "organ"]
METHOD = (
    "ridge regression of a scan's Dice per organ on the mean confidence over the predicted organ, that of its least certain "
    "tenth of slices, and the logarithm of its predicted voxels; each patient is estimated from the others alone"
)


@dataclass(frozen=True)
class QualityModel:
    """Estimates the Dice of an organ in a scan from how sure the network was of what it drew."""

    weights: dict[str, tuple[float, ...]]
    """By organ: the intercept and the slopes."""
    patients: int
    estimates: int
    """Scans and organs that it was checked on."""
    mean_absolute_error: float
    """Of the estimates for patients that were left out of the fit."""
    error_of_the_mean: float
    """The same if each organ's mean over the other patients were the estimate: what the confidence has to beat."""

    def expect(self, slices: pd.DataFrame) -> pd.DataFrame:
        """``patient``, ``scan``, ``organ`` and ``expected_dice`` (0 to 1) of every scan; no reference is read.

        NaN where nothing of the organ was drawn, or its confidence is unknown: a missed organ cannot be told from one that
        is not there.

        Args:
            slices: ``slices.parquet``, see `core.metrics.tables.slice_rows`.
        """
        table = features(slices)
        table["expected_dice"] = [
            _estimate(np.asarray(self.weights[organ]), row) if organ in self.weights else np.nan
            for organ, row in zip(table["organ"], _matrix(table), strict=True)
        ]
        return table[[*KEYS, "expected_dice"]]

    def to_json(self) -> dict[str, Any]:
        """For ``evaluation.json``."""
        return {
            "method": METHOD,
            "weights": {organ: list(values) for organ, values in self.weights.items()},
            "patients": self.patients,
            "estimates": self.estimates,
            "mean_absolute_error": self.mean_absolute_error,
            "error_of_the_mean": self.error_of_the_mean,
        }


def features(slices: pd.DataFrame) -> pd.DataFrame:
    """A row for each scan and organ: ``mean``, ``low`` and ``size``, NaN where nothing was drawn; see `METHOD`.

    Args:
        slices: needs ``patient``, ``scan``, ``organ``, ``prediction_voxels`` and ``confidence``.
    """
    drawn = slices.assign(sure=slices["confidence"] * slices["prediction_voxels"])
    groups = drawn[slices["confidence"].notna() & (slices["prediction_voxels"] > 0)].groupby(KEYS)
    found = groups[["sure", "prediction_voxels"]].sum()
    found["mean"] = found["sure"] / found["prediction_voxels"]
    found["low"] = groups["confidence"].quantile(0.1)
    found["size"] = np.log10(found["prediction_voxels"].astype(float))
    found = found[["mean", "low", "size"]]
    return slices[KEYS].drop_duplicates().merge(found.reset_index(), on=KEYS, how="left")


def fit_quality(slices: pd.DataFrame, scans: pd.DataFrame) -> tuple[QualityModel, pd.DataFrame] | None:
    """A model, and the table of `QualityModel.expect` for these scans, each patient estimated from the others alone.

    ``None`` with fewer than `MIN_PATIENTS` patients in whom something was drawn. Organs that so few patients show, or that
    are drawn nowhere, get no estimate.

    Args:
        slices, scans: ``slices.parquet`` and ``scans.parquet`` of one evaluation.
    """
    table = features(slices).merge(scans[[*KEYS, "dice"]], on=KEYS)
    table["expected_dice"] = np.nan
    table["by_mean"] = np.nan
    weights = {}
    for organ in ORGANS:
        rows = table[(table["organ"] == organ.name) & table["mean"].notna() & table["dice"].notna()]
        if rows["patient"].nunique() < MIN_PATIENTS:
            continue
        weights[organ.name] = tuple(float(value) for value in _fit(rows))
        for _, mine in rows.groupby("patient"):
            others = rows[rows["patient"] != mine["patient"].iloc[0]]
            solved = _fit(others)
            table.loc[mine.index, "expected_dice"] = [_estimate(solved, row) for row in _matrix(mine)]
            table.loc[mine.index, "by_mean"] = others["dice"].mean()
    checked = table[table["expected_dice"].notna()]
    if not weights:
        return None
    model = QualityModel(
        weights, int(checked["patient"].nunique()), len(checked), _error(checked, "expected_dice"), _error(checked, "by_mean")
    )
    return model, table[[*KEYS, "expected_dice"]]


def _error(checked: pd.DataFrame, column: str) -> float:
    return float((checked[column] - checked["dice"]).abs().mean())


def _matrix(table: pd.DataFrame) -> NDArray[np.float64]:
    return table[["mean", "low", "size"]].to_numpy(np.float64)


def _fit(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Intercept and slopes; the slopes of standardised features are pulled to zero, the intercept is free."""
    seen, dice = _matrix(rows), rows["dice"].to_numpy(np.float64)
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    scaled = (seen - middle) / spread
    slopes = np.linalg.solve(scaled.T @ scaled + RIDGE * np.eye(3), scaled.T @ (dice - dice.mean())) / spread
    return np.concatenate([[dice.mean() - slopes @ middle], slopes])


def _estimate(weights: NDArray[np.float64], row: NDArray[np.float64]) -> float:
    return float(np.clip(weights[0] + row @ weights[1:], 0, 1))


def add_expected_dice(evaluation: Evaluation) -> Evaluation:
    """Write the column ``expected_dice`` to ``scans.parquet`` and the estimate's error to ``evaluation.json``.

    With too few patients for an estimate nothing is written.

    Raises:
        WorkspaceError: a table is missing or damaged, or the disk refuses.
    """
    scans = evaluation.scans().drop(columns="expected_dice", errors="ignore")
    fitted = fit_quality(evaluation.slices(), scans)
    if fitted is None:
        return evaluation
    model, expected = fitted
    content = io.BytesIO()
    scans.merge(expected, on=KEYS, how="left").to_parquet(content, index=False)
    write_whole(evaluation.paths.scans, content.getvalue())
    summary = evaluation.summary | {"expected_dice": model.to_json()}
    write_json(evaluation.paths.summary, summary)
    return replace(evaluation, summary=summary)
