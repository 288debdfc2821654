"""Augmentation: class ids survive, image and mask move together, and the seed decides."""

import numpy as np
import pytest

from training.augmentation import reseed, training_transform


@pytest.fixture
def slice_and_mask() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((96, 96), np.uint8)
    mask[20:50, 20:50], mask[40:70, 55:85], mask[60:90, 10:40] = 1, 2, 3
    return mask * 60 + 50, mask


def _many(pair: tuple[np.ndarray, np.ndarray], seed: int, count: int = 40) -> list[dict[str, np.ndarray]]:
    transform = training_transform(seed)
    return [transform(image=pair[0], mask=pair[1]) for _ in range(count)]


def test_shape_type_and_class_ids_survive(slice_and_mask: tuple[np.ndarray, np.ndarray]):
    seen: set[int] = set()
    for changed in _many(slice_and_mask, seed=0):
        assert changed["image"].shape == changed["mask"].shape == (96, 96)
        assert changed["image"].dtype == changed["mask"].dtype == np.uint8
        seen |= set(np.unique(changed["mask"]).tolist())
    assert seen == {0, 1, 2, 3}


def test_the_seed_decides(slice_and_mask: tuple[np.ndarray, np.ndarray]):
    first, again, other = (_many(slice_and_mask, seed=seed, count=5) for seed in (1, 1, 2))
    assert all(np.array_equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a["image"], b["image"]) for a, b in zip(first, other, strict=True))


def test_reseeding_gives_each_loader_its_own_numbers(slice_and_mask: tuple[np.ndarray, np.ndarray]):
    image, mask = slice_and_mask
    transform = training_transform(1)
    pictures = []
    for seed in (5, 6, 5):
        reseed(transform, seed)
        pictures.append(np.stack([transform(image=image, mask=mask)["image"] for _ in range(5)]))
    assert np.array_equal(pictures[0], pictures[2])
    assert not np.array_equal(pictures[0], pictures[1])


def test_holes_are_five_to_eight_small_ones_and_leave_the_mask(slice_and_mask: tuple[np.ndarray, np.ndarray]):
    image, mask = slice_and_mask
    dropout = training_transform(0).transforms[-1]
    dropout.p = 1.0
    dropout.set_random_seed(3)
    for _ in range(10):
        changed = dropout(image=image, mask=mask)
        holes = int((changed["image"] == 0).sum())
        side = round(96 / 20)
        assert (side - 1) ** 2 * 3 <= holes <= (side + 1) ** 2 * 8
        assert np.array_equal(changed["mask"], mask)


def test_image_and_mask_move_together(slice_and_mask: tuple[np.ndarray, np.ndarray]):
    image, mask = slice_and_mask
    transform = training_transform(4)
    transform.transforms = transform.transforms[:3]
    for _ in range(20):
        changed = transform(image=image, mask=mask)
        inside = changed["mask"] == 3
        # Linear and nearest resampling differ by a pixel along the edges, no more.
        assert np.median(changed["image"][inside]) == 230
