"""The order of the slices in an epoch, and the numbers that each is augmented by: functions of (seed, epoch, position)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """One slice to load; a sampler hands it to the data set in place of a plain index.

    It carries the epoch with it, since loader processes that live on keep their own copy of the data set.
    """

    index: int  # type: ignore[assignment] # hides tuple.index, which nobody asks a draw for
    epoch: int
    position: int
    """Place in the epoch's order, counted over all training processes."""


class SeededSampler(Sampler[Draw]):
    """Draws the slices of each epoch in an order that depends on the seed and the epoch alone.

    Neither the number of loader processes nor an interruption changes the order. Lightning calls `set_epoch` before each
    epoch.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
        even: bool = True,
    ) -> None:
        """
        Args:
            count: slices in the data set, and draws in an epoch over all processes.
            rank: which of the training processes this is.
            world: number of training processes; each gets every ``world``-th draw.
            even: give each process equally many by drawing the first few twice, as training together needs; otherwise no
                slice comes twice, as a score needs.
        """
        self.count, self.seed, self.shuffle, self.rank, self.world = count, seed, shuffle, rank, world
        self.draws = -(-count // world) * world if even else count
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next, counted from 0."""
        self.epoch = epoch

    def order(self) -> NDArray[np.intp]:
        """The indices of this epoch, over all processes."""
        return self._numbers().permutation(self.count) if self.shuffle else np.arange(self.count)

    def _numbers(self) -> np.random.Generator:
        return np.random.default_rng((self.seed, self.epoch))

    def __iter__(self) -> Iterator[Draw]:
        order = self.order()
        for position in range(self.rank, self.draws, self.world):
            yield Draw(int(order[position % self.count]), self.epoch, position)

    def __len__(self) -> int:
        return len(range(self.rank, self.draws, self.world))
