"""Which slices stand beside a slice, worked out by hand."""

import numpy as np
import pytest

from core.model.context import neighbours


@pytest.mark.parametrize(
    ("numbers", "stride", "expected"),
    [
        ([1, 2, 3, 4], 1, [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]),
        ([1, 2, 3, 4, 5], 2, [[0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 4], [2, 4, 4]]),
        ([7, 8], 0, [[0, 0, 0], [1, 1, 1]]),
        ([5], 3, [[0, 0, 0]]),
        # 12 is missing: 11 and 13 are as near to it; the one nearer to the slice is taken.
        ([10, 11, 13, 14], 2, [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]),
        # A lone slice far away is no neighbour: the slice itself is nearer.
        ([1, 2, 40], 1, [[0, 0, 1], [0, 1, 1], [2, 2, 2]]),
    ],
)
def test_neighbours(numbers: list[int], stride: int, expected: list[list[int]]) -> None:
    np.testing.assert_array_equal(neighbours(numbers, stride), expected)


def test_none_at_all() -> None:
    assert neighbours([], 2).shape == (0, 3)
