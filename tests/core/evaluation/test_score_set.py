"""A set of scans as they come in: what the summary says about them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config import ScoringConfig
from core.data.identity import SliceName
from core.data.manifest import ScanInfo
from core.data.scan import Scan, SliceFile
from core.evaluation.score_set import ScoreSet
from core.metrics.geometry import NO_SPACING, SLICES_MISSING


def scan(patient: str, numbers: tuple[int, ...] = (1, 2)) -> Scan:
    files = [SliceFile(SliceName(patient, patient, n, f"{patient}_{n}", 0), Path(), Path()) for n in numbers]
    return Scan(f"{patient}_day0", patient, 0, tuple(files), ScanInfo((3.0, 1.5, 1.5)))


@pytest.fixture
def scores() -> ScoreSet:
    return ScoreSet(leak="leaked (1 of 2 patients)", config=ScoringConfig())


def volumes() -> dict[str, np.ndarray]:
    """One voxel of the stomach right, one missed; one of the small bowel called large bowel."""
    reference, prediction = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    reference[0, 0] = 1, 1, 2
    prediction[0, 0] = 1, 0, 3
    return {"reference": reference, "prediction": prediction}


def test_the_confusion_counts_pixels_of_all_scans(scores: ScoreSet) -> None:
    for patient in ("case1", "case2"):
        scores.add(scan(patient), **volumes())
    confusion = scores.summary()["confusion"]
    assert confusion["classes"] == ["background", "stomach", "small_bowel", "large_bowel"]
    assert (confusion["rows"], confusion["columns"]) == ("reference", "prediction")
    assert confusion["pixels"] == [[18, 0, 0, 0], [2, 2, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]]


def test_the_summary_is_json_and_says_what_its_numbers_rest_on(scores: ScoreSet) -> None:
    scores.add(scan("case1"), **volumes())
    scores.add(scan("case2"), **volumes())
    content = json.loads(json.dumps(scores.summary(), allow_nan=False))
    assert content["tolerances_mm"] == [1.5, 3.0]
    assert content["organs"]["stomach"]["dice"] == pytest.approx(2 / 3)
    assert content["organs"]["stomach"]["intervals"]["dice"]["patients"] == 2
    interval = {"low": pytest.approx(2 / 9), "high": pytest.approx(2 / 9), "patients": 2}
    assert content["all_organs"]["intervals"]["dice"] == interval
    assert {"surface", "hd95", "nsd", "mean_surface_distance", "empty_masks", "intervals"} <= content["conventions"].keys()
    assert content["without_distances"] == {}
    assert content["competition"]["volumes"] == 6
    assert content["competition"]["leak"] == "leaked (1 of 2 patients)"


def test_scans_without_distances_are_named_with_the_reason(scores: ScoreSet) -> None:
    scores.add(scan("case1", (1, 3)), **volumes())
    scores.add(replace(scan("case2"), info=ScanInfo()), **volumes())
    content = scores.summary()
    assert content["without_distances"] == {SLICES_MISSING: ["case1_day0"], NO_SPACING: ["case2_day0"]}
    assert content["organs"]["stomach"]["hd95_mm"] is None
    assert content["organs"]["stomach"]["counts"] | {"dice": 2, "hd95_mm": 0} == content["organs"]["stomach"]["counts"]
    assert content["competition"]["scans_left_out"] == 1


def test_every_row_carries_the_badge(scores: ScoreSet) -> None:
    scores.add(scan("case1"), **volumes())
    for table in (scores.slices(), scores.scans()):
        assert set(table["leak"]) == {"leaked (1 of 2 patients)"}
