"""The slice and scan tables of an evaluation, in long form: one row per organ and slice, or organ and scan."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.index import Scan
from core.data.masks import LabelMap
from core.labels import ORGANS
from core.metrics.overlap import Confusion, Overlap


def slice_rows(scan: Scan, confusion: Confusion, *, prediction: LabelMap, confidence: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Rows of ``slices.parquet`` for one scan.

    Args:
        confusion: (Z, 4, 4), see `core.metrics.overlap.confusion_per_slice`.
        prediction: (Z, H, W) uint8 label volume.
        confidence: (Z, H, W) uint8, 255 for certainty.
    """
    rows = []
    for position, each in enumerate(scan.slices):
        for organ in ORGANS:
            certain = confidence[position][prediction[position] == organ.id]
            rows.append(
                _identity(scan)
                | {"slice": each.name.number, "position": position, "name": each.name.stem}
                | _scores(Overlap.of(confusion[position], organ.id), organ.name)
                | {"confidence": float(certain.mean()) / 255 if certain.size else float("nan")}
            )
    return rows


def scan_rows(scan: Scan, confusion: Confusion) -> list[dict[str, Any]]:
    """Rows of ``scans.parquet`` for one scan: scores of the whole volume, from the sum of its slices' counts."""
    total = confusion.sum(axis=0)
    return [_identity(scan) | {"slices": len(scan.slices)} | _scores(Overlap.of(total, organ.id), organ.name) for organ in ORGANS]


def _identity(scan: Scan) -> dict[str, Any]:
    return {"patient": scan.patient, "scan": scan.id, "day": scan.day}


def _scores(overlap: Overlap, organ: str) -> dict[str, Any]:
    return {
        "organ": organ,
        "outcome": overlap.outcome,
        "dice": overlap.dice,
        "iou": overlap.iou,
        "reference_voxels": overlap.reference,
        "prediction_voxels": overlap.prediction,
        "both_voxels": overlap.both,
    }


def frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; ``day`` is a nullable integer, since names need not tell it."""
    table = pd.DataFrame(rows)
    return table.astype({"day": "Int64"})


def summarise(scans: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per organ, the mean over scans of Dice and IoU and the counts behind it; undefined means are ``None``.

    A slice is never averaged: each scan counts once, with the score of its whole volume.
    """
    summary: dict[str, dict[str, Any]] = {}
    for organ in ORGANS:
        rows = scans[scans["organ"] == organ.name]
        outcomes = rows["outcome"].value_counts()
        counted = rows[rows["outcome"] != "absent"]
        summary[organ.name] = {
            "dice": float(counted["dice"].mean()) if len(counted) else None,
            "iou": float(counted["iou"].mean()) if len(counted) else None,
            "scans": len(counted),
            **{name: int(outcomes.get(name, 0)) for name in ("missed", "false_alarm", "absent")},
        }
    return summary


def macro_dice(summary: dict[str, dict[str, Any]]) -> float | None:
    """Mean of the organs' mean Dice, background left out; ``None`` where no organ has a score."""
    values = [organ["dice"] for organ in summary.values() if organ["dice"] is not None]
    return float(np.mean(values)) if values else None
