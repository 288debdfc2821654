"""Where a NIfTI file's header says that its voxels lie, in mm and in the patient; what it leaves open stays open."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.readers.same_place import SAME_PLACE_MM, corners

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI leads to the right, the front and the head; we lead to the left, the back and the head, as DICOM."""
UNITS = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}
"""``xyzt_units`` & 7 (NIfTI-1's header): everything but mm, and its length in mm."""
PLAUSIBLE_MM = (1e-4, 1e3)
"""Distances of voxels from a cell's parts to a body; others are no distances."""
SMALLEST_VOXEL = 1e-12
"""In mm³, as `Grid.of` takes it."""
QUATERNION_EXCESS = 0.02
"""How far over 1 a quaternion's vector may be, rounded by whoever wrote it, and still mean half a turn."""
HALF_TURN = 3 * float(np.finfo(np.float32).eps)
"""Below 1 by less than this, it means half a turn too: its numbers are of 32 bits (nibabel's threshold)."""


class Unusable(ValueError):
    """A header that states a place or a distance which cannot be; its text is what is wrong."""


class Place(NamedTuple):
    """Where the voxels (i, j, k) of a file lie."""

    matrix: NDArray[np.float64]
    """(4, 4), to LPS mm; where nothing is stated, i to the left, j to the front and k to the head."""
    stated: bool
    """Whether the header says where the volume lies."""
    spaced: bool
    """Whether it says how far voxels are apart."""
    origin: str
    """What it rests on, in words."""
    notes: tuple[str, ...]


def place_of(header: Any, shape: tuple[int, ...]) -> Place:
    """The place that a header states; the sform where it states two.

    Raises:
        Unusable: a stated affine is no geometry, or distances lie outside `PLAUSIBLE_MM`.
    """
    unit, factor = UNITS.get(int(header["xyzt_units"]) & 7, ("mm", 1.0))
    notes = [f"The header states {unit}; they were converted to mm."] if factor != 1 else []
    zero = bool((np.asarray(header["pixdim"][1:4]) == 0).any())
    stated = _stated(header, zero)
    usable = [(name, _in_mm(matrix, factor)) for name, matrix in stated if _is_geometry(matrix)]
    if stated and not usable:
        raise Unusable("The volume's affine is no geometry")
    if len(usable) > 1 and _apart(usable[0][1], usable[1][1], shape) > SAME_PLACE_MM:
        notes.append("The header's sform and qform disagree; the sform was taken.")
    if usable:
        name, matrix = usable[0]
        _check(np.linalg.norm(matrix[:3, :3], axis=0))
        if abs(np.linalg.det(matrix[:3, :3])) < SMALLEST_VOXEL:
            raise Unusable("The volume's affine is no geometry")
        return Place(matrix, True, True, f"NIfTI {name}", tuple(notes))
    notes.append("The file does not state where it lies; its orientation is assumed.")
    if zero:
        notes.append("The header states a distance of 0 between voxels, so nobody knows their spacing.")
        return Place(np.diag([1.0, -1.0, 1.0, 1.0]), False, False, "", tuple(notes))
    steps = np.abs(np.asarray(header["pixdim"][1:4], np.float64)) * factor
    _check(steps)
    if np.prod(steps) < SMALLEST_VOXEL:
        raise Unusable("The header's distances make no volume")
    return Place(np.diag([*(steps * (1, -1, 1)), 1.0]), False, True, "NIfTI pixdim", tuple(notes))


def _stated(header: Any, zero: bool) -> list[tuple[str, NDArray[np.float64]]]:
    """The affines that the header gives a code, sform first; a qform without distances states none."""
    found = []
    if int(header["sform_code"]) > 0:
        found.append(("sform", np.vstack([header[f"srow_{axis}"] for axis in "xyz"] + [[0, 0, 0, 1]]).astype(np.float64)))
    if int(header["qform_code"]) > 0 and not zero:
        found.append(("qform", _qform(header)))
    return found


def _qform(header: Any) -> NDArray[np.float64]:
    from nibabel import quaternions

    tools: Any = quaternions
    vector = np.array([float(header[f"quatern_{part}"]) for part in "bcd"])
    steps = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    steps[2] *= -1 if float(header["pixdim"][0]) == -1 else 1
    matrix = np.full((4, 4), np.nan)
    rest = 1 - vector @ vector
    if vector @ vector <= 1 + QUATERNION_EXCESS:
        matrix = np.eye(4)
        matrix[:3, :3] = tools.quat2mat([np.sqrt(rest) if rest > HALF_TURN else 0.0, *vector]) * steps
        matrix[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return matrix


def _is_geometry(matrix: NDArray[np.float64]) -> bool:
    if not np.isfinite(matrix).all():
        return False
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    return bool((steps > 0).all() and abs(np.linalg.det(matrix[:3, :3] / steps)) > 1e-6)


def _in_mm(matrix: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = TO_LPS @ np.diag([factor, factor, factor, 1.0]) @ matrix
    return scaled


def _apart(first: NDArray[np.float64], second: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    return float(np.linalg.norm((corners(shape) @ (first - second).T)[:, :3], axis=1).max())


def _check(steps: NDArray[np.float64]) -> None:
    if not (np.isfinite(steps).all() and steps.min() >= PLAUSIBLE_MM[0] and steps.max() <= PLAUSIBLE_MM[1]):
        said = " × ".join(f"{step:.3g}" for step in steps)
        raise Unusable(f"The header states an implausible spacing ({said} mm)")
