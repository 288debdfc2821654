"""Drawing slices with and without organs equally often."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.cli.progress import ReportProgress, silent
from core.errors import GutCheckError
from training.data.dataset import Planes
from training.data.order import SeededSampler


class BalancedSampler(SeededSampler):
    """Half of an epoch's draws show an organ, half show none; the epoch keeps its length.

    Inside a half, each slice comes as often as any other, give or take once: the larger half is a sample of its slices
    without repetition, and the smaller repeats all of its own.
    """

    def __init__(self, has_organ: Sequence[bool], *, seed: int, rank: int = 0, world: int = 1) -> None:
        """
        Args:
            has_organ: one a slice.
        """
        super().__init__(len(has_organ), seed=seed, rank=rank, world=world)
        shown = np.asarray(has_organ, bool)
        self.groups = [group for group in (np.flatnonzero(shown), np.flatnonzero(~shown)) if len(group)]

    def order(self) -> NDArray[np.intp]:
        numbers = self._numbers()
        # An odd number of draws leaves one over; every second epoch it goes to the other half.
        sizes = [(self.count + (place + self.epoch) % len(self.groups)) // len(self.groups) for place in range(len(self.groups))]
        halves = [_repeat(group, size, numbers) for group, size in zip(self.groups, sizes, strict=True)]
        return numbers.permutation(np.concatenate(halves))


def _repeat(group: NDArray[np.intp], size: int, numbers: np.random.Generator) -> NDArray[np.intp]:
    """``size`` members of a group, each as often as any other, give or take once."""
    rounds = [numbers.permutation(group) for _ in range(-(-size // len(group)))]
    return np.concatenate(rounds)[:size]


def organs_shown(planes: Planes, count: int, *, progress: ReportProgress = silent) -> list[bool]:
    """Whether each slice's reference shows an organ; one that cannot be read counts as showing none, and fails when drawn."""
    shown = []
    for index in range(count):
        progress(index, count, "looking for organs")
        try:
            shown.append(bool(planes.mask(index).any()))
        except GutCheckError:
            shown.append(False)
    progress(count, count, "done")
    return shown
