"""The slice and scan tables of an evaluation, in long form: one row per organ and slice, or organ and scan; and their means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.data.scan import Scan
from core.labels import ORGANS
from core.metrics.bootstrap import Interval, column_interval
from core.metrics.confidence import NOTHING, Confidence
from core.metrics.overlap import Confusion, Overlap
from core.metrics.scan_scores import OrganScores, ScanScores
from core.metrics.surface import nsd_column, nsd_columns

OVERLAP_MEANS = ("dice", "iou", "precision", "recall")
ALL_ORGANS_MEANS = (*OVERLAP_MEANS, "hd95_mm", "mean_surface_distance_mm")
"""Scores that have a mean over organs, beside the NSD at each tolerance."""
ALL_ORGANS_RULE = "each scan's mean over the organs that have a score in it, averaged over scans; scans with none are left out"
OTHER_MEANS = ("hd95_mm", "mean_surface_distance_mm", "volume_error_ml", "volume_error_percent", "absolute_volume_error_ml")


def slice_rows(
    scan: Scan, confusion: Confusion, *, confidence: Confidence | None = None, leak: str = "unknown"
) -> list[dict[str, Any]]:
    """Rows of ``slices.parquet`` for one scan: overlap per slice and organ, to find the slice to look at.

    Args:
        confusion: (Z, 4, 4), see `core.metrics.overlap.confusion_per_slice`.
        confidence: the network's own; ``None`` where nobody knows.
        leak: text of the leak badge, beside every score.
    """
    return [
        _identity(scan)
        | {"slice": each.name.number, "position": position, "name": each.name.stem}
        | _overlap(Overlap.of(confusion[position], organ.id), organ.name)
        | (NOTHING if confidence is None else confidence.on_slice(position, organ.id))
        | {"leak": leak}
        for position, each in enumerate(scan.slices)
        for organ in ORGANS
    ]


def scan_rows(
    scan: Scan, scores: ScanScores, *, confidence: Confidence | None = None, leak: str = "unknown"
) -> list[dict[str, Any]]:
    """Rows of ``scans.parquet`` for one scan: every score of the whole volume.

    Args:
        confidence: the network's own; ``None`` where nobody knows.
        leak: text of the leak badge, beside every score.
    """
    return [
        _identity(scan)
        | {"slices": len(scan.slices)}
        | _overlap(scores.organs[organ.name].overlap, organ.name)
        | _distances_and_volumes(scores.organs[organ.name], scores.tolerances_mm)
        | {"flip_agreement": float("nan") if confidence is None else confidence.flip_agreement(organ.id)}
        | {"leak": leak}
        for organ in ORGANS
    ]


def _identity(scan: Scan) -> dict[str, Any]:
    return {"patient": scan.patient, "scan": scan.id, "day": scan.day}


def _overlap(overlap: Overlap, organ: str) -> dict[str, Any]:
    return {
        "organ": organ,
        "outcome": overlap.outcome,
        "dice": overlap.dice,
        "iou": overlap.iou,
        "precision": overlap.precision,
        "recall": overlap.recall,
        "reference_voxels": overlap.reference,
        "prediction_voxels": overlap.prediction,
        "both_voxels": overlap.both,
    }


def _distances_and_volumes(organ: OrganScores, tolerances_mm: Sequence[float]) -> dict[str, Any]:
    return {
        "hd95_mm": organ.surface.hd95_mm,
        **{nsd_column(tolerance): nsd for tolerance, nsd in zip(tolerances_mm, organ.surface.nsd, strict=True)},
        "mean_surface_distance_mm": organ.surface.mean_surface_distance_mm,
        "reference_ml": organ.reference_ml,
        "prediction_ml": organ.prediction_ml,
        "volume_error_ml": organ.volume_error_ml,
        "volume_error_percent": organ.volume_error_percent,
    }


def frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; ``day`` is a nullable integer, since names need not tell it."""
    table = pd.DataFrame(rows)
    return table.astype({"day": "Int64"})


def summarise(scans: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per organ, the mean over scans of each score, with its interval over patients and the counts behind it.

    A slice is never averaged: each scan counts once, with the score of its whole volume. Scans where neither has the organ
    are left out of every mean; a distance or volume is also left out where the spacing is unknown, and a volume error in
    percent where the reference has none of the organ. A mean of nothing is ``None``, and so is an interval of fewer than two
    patients.

    Args:
        scans: ``scans.parquet``, see `scan_rows`.
    """
    return {organ.name: _summary_of(scans[scans["organ"] == organ.name]) for organ in ORGANS}


def _summary_of(rows: pd.DataFrame) -> dict[str, Any]:
    outcomes = rows["outcome"].value_counts()
    counted = rows[rows["outcome"] != "absent"]
    counted = counted.assign(absolute_volume_error_ml=counted["volume_error_ml"].abs())
    columns = [*OVERLAP_MEANS, *nsd_columns(rows.columns), *OTHER_MEANS]
    return {
        **{name: _mean(counted[name]) for name in columns},
        "scans": len(counted),
        **{name: int(outcomes.get(name, 0)) for name in ("missed", "false_alarm", "absent")},
        "counts": {name: int(counted[name].notna().sum()) for name in columns},
        "intervals": {name: _json(column_interval(counted, name)) for name in columns},
    }


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if values.notna().any() else None


def _json(interval: Interval | None) -> dict[str, Any] | None:
    return interval.to_json() if interval else None


def mean_over_organs(scans: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row a scan: the mean of its organs that have the score, NaN where none has; columns patient, scan and ``columns``.

    This is what "over all organs" means wherever one scan is shown, and `over_all_organs` averages it over scans.
    """
    groups = scans.groupby(["patient", "scan"], observed=True, sort=False, dropna=False)[list(columns)]
    return groups.mean().astype(np.float64).reset_index()


def over_all_organs(scans: pd.DataFrame) -> dict[str, Any]:
    """The headline over all organs: each scan's own mean over the organs that have a score in it, averaged over scans.

    Like every other mean it weighs each scan once (the mean of the organs' means would weigh an organ that few scans have as
    much as one that all have). Distances are left out where the spacing is unknown, and volumes altogether: millilitres of
    different organs have no common mean.

    Args:
        scans: ``scans.parquet``, see `scan_rows`.

    Returns:
        The means and their ``counts`` and ``intervals`` as `summarise` gives them for an organ; ``scans`` that have an organ,
        ``absent`` those that have none, and how many organs are ``missed`` and ``false_alarm`` over all scans.
    """
    shown = {*nsd_columns(scans.columns), *ALL_ORGANS_MEANS}
    columns = [name for name in scans.columns if name in shown]
    means = mean_over_organs(scans, columns)
    having = int(means["dice"].notna().sum())
    outcomes = scans["outcome"].value_counts()
    return {
        **{name: _mean(means[name]) for name in columns},
        "scans": having,
        **{name: int(outcomes.get(name, 0)) for name in ("missed", "false_alarm")},
        "absent": len(means) - having,
        "counts": {name: int(means[name].notna().sum()) for name in columns},
        "intervals": {name: _json(column_interval(means, name)) for name in columns},
    }
