"""The order of slices: a function of seed and epoch alone, shared out among processes."""

import numpy as np

from training.data.order import Draw, SeededSampler


def drawn(epoch: int = 0, **options: int) -> list[Draw]:
    sampler = SeededSampler(10, **{"seed": 3} | options)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_slice_comes_once():
    assert sorted(draw.index for draw in drawn()) == list(range(10))
    assert [draw.position for draw in drawn()] == list(range(10))


def test_seed_and_epoch_decide():
    assert drawn(1) == drawn(1)
    assert [d.index for d in drawn(1)] != [d.index for d in drawn(2)]
    assert [d.index for d in drawn(1)] != [d.index for d in drawn(1, seed=4)]
    assert {d.epoch for d in drawn(7)} == {7}


def test_the_order_of_the_index():
    assert [d.index for d in drawn(5, shuffle=False)] == list(range(10))


def test_two_processes_share_what_one_would_draw():
    shares = [drawn(2, rank=rank, world=2) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1], key=lambda d: d.position) == drawn(2)
    assert np.array_equal([len(share) for share in shares], [5, 5])
