"""The grid of voxels on which a scan is stored: where each lies in the patient, and the millimetres between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Spacing = tuple[float, float, float]
"""mm between voxel centres along z, y and x."""
Affine = tuple[tuple[float, float, float, float], ...]
"""(4, 4), from voxel indices (z, y, x, 1) to mm in the patient (L, P, S, 1): to the left, the back and the head, as DICOM has it
(PS3.3 C.7.6.2.1.1)."""
Axes = tuple[tuple[int, bool], ...]
"""Of each axis of a file (slices, rows, columns; in NIfTI k, j, i) which of ours it is, and whether it leads the same way."""
SHEARED = 5e-3
"""Cosine between two axes of a grid from which it counts as sheared: 0.3 degrees. Rounded directions stay a tenth of it below."""
LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Of each axis of the patient: where it leads away from, and where it leads to."""
TIE = 0.01
"""Spacings that differ by less than this share are alike, so that the patient's axes decide along which one slices run."""
DISPLAY = {"S": ("I", "P", "L"), "P": ("P", "I", "L"), "L": ("L", "I", "P")}
"""Where slices, rows and columns lead by the axis that slices run along: to the feet, the back or the left, each plane shown in
the radiological convention (the patient's right on the left, the front above or on the left)."""


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume lie."""

    affine: Affine | None = None
    """``None`` where no file says where the volume lies."""
    spacing_mm: Spacing | None = None
    """Distance of voxel centres (z, y, x); taken from the affine where there is one, ``None`` where it is unknown."""
    origin: str = ""
    """What it rests on, in words: ``NIfTI sform``, ``DICOM headers``, …"""

    def __post_init__(self) -> None:
        if self.affine is not None:
            steps = np.linalg.norm(self.matrix[:3, :3], axis=0)
            object.__setattr__(self, "spacing_mm", tuple(float(step) for step in steps))

    @classmethod
    def of(cls, matrix: NDArray[Any], origin: str = "") -> "Grid":
        """The grid of an affine (4, 4) from (z, y, x) to LPS.

        Raises:
            ValueError: not finite, or without volume.
        """
        if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
            raise ValueError("the affine is no geometry")
        return cls(tuple(tuple(float(value) for value in row) for row in matrix), origin=origin)  # type: ignore[misc]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine as an array (4, 4). Raises: ValueError where there is none."""
        if self.affine is None:
            raise ValueError("nobody knows where this volume lies")
        return np.array(self.affine, np.float64)

    @property
    def orientation(self) -> str | None:
        """Where slices, rows and columns lead, one letter each of L, R, A, P, I and S; ``None`` where nobody knows.

        >>> Grid.of(np.array([[0, 0, 1.5, 0], [0, 1.5, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]])).orientation
        'IPL'
        """
        if self.affine is None:
            return None
        return "".join(LETTERS[axis][up] for axis, up in _nearest_axes(self.matrix))

    @property
    def sheared(self) -> bool:
        """Whether the axes are not at right angles, so that spacing tells no distances."""
        if self.affine is None:
            return False
        directions = self.matrix[:3, :3] / np.linalg.norm(self.matrix[:3, :3], axis=0)
        cosines = np.abs(directions.T @ directions - np.eye(3))
        return bool(cosines.max() > SHEARED)

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel in millilitres: the determinant, which holds in a sheared grid too; ``None`` where unknown."""
        if self.affine is not None:
            return float(abs(np.linalg.det(self.matrix[:3, :3]))) / 1000
        return None if self.spacing_mm is None else ml_a_voxel(self.spacing_mm)

    def resized(self, native: Sequence[int], size: Sequence[int]) -> "Grid":
        """The grid of the same slices stored at another (height, width): pixels stretched about the picture's edges."""
        if self.affine is None:
            return Grid(None, stored_spacing(self.spacing_mm, native, size), self.origin)
        down, right = native[0] / size[0], native[1] / size[1]
        change = np.diag([1.0, down, right, 1.0])
        change[1, 3], change[2, 3] = (down - 1) / 2, (right - 1) / 2
        return Grid.of(self.matrix @ change, self.origin)

    def points_mm(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """Places (n, 3) in LPS mm of voxel indices (n, 3) in (z, y, x)."""
        return np.asarray(voxels, np.float64) @ self.matrix[:3, :3].T + self.matrix[:3, 3]


class Reordered(NamedTuple):
    """A volume in the order in which slices are kept and shown."""

    voxels: NDArray[Any]
    """(Z, H, W); permuted and flipped, never resampled."""
    matrix: NDArray[np.float64]
    """(4, 4), from its (z, y, x) to LPS."""


def in_display_order(voxels: NDArray[Any], matrix: NDArray[np.float64]) -> Reordered:
    """Turn a volume so that slices run along its axis of largest spacing, each in the radiological convention.

    Where the largest spacings are alike (within 1%), slices run along the one that leads most to the head, then to the back. A
    single slice is one slice, however thin.

    Args:
        voxels: (I, J, K), any order.
        matrix: (4, 4), from (i, j, k) to LPS mm; a geometry, see `Grid.of`.

    >>> turned = in_display_order(np.zeros((2, 3, 4)), np.diag([3.0, 1.0, 1.0, 1.0]))
    >>> turned.voxels.shape, Grid.of(turned.matrix).orientation
    ((2, 4, 3), 'LIP')
    """
    places = _nearest_axes(matrix)
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    flat = [axis for axis in range(3) if voxels.shape[axis] == 1]
    largest = flat if len(flat) == 1 else [axis for axis in range(3) if steps[axis] >= (1 - TIE) * steps.max()]
    along = max(largest, key=lambda axis: places[axis][0])
    wanted = DISPLAY[LETTERS[places[along][0]][1]]
    order, turned = [], np.eye(4)
    turned[:3, :3] = 0
    for row, letter in enumerate(wanted):
        patient_axis = next(axis for axis, pair in enumerate(LETTERS) if letter in pair)
        source = next(axis for axis in range(3) if places[axis][0] == patient_axis)
        order.append(source)
        forward = LETTERS[patient_axis][places[source][1]] == letter
        turned[source, row] = 1 if forward else -1
        turned[source, 3] = 0 if forward else voxels.shape[source] - 1
    flips = tuple(slice(None) if turned[source, row] > 0 else slice(None, None, -1) for row, source in enumerate(order))
    return Reordered(np.ascontiguousarray(voxels.transpose(order)[flips]), matrix @ turned)


def axes_of(stored: NDArray[Any], shown: NDArray[Any]) -> Axes:
    """How a file's axes lie in a volume that `in_display_order` turned.

    Args:
        stored: (4, 4), from the file's (slice, row, column) to LPS.
        shown: (4, 4), from the volume's (z, y, x) to LPS.
    """
    turn = np.rint(np.linalg.solve(stored, shown))[:3, :3]
    return tuple((int(np.abs(row).argmax()), bool(row.sum() > 0)) for row in turn)


def in_stored_order(voxels: NDArray[Any], grid: Grid, axes: Axes) -> tuple[NDArray[Any], Grid]:
    """Turn a volume and its grid back into the order of axes of the file that they are of: undo `in_display_order`.

    >>> shown = in_display_order(np.arange(6).reshape(3, 1, 2), np.diag([1.0, 2.0, 3.0, 1.0]))
    >>> axes = axes_of(np.diag([1.0, 2.0, 3.0, 1.0]), shown.matrix)
    >>> voxels, grid = in_stored_order(shown.voxels, Grid.of(shown.matrix), axes)
    >>> voxels.tolist(), grid.matrix.diagonal().tolist()
    ([[[0, 1]], [[2, 3]], [[4, 5]]], [1.0, 2.0, 3.0, 1.0])
    """
    order = [ours for ours, _ in axes]
    flips = tuple(slice(None, None, 1 if forward else -1) for _, forward in axes)
    turned = np.ascontiguousarray(voxels.transpose(order)[flips])
    if grid.affine is None:
        steps = grid.spacing_mm
        return turned, Grid(None, steps and (steps[order[0]], steps[order[1]], steps[order[2]]), grid.origin)
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for theirs, (ours, forward) in enumerate(axes):
        back[ours, theirs] = 1 if forward else -1
        back[ours, 3] = 0 if forward else voxels.shape[ours] - 1
    return turned, Grid.of(grid.matrix @ back, grid.origin)


def _nearest_axes(matrix: NDArray[np.float64]) -> list[tuple[int, bool]]:
    """For each column, the axis of the patient that it follows, each once, and whether it leads up it.

    As nibabel's `io_orientation` has it: of all ways to give each column an axis, the closest to the rotation in the affine.
    """
    directions = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    left, sizes, right = np.linalg.svd(directions)
    rotation = left[:, sizes > sizes.max() * 3 * np.finfo(float).eps] @ right[sizes > sizes.max() * 3 * np.finfo(float).eps]
    places: list[tuple[int, bool]] = [(0, True)] * 3
    for _ in range(3):
        axis, column = np.unravel_index(np.abs(rotation).argmax(), rotation.shape)
        places[int(column)] = (int(axis), bool(rotation[axis, column] > 0))
        rotation[axis, :] = rotation[:, column] = 0
    return places


def stored_spacing(spacing_mm: Sequence[float] | None, native_size: Sequence[int] | None, size: Sequence[int]) -> Spacing | None:
    """Spacing of the stored pixels: that of the native ones, stretched as the images were resized.

    Args:
        spacing_mm: (z, y, x) of the native pixels; ``None`` where it is unknown.
        native_size: (height, width) before the images were resized; ``None`` means as stored.
        size: (height, width) as stored.

    >>> stored_spacing((3.0, 1.5, 1.5), (266, 266), (133, 133))
    (3.0, 3.0, 3.0)
    """
    if spacing_mm is None:
        return None
    z, y, x = (float(step) for step in spacing_mm)
    height, width = native_size or size
    return z, y * height / size[0], x * width / size[1]


def ml_a_voxel(spacing_mm: Spacing) -> float:
    """Volume of a voxel in millilitres, its axes at right angles."""
    return math.prod(spacing_mm) / 1000
