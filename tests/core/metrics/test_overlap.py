"""Dice and IoU: by hand, against three other implementations, and where those differ."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import dice as scipy_dissimilarity

from core.metrics.overlap import Overlap, confusion_per_slice

volumes = arrays(np.uint8, (2, 3, 4), elements=st.integers(0, 3))


def overlap_of(reference: np.ndarray, prediction: np.ndarray, class_id: int) -> Overlap:
    return Overlap.of(confusion_per_slice(reference=reference, prediction=prediction).sum(axis=0), class_id)


def monai_dice(reference: np.ndarray, prediction: np.ndarray, class_id: int) -> float:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.metrics import compute_dice
    masks = [torch.from_numpy(each == class_id)[None, None] for each in (prediction, reference)]
    return float(compute_dice(*masks, ignore_empty=True)[0, 0])


def test_confusion_by_hand() -> None:
    reference = np.array([[[0, 1, 1]], [[2, 3, 3]]], np.uint8)
    prediction = np.array([[[0, 1, 2]], [[2, 3, 0]]], np.uint8)
    confusion = confusion_per_slice(reference=reference, prediction=prediction)
    first = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    second = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    np.testing.assert_array_equal(confusion, [first, second])
    assert confusion.dtype == np.int64


@given(volumes, volumes)
def test_confusion_counts_every_voxel_once(reference: np.ndarray, prediction: np.ndarray) -> None:
    confusion = confusion_per_slice(reference=reference, prediction=prediction)
    for i in range(4):
        for j in range(4):
            np.testing.assert_array_equal(confusion[:, i, j], ((reference == i) & (prediction == j)).sum(axis=(1, 2)))


def test_confusion_refuses_volumes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"^reference \(1, 2, 3\) and prediction \(1, 3, 2\) differ in shape$"):
        confusion_per_slice(reference=np.zeros((1, 2, 3), np.uint8), prediction=np.zeros((1, 3, 2), np.uint8))


def test_scores_by_hand() -> None:
    overlap = Overlap(reference=6, prediction=4, both=3)
    assert overlap.outcome == "scored"
    assert overlap.dice == pytest.approx(0.6)
    assert overlap.iou == pytest.approx(3 / 7)


@pytest.mark.parametrize(
    ("overlap", "outcome", "score"),
    [
        (Overlap(0, 0, 0), "absent", math.nan),
        (Overlap(5, 0, 0), "missed", 0.0),
        (Overlap(0, 5, 0), "false_alarm", 0.0),
        (Overlap(5, 5, 0), "scored", 0.0),
        (Overlap(5, 5, 5), "scored", 1.0),
    ],
)
def test_the_rule_for_empty_masks(overlap: Overlap, outcome: str, score: float) -> None:
    assert overlap.outcome == outcome
    assert overlap.dice == pytest.approx(score, nan_ok=True)
    assert overlap.iou == pytest.approx(score, nan_ok=True)


@pytest.mark.parametrize(
    ("overlap", "precision", "recall"),
    [
        (Overlap(6, 4, 3), 0.75, 0.5),
        (Overlap(0, 0, 0), math.nan, math.nan),
        (Overlap(5, 0, 0), 0.0, 0.0),
        (Overlap(0, 5, 0), 0.0, 0.0),
        (Overlap(5, 5, 5), 1.0, 1.0),
    ],
)
def test_precision_and_recall_by_hand(overlap: Overlap, precision: float, recall: float) -> None:
    """A missed organ has no precision of its own; left undefined, it would leave the mean and lift it."""
    assert (overlap.precision, overlap.recall) == pytest.approx((precision, recall), nan_ok=True)


@given(volumes, volumes)
def test_dice_and_iou_are_one_function_of_the_other(reference: np.ndarray, prediction: np.ndarray) -> None:
    for class_id in range(4):
        overlap = overlap_of(reference, prediction, class_id)
        assert overlap.dice == pytest.approx(2 * overlap.iou / (1 + overlap.iou), nan_ok=True)


@given(volumes, volumes)
def test_nnunet_s_counts_give_the_same(reference: np.ndarray, prediction: np.ndarray) -> None:
    for class_id in (1, 2, 3):
        a, b = reference == class_id, prediction == class_id
        tp, fp, fn = (a & b).sum(), (~a & b).sum(), (a & ~b).sum()
        nnunet = (2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)) if tp + fp + fn else (math.nan, math.nan)
        overlap = overlap_of(reference, prediction, class_id)
        assert (overlap.dice, overlap.iou) == pytest.approx(nnunet, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_scipy_monai_and_torchmetrics_give_the_same_where_both_masks_hold_something(seed: int) -> None:
    import torch
    from torchmetrics.functional.segmentation import dice_score

    draw = np.random.default_rng(seed)
    reference, prediction = (draw.choice(4, (4, 9, 8), p=[0.6, 0.2, 0.15, 0.05]).astype(np.uint8) for _ in range(2))
    one_hot = [torch.from_numpy(np.stack([each == i for i in range(4)]))[None].int() for each in (prediction, reference)]
    torch_scores = dice_score(*one_hot, num_classes=4, include_background=True, average="none")[0]
    for class_id in (1, 2, 3):
        ours = overlap_of(reference, prediction, class_id).dice
        assert ours == pytest.approx(monai_dice(reference, prediction, class_id), abs=1e-6)
        assert ours == pytest.approx(float(torch_scores[class_id]), abs=1e-6)
        assert ours == pytest.approx(1 - scipy_dissimilarity((reference == class_id).ravel(), (prediction == class_id).ravel()))


@pytest.mark.slow
def test_where_monai_differs() -> None:
    """MONAI leaves a false alarm out of its mean (NaN); here it costs the whole score (0)."""
    empty, drawn = np.zeros((1, 4, 4), np.uint8), np.ones((1, 4, 4), np.uint8)
    assert math.isnan(monai_dice(empty, drawn, 1))
    assert overlap_of(empty, drawn, 1).dice == 0
    assert monai_dice(drawn, empty, 1) == overlap_of(drawn, empty, 1).dice == 0
    assert math.isnan(monai_dice(empty, empty, 1))
    assert math.isnan(overlap_of(empty, empty, 1).dice)
