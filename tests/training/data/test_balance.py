"""Balanced sampling: half with organs, half without, nothing favoured, and shared out to processes without loss."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.config import InputRecipe, TrainingConfig
from core.data.images import write_png
from core.data.index import load_index
from training.data.balance import BalancedSampler, organs_shown
from training.data.datamodule import MedicalSegmentationDataModule
from training.data.order import SeededSampler

SHOWN = [True] * 3 + [False] * 17


def _indices(sampler: SeededSampler) -> list[int]:
    return [draw.index for draw in sampler]


@pytest.mark.parametrize("epoch", range(3))
def test_half_of_the_draws_show_an_organ(epoch: int):
    sampler = BalancedSampler(SHOWN, seed=1)
    sampler.set_epoch(epoch)
    drawn = Counter(_indices(sampler))
    assert len(sampler) == drawn.total() == 20
    assert sum(count for index, count in drawn.items() if SHOWN[index]) == 10
    assert {drawn[index] for index in range(3)} <= {3, 4}
    assert {drawn[index] for index in range(3, 20)} <= {0, 1}


def test_odd_one_goes_to_each_half_in_turn():
    sampler = BalancedSampler([True, False, False], seed=1)
    counts = []
    for epoch in range(4):
        sampler.set_epoch(epoch)
        counts.append(_indices(sampler).count(0))
    assert sorted(counts) == [1, 1, 2, 2]


@pytest.mark.parametrize("shown", [[True] * 5, [False] * 5])
def test_one_kind_alone_is_drawn_once_each(shown: list[bool]):
    assert sorted(_indices(BalancedSampler(shown, seed=0))) == [0, 1, 2, 3, 4]


def test_epoch_and_seed_decide():
    def order(seed: int, epoch: int) -> list[int]:
        sampler = BalancedSampler(SHOWN, seed=seed)
        sampler.set_epoch(epoch)
        return _indices(sampler)

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(*key)) for key in [(1, 2), (1, 3), (2, 2)]}) == 3


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_an_epoch(world: int):
    alone = BalancedSampler(SHOWN, seed=4)
    shares = [BalancedSampler(SHOWN, seed=4, rank=rank, world=world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    drawn = Counter(index for share in shares for index in _indices(share))
    surplus = len(shares[0]) * world - 20
    assert (drawn - Counter(_indices(alone))).total() == surplus
    assert not Counter(_indices(alone)) - drawn


def test_validation_is_shared_without_repetition():
    shares = [SeededSampler(7, seed=0, shuffle=False, rank=rank, world=3, even=False) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 2, 2]
    assert sorted(index for share in shares for index in _indices(share)) == list(range(7))


def test_organs_are_found_in_the_reference(own_dataset, recipe: InputRecipe, tiny_training: TrainingConfig):
    index = load_index(own_dataset)
    slices = [each for scan in index.scans("train") for each in scan.slices]
    for each in slices[:14]:
        write_png(each.mask, np.zeros((64, 64), np.uint8))
    slices[14].mask.write_bytes(b"no picture")
    data = MedicalSegmentationDataModule(index, training=replace(tiny_training, balanced=True, cache=False), recipe=recipe)
    data.setup()
    planes = data.datasets["train"].planes
    assert organs_shown(planes, len(slices)) == [False] * 15 + [True] * 3
    batches = list(data.train_dataloader().batch_sampler)
    drawn = [draw.index for batch in batches for draw in batch]
    assert sum(index > 14 for index in drawn) == 9
