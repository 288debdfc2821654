"""What the scoring itself writes of one small scan, for tests that need an evaluation and no network."""

from pathlib import Path
from typing import Any

import numpy as np

from core.config import ScoringConfig
from core.data.identity import parse_slice_name
from core.data.index import group_scans
from core.data.manifest import DatasetManifest
from core.data.scan import SliceFile
from core.evaluation.score_set import ScoreSet

SCAN = "case1_day0"


def real_scores() -> ScoreSet:
    """Of three slices with two organs, drawn one voxel off."""
    names = [parse_slice_name(f"{SCAN}_slice_{number:04d}") for number in (1, 2, 3)]
    (scan,) = group_scans([SliceFile(name, Path("image"), Path("mask")) for name in names], DatasetManifest("made"))
    labels = np.zeros((3, 12, 12), np.uint8)
    labels[:, 2:6, 2:6], labels[:, 7:10, 7:10] = 1, 2
    scores = ScoreSet(leak="unknown", config=ScoringConfig())
    scores.add(scan, reference=labels, prediction=np.roll(labels, 1, axis=2))
    return scores


def real_summary(**facts: Any) -> dict[str, Any]:
    """``evaluation.json`` with these facts and the scores of `real_scores`."""
    made = {"created_at": "2026-01-01T00:00:00+00:00", "scan_count": 1, "patient_count": 1}
    return made | {"scans": {SCAN: {"patient": "case1"}}} | real_scores().summary() | facts
