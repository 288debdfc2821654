"""DICOM structure sets (RTSTRUCT) as label volumes: closed planar contours, filled by the even-odd rule on a scan's voxels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Grid
from core.data.readers.dicom_labels import merged, open_dicom, organ_name, reading
from core.data.volume import LabelVolume
from core.errors import MaskError

STRUCTURE_SET = ("1.2.840.10008.5.1.4.1.1.481.3",)
KIND = "DICOM structure set"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
TILTED = 0.25
"""Slices that a contour may span before it counts as tilted against them."""
SNAP = 3
"""Decimals of a pixel to which points are rounded, so that digits cut off in the file put no pixel's centre on the wrong side."""


class Contour(NamedTuple):
    """One closed contour in voxel coordinates of the scan."""

    points: NDArray[np.float64]
    """(n, 3): slice, row, column; pixel centres at whole numbers."""
    plane: float
    """Where it lies among the slices."""


def read_rtstruct(path: Path, grid: Grid, shape: Sequence[int]) -> LabelVolume:
    """Read a structure set onto the voxels of the scan that it was drawn on.

    Label n is the n-th structure of the file. Contours of one structure in one plane exclude each other (XOR), so that inner
    ones are holes; keyholes give the same. Points, open contours and structures without a contour are left out.

    Args:
        grid: of the scan, with an affine.
        shape: (Z, H, W) of the scan.

    Raises:
        MaskError: damaged, no structure set, without a closed contour, tilted against the scan's planes, or beside the scan.
    """
    with reading(path, KIND):
        dataset = open_dicom(path, STRUCTURE_SET, KIND)
        names, structures = _structures(dataset, np.linalg.inv(grid.matrix))
        if not structures:
            return _empty(dataset, grid, shape, names, path)
        axis = _slice_axis([each for contours in structures.values() for each in contours], path)
        order = [axis, *(other for other in range(3) if other != axis)]
        turned = [int(shape[each]) for each in order]
        missed, claims = 0, {}
        for label, contours in structures.items():
            flat = [Contour(each.points[:, order], float(each.points[:, axis].mean())) for each in contours]
            claims[label], outside = _filled(flat, turned)
            missed += outside
        if missed == sum(map(len, structures.values())):
            raise MaskError(f"The {KIND} lies beside the scan", value=path, todo="choose the series that it was drawn on")
        labels, contested = merged(claims, tuple(turned))
        notes = (f"{missed:,} contours lie on no slice of the scan and were left out.",) if missed else ()
        voxels = np.ascontiguousarray(labels.transpose(np.argsort(order)))
        return LabelVolume(voxels, grid, {label: names[label] for label in structures}, notes, contested)


def _empty(dataset: Any, grid: Grid, shape: Sequence[int], names: dict[int, str], path: Path) -> LabelVolume:
    """Background, where nothing was outlined at all. Raises: MaskError where what was outlined has no inside."""
    if any(roi.get("ContourSequence") for roi in dataset.get("ROIContourSequence") or ()):
        raise MaskError(f"The {KIND} holds no closed contour", value=path, todo="export the structures' contours")
    return LabelVolume(np.zeros(tuple(shape), np.uint8), grid, names, ("No structure of the file has a contour.",))


def _structures(dataset: Any, inverse: NDArray[Any]) -> tuple[dict[int, str], dict[int, list[Contour]]]:
    """Names and closed contours by label."""
    numbers = {int(roi.ROINumber): label for label, roi in enumerate(dataset.StructureSetROISequence, start=1)}
    codes = {
        int(each.ReferencedROINumber): tuple(
            str(code.get("CodeValue", "")) for code in each.get("RTROIIdentificationCodeSequence") or ()
        )
        for each in dataset.get("RTROIObservationsSequence") or ()
    }
    names = {
        label: organ_name(str(roi.get("ROIName") or f"structure {roi.ROINumber}"), codes.get(int(roi.ROINumber), ()))
        for label, roi in enumerate(dataset.StructureSetROISequence, start=1)
    }
    structures: dict[int, list[Contour]] = {}
    for roi in dataset.get("ROIContourSequence") or ():
        closed = [each for each in roi.get("ContourSequence") or () if each.get("ContourGeometricType") in CLOSED]
        if closed:
            structures[numbers[int(roi.ReferencedROINumber)]] = [_contour(each, inverse) for each in closed]
    return names, structures


