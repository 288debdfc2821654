"""Affines of every kind that files have, from (i, j, k) to RAS mm."""

from itertools import permutations, product

import numpy as np
from scipy.spatial.transform import Rotation

RAS = np.diag([1.5, 2.0, 3.0, 1.0])
"""Columns of 1.5 mm to the right, rows of 2 mm to the front, slices of 3 mm to the head."""


def oblique(angle: float, axis: tuple[float, float, float] = (1.0, 0.4, -0.7)) -> np.ndarray:
    """A turn (4, 4) by an angle in radians."""
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_rotvec(angle * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    return turned


def stored(order: tuple[int, ...], signs: tuple[int, ...], steps: tuple[float, ...], angle: float = 0.0) -> np.ndarray:
    """Voxel axes along these axes of the patient, in these directions, turned; and a place off the origin."""
    affine = np.zeros((4, 4))
    for column, (axis, sign, step) in enumerate(zip(order, signs, steps, strict=True)):
        affine[axis, column] = sign * step
    affine = oblique(angle) @ (affine + np.diag([0, 0, 0, 1.0]))
    affine[:3, 3] = -40.25, 17.5, 311.0
    return affine


AFFINES = {
    f"{order}{signs}{angle}": stored(order, signs, (1.5, 2.0, 3.0), angle)
    for (order, signs), angle in zip(
        product(permutations(range(3)), product((1, -1), repeat=3)), [0.0, 0.3, -0.6] * 16, strict=True
    )
}
"""All 48 orders and directions, a third of them along the patient's axes."""
