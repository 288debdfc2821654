"""2.5D input: which neighbours of a slice the network sees beside it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def neighbours(numbers: Sequence[int], stride: int) -> NDArray[np.intp]:
    """Positions of each slice's three channels within a scan: (N, 3), for ``z - stride``, ``z`` and ``z + stride``.

    Slices are found by their number. Where a number is missing (at the ends of a scan, and in gaps) the slice with the
    nearest number stands in; of two that are equally near, the one nearer to the slice itself.

    Args:
        numbers: slice numbers of the scan, ascending, each once.
        stride: slices between channels; 0 gives the slice itself three times.
    """
    present = np.asarray(numbers, np.int64)
    own = np.arange(len(present))
    return np.stack([_nearest(present, present - stride, own), own, _nearest(present, present + stride, own)], axis=1)


def _nearest(present: NDArray[np.int64], wanted: NDArray[np.int64], own: NDArray[np.intp]) -> NDArray[np.intp]:
    after = np.searchsorted(present, wanted).clip(0, len(present) - 1)
    before = np.maximum(after - 1, 0)
    gap_after, gap_before = abs(present[after] - wanted), abs(present[before] - wanted)
    take_after = (gap_after < gap_before) | ((gap_after == gap_before) & (abs(after - own) <= abs(before - own)))
    return np.where(take_after, after, before)