def _contour(item: Any, inverse: NDArray[Any]) -> Contour:
    # The library would make an object of every number: seconds for a scan.
    raw = item.get_item("ContourData").value
    words = raw.split(b"\\") if isinstance(raw, bytes) else raw
    points = np.array(words, np.float64).reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is no number")
    return Contour(points, 0.0)


def _slice_axis(contours: Sequence[Contour], path: Path) -> int:
    """The axis of the grid across which every contour is flat; the first where all are."""
    spans = np.max([np.ptp(each.points, axis=0) for each in contours], axis=0)
    flat = [axis for axis in range(3) if spans[axis] <= TILTED]
    if not flat:
        what = f"The contours of the {KIND} are tilted against the scan's slices"
        raise MaskError(what, value=path, todo="draw them on the planes of that series")
    return flat[0]


def _filled(contours: Sequence[Contour], shape: Sequence[int]) -> tuple[NDArray[np.int64], int]:
    """Flat indices of the voxels inside, and the number of contours that lie on no slice.

    Where contours in several planes fall to one slice, the plane nearest to it counts.
    """
    planes: dict[int, dict[float, list[NDArray[np.float64]]]] = {}
    for each in contours:
        planes.setdefault(int(np.rint(each.plane)), {}).setdefault(round(each.plane, 2), []).append(each.points[:, 1:])
    found, missed = [np.zeros(0, np.int64)], 0
    for position, stacked in planes.items():
        nearest = min(stacked, key=lambda plane: abs(plane - position))
        missed += sum(len(polygons) for plane, polygons in stacked.items() if plane != nearest)
        if not 0 <= position < shape[0]:
            missed += len(stacked[nearest])
            continue
        inside = fill(stacked[nearest], (shape[1], shape[2]))
        found.append(np.flatnonzero(inside) + position * shape[1] * shape[2])
    return np.concatenate(found), missed


def fill(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels (H, W) whose centres an odd number of polygons surround.

    Args:
        polygons: each (n, 2), rows and columns of its corners, closed by itself; pixel centres at whole numbers.
    """
    starts = np.concatenate([np.round(each, SNAP) for each in polygons])
    ends = np.concatenate([np.round(np.roll(each, -1, axis=0), SNAP) for each in polygons])
    # From above to below, so that an edge that is run through in both directions cuts a row in one and the same place.
    down = (starts[:, 0] < ends[:, 0])[:, None]
    top, bottom = np.where(down, starts, ends), np.where(down, ends, starts)
    first = np.clip(np.ceil(top[:, 0]), 0, shape[0]).astype(np.int64)
    after = np.clip(np.ceil(bottom[:, 0]), 0, shape[0]).astype(np.int64)
    counts = after - first
    edges = np.repeat(np.arange(len(top)), counts)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
    slope = (bottom[edges, 1] - top[edges, 1]) / (bottom[edges, 0] - top[edges, 0])
    crossing = top[edges, 1] + (rows - top[edges, 0]) * slope
    columns = np.clip(np.ceil(np.round(crossing, 2 * SNAP)), 0, shape[1]).astype(np.int64)
    crossings = np.bincount(rows * (shape[1] + 1) + columns, minlength=shape[0] * (shape[1] + 1))
    inside: NDArray[np.bool_] = np.cumsum(crossings.reshape(shape[0], shape[1] + 1), axis=1)[:, :-1] % 2 == 1
    return inside
