"""An evaluation in the schema of nnU-Net v2's ``summary.json``, for people who have tools that read it."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.labels import ORGANS
from core.metrics.overlap import Confusion, Overlap
from core.storage.files import write_whole

Metrics = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One scan."""

    reference: str
    """Where its reference is."""
    prediction: str
    """Where its prediction is."""
    confusion: Confusion
    """(4, 4) class pairs of the whole scan."""


def summary(cases: Sequence[Case], *, leak: str) -> dict[str, Any]:
    """nnU-Net v2's ``metric_per_case``, ``mean`` and ``foreground_mean``, by its own rules, and the leak badge.

    Its rules are those of ``nnunetv2/evaluation/evaluate_predictions.py``: Dice and IoU are NaN where neither has the label,
    and means leave NaN out.

    Args:
        leak: text of the leak badge; an entry that nnU-Net does not know and does not mind.
    """
    metrics = [_metrics(case.confusion) for case in cases]
    mean = {str(organ.id): _mean([each[str(organ.id)] for each in metrics]) for organ in ORGANS}
    per_case = [
        {"reference_file": case.reference, "prediction_file": case.prediction, "metrics": each}
        for case, each in zip(cases, metrics, strict=True)
    ]
    return {
        "metric_per_case": per_case,
        "mean": mean,
        "foreground_mean": {name: _plain_mean([each[name] for each in mean.values()]) for name in mean["1"]},
        "leak": leak,
    }


def _metrics(confusion: Confusion) -> dict[str, Metrics]:
    voxels = int(confusion.sum())
    return {str(organ.id): _of(Overlap.of(confusion, organ.id), voxels) for organ in ORGANS}


def _of(overlap: Overlap, voxels: int) -> Metrics:
    only_reference, only_prediction = overlap.reference - overlap.both, overlap.prediction - overlap.both
    return {
        "Dice": overlap.dice,
        "IoU": overlap.iou,
        "FP": only_prediction,
        "TP": overlap.both,
        "FN": only_reference,
        "TN": voxels - overlap.both - only_prediction - only_reference,
        "n_pred": overlap.prediction,
        "n_ref": overlap.reference,
    }


def _mean(cases: Sequence[Metrics]) -> Metrics:
    return {name: _plain_mean([case[name] for case in cases if not math.isnan(case[name])]) for name in cases[0]}


def _plain_mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def write_summary(path: Path, content: dict[str, Any]) -> None:
    """Write ``summary.json`` as nnU-Net does: sorted, four spaces, NaN as the word that Python reads."""
    write_whole(path, (json.dumps(content, indent=4, sort_keys=True) + "\n").encode())
