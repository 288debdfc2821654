"""Volumes turned for display and back: no voxel lost, none moved in the patient."""

from itertools import permutations, product

import numpy as np
import pytest

from core.data.grid import Grid, axes_of, in_display_order, in_stored_order

ORDERS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_back_in_the_file_s_own_order(order: tuple[int, ...], signs: tuple[int, ...]):
    voxels = np.arange(24).reshape(2, 3, 4)
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3)[:, list(order)] * signs * (5.0, 2.0, 1.5) + 0.05
    matrix[:3, 3] = 7, -8, 9
    shown = in_display_order(voxels, matrix)
    axes = axes_of(matrix, shown.matrix)
    back, grid = in_stored_order(shown.voxels, Grid.of(shown.matrix, "header"), axes)
    np.testing.assert_array_equal(back, voxels)
    np.testing.assert_allclose(grid.matrix, matrix, atol=1e-12)
    assert grid.origin == "header"
    _, nowhere = in_stored_order(shown.voxels, Grid(None, Grid.of(shown.matrix).spacing_mm), axes)
    assert nowhere.spacing_mm == pytest.approx(np.linalg.norm(matrix[:3, :3], axis=0))
