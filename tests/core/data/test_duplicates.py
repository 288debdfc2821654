"""Copies under another name: the hash, its distances by hand, and what is not a copy."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.duplicates import NEAR_BITS, difference_hash, is_flat, near_pairs
from core.data.images import Pixels


def picture(seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 255, (12, 12)).astype(np.uint8)
    return cv2.resize(noise, (96, 120), interpolation=cv2.INTER_CUBIC)


def bits(a: Pixels, b: Pixels) -> int:
    return int(np.bitwise_count(difference_hash(a) ^ difference_hash(b)).sum())


def test_hash_of_a_ramp_by_hand() -> None:
    ramp = np.tile(np.arange(17, dtype=np.uint8) * 9, (16, 1))
    assert np.bitwise_count(difference_hash(ramp)).sum() == 256
    assert np.bitwise_count(difference_hash(ramp[:, ::-1].copy())).sum() == 0
    half = ramp.copy()
    half[:8] = 0
    assert np.bitwise_count(difference_hash(half)).sum() == 128


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_GRAYSCALE),
        lambda image: cv2.resize(image, (288, 288)),
        lambda image: image.astype(np.uint16) * 200,
        lambda image: np.clip(image * 0.8 + 10, 0, 255).astype(np.uint8),
    ],
    ids=["jpeg", "resized", "16 bits", "darker"],
)
def test_a_copy_is_near(change) -> None:
    image = picture(1)
    assert bits(image, change(image)) <= NEAR_BITS


def test_other_pictures_are_far() -> None:
    assert min(bits(picture(0), picture(seed)) for seed in range(1, 20)) > 4 * NEAR_BITS


def test_pairs_are_across_groups_and_nearest_first() -> None:
    one, other = difference_hash(picture(1)), difference_hash(picture(2))
    near = one.copy()
    near[0] ^= np.uint64(0b111)
    hashes = np.stack([one, one, other, near, one])
    found = near_pairs(hashes, np.array([0, 0, 1, 2, 3]))
    assert found.to_numpy().tolist() == [[0, 4, 0], [1, 4, 0], [0, 3, 3], [1, 3, 3], [3, 4, 3]]


def test_empty_pictures_are_no_pairs() -> None:
    black = difference_hash(np.zeros((64, 64), np.uint8))
    assert is_flat(np.stack([black])).all()
    assert near_pairs(np.stack([black, black]), np.array([0, 1])).empty
    assert near_pairs(np.empty((0, 4), np.uint64), np.empty(0, np.int64)).empty


@given(st.integers(2, 40), st.integers(0, 2**31))
def test_pairs_agree_with_comparing_each_with_each(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    base = random.integers(0, 2**63, (3, 4), np.uint64)
    hashes = base[random.integers(0, 3, count)]
    groups = random.integers(0, 4, len(hashes))
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    wanted = {(i, j) for i in range(len(hashes)) for j in range(i) if distance[i, j] <= NEAR_BITS and groups[i] != groups[j]}
    found = near_pairs(hashes, groups)
    assert {(j, i) for i, j in zip(found["first"], found["second"], strict=True)} == wanted
