"""What a network says of its own outlines, by hand; and what it costs to write it down."""

import json
import math

import numpy as np
import pytest

from core.metrics.confidence import Confidence, mirror_pairs

NAN = math.nan


def same(found: dict[str, float], expected: dict[str, float]) -> bool:
    return found == pytest.approx(expected, nan_ok=True)


def test_by_hand() -> None:
    """Stomach on two voxels of the first slice (0.8 and 0.6), nothing on the second, where its best place had 0.3."""
    labels, certain = np.zeros((2, 1, 3), np.uint8), np.full((2, 1, 3), 255, np.uint8)
    labels[0, 0, :2], certain[0, 0, :2] = 1, (204, 153)
    highest = np.array([[1.0, 0.8, 0.125, 0.0], [1.0, 0.25, 0.0, 0.5]], np.float32)
    found = Confidence.of(labels, certain, highest)
    assert same(found.on_slice(0, 1), {"confidence": 0.7, "confidence_absent": NAN, "flip_agreement": NAN})
    assert same(found.on_slice(1, 1), {"confidence": NAN, "confidence_absent": 0.75, "flip_agreement": NAN})
    assert same(found.on_slice(0, 2), {"confidence": NAN, "confidence_absent": 0.875, "flip_agreement": NAN})
    assert same(found.on_slice(1, 3), {"confidence": NAN, "confidence_absent": 0.5, "flip_agreement": NAN})
    assert math.isnan(found.flip_agreement(1))


def test_flip_agreement_by_hand() -> None:
    """Stomach: Dice 1, 2/3 and 0 with the three mirror images; small bowel: drawn by one of them alone; large: by none."""
    plain, half, other = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]), np.array([[0, 0, 0, 2]])
    slices = [mirror_pairs([each.astype(np.uint8) for each in (plain, plain, half, other)])] * 2
    labels = np.zeros((2, 1, 4), np.uint8)
    found = Confidence.of(labels, labels, np.zeros((2, 4), np.float32), np.stack(slices))
    assert found.on_slice(0, 1)["flip_agreement"] == found.flip_agreement(1) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found.flip_agreement(2) == 0
    assert math.isnan(found.flip_agreement(3))


def test_of_a_scan_it_counts_voxels_not_slices() -> None:
    """Two voxels agree on the first slice, and one of two on the second: 6 / (4 + 3), not the mean of 1 and 2/3."""
    first, second = np.array([[1, 1]], np.uint8), np.array([[1, 0]], np.uint8)
    pairs = np.stack([mirror_pairs([first, first]), mirror_pairs([first, second])])
    found = Confidence(np.zeros((2, 3)), np.zeros((2, 3)), pairs)
    assert found.flip_agreement(1) == pytest.approx(6 / 7)


def test_written_down_it_is_the_very_same() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    labels[2] = 0
    certain, highest = random.integers(0, 256, labels.shape).astype(np.uint8), random.random((5, 4)).astype(np.float32)
    for pairs in (None, random.integers(0, 9, (5, 3, 4, 4))):
        found = Confidence.of(labels, certain, highest, pairs)
        again = Confidence.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
        np.testing.assert_array_equal(again.drawn, found.drawn)
        np.testing.assert_array_equal(again.absent, found.absent)
        assert (again.mirrored is None) == (pairs is None)
        if pairs is not None:
            np.testing.assert_array_equal(again.mirrored, pairs)
