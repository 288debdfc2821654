"""All scores of a scan together: volumes by hand, bounds on random volumes, and scans scored side by side."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.labels import ORGANS
from core.metrics.scan_scores import OrganScores
from tests.core.metrics.references import EXAMPLES, dice_and_iou_by_torchmetrics, score_scan

MM = (3.0, 1.5, 1.5)


def block(voxels: int, organ: int = 1) -> np.ndarray:
    """(2, 10, 10) with so many voxels of an organ."""
    volume = np.zeros((2, 10, 10), np.uint8)
    volume.flat[:voxels] = organ
    return volume


def stomach(reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float] | None = MM) -> OrganScores:
    return score_scan(reference=reference, prediction=prediction, spacing_mm=spacing).organs["stomach"]


def test_volumes_by_hand() -> None:
    """A voxel of 3 × 1.5 × 1.5 mm is 6.75 mm³; 80 of them 0.54 ml."""
    found = stomach(block(80), block(100))
    assert found.reference_ml == pytest.approx(0.54)
    assert found.prediction_ml == pytest.approx(0.675)
    assert found.volume_error_ml == pytest.approx(0.135)
    assert found.volume_error_percent == pytest.approx(25)


def test_volumes_of_a_missed_organ_a_false_alarm_and_none() -> None:
    missed, alarm, absent = stomach(block(80), block(0)), stomach(block(0), block(80)), stomach(block(0), block(0))
    assert (missed.volume_error_ml, missed.volume_error_percent) == (pytest.approx(-0.54), -100)
    assert alarm.volume_error_ml == pytest.approx(0.54)
    assert math.isnan(alarm.volume_error_percent)
    assert (absent.reference_ml, absent.prediction_ml) == (0, 0)
    assert math.isnan(absent.volume_error_ml)


def test_without_spacing_there_is_no_volume_but_a_percentage() -> None:
    found = stomach(block(80), block(100), None)
    assert math.isnan(found.reference_ml)
    assert math.isnan(found.volume_error_ml)
    assert found.volume_error_percent == 25


volumes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 3), fill=st.just(np.uint8(0)))] * 2)
)


@settings(max_examples=EXAMPLES)
@given(volumes)
def test_random_volumes(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """No crash, every bound, and what swapping reference and prediction does to each score."""
    found = score_scan(reference=pair[0], prediction=pair[1], spacing_mm=MM)
    swapped = score_scan(reference=pair[1], prediction=pair[0], spacing_mm=MM)
    for organ in ORGANS:
        ours, back = found.organs[organ.name], swapped.organs[organ.name]
        shares = [ours.overlap.dice, ours.overlap.iou, ours.overlap.precision, ours.overlap.recall, *ours.surface.nsd]
        assert all(math.isnan(each) for each in shares) == (ours.overlap.outcome == "absent")
        assert all(math.isnan(each) or 0 <= each <= 1 for each in shares)
        mirrored = [back.overlap.dice, back.overlap.iou, back.overlap.recall, back.overlap.precision, *back.surface.nsd]
        assert shares == pytest.approx(mirrored, nan_ok=True)
        assert ours.volume_error_ml == pytest.approx(-back.volume_error_ml, nan_ok=True)
        assert ours.overlap.iou <= ours.overlap.dice or math.isnan(ours.overlap.dice)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_gives_the_same_dice_and_iou(seed: int) -> None:
    draw = np.random.default_rng(seed)
    reference, prediction = (draw.choice(4, (4, 9, 8), p=[0.6, 0.2, 0.15, 0.05]).astype(np.uint8) for _ in range(2))
    found = score_scan(reference=reference, prediction=prediction, spacing_mm=MM)
    for organ in ORGANS:
        overlap = found.organs[organ.name].overlap
        theirs = dice_and_iou_by_torchmetrics(reference == organ.id, prediction == organ.id)
        assert (overlap.dice, overlap.iou) == pytest.approx(theirs, abs=1e-6)
