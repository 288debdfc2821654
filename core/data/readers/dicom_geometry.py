"""Where the slices of a DICOM series lie: in order, on one grid, by the step from the first to the last."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Grid, Reordered, Spacing, in_display_order
from core.data.images import MIN_SIDE
from core.data.readers.dicom_files import needed_numbers, numbers, text, uid
from core.data.readers.dicom_series import SeriesFiles
from core.errors import DatasetError, ImageError

UNEVEN = 0.1
"""Gaps between slices may differ by this share of their median before it is said; rounded positions differ by less."""
JITTER = 2e-3
"""Direction cosines of slices may differ from their median by this much; scanners round them."""
SAME_PLACE_MM = 1e-3
FARTHEST_MM = 1e5
"""No place, and no distance, in a scanner is greater."""
OFF_LINE_MM = 0.5
"""How far slices may lie off the line from the first to the last before it is said."""
MAX_FRAMES = 100_000
"""Of one file; a few bytes of a header can state any number."""
STATED = "DICOM headers"
WITHOUT_PLACES = "DICOM headers, which state no places"


@dataclass(frozen=True)
class Plane:
    """One slice: a file, or a frame of one."""

    path: Path
    header: Any = field(repr=False)
    groups: tuple[Any, ...] = field(repr=False)
    """Where its tags stand: its frame's own groups, those that the frames share, the header."""
    frame: int = 0
    """From 1; 0 where the file holds one picture."""

    def needed(self, name: str, count: int = 1) -> tuple[float, ...] | None:
        """See `needed_numbers`."""
        holder = next((group for group in self.groups if name in group), self.header)
        return needed_numbers(holder, name, self.path, count)

    def stated(self, name: str) -> float | None:
        """A length in mm that can be done without; ``None`` where none is stated that can be one."""
        found = next((each for group in self.groups if (each := numbers(group, name))), None)
        return abs(found[0]) if found and SAME_PLACE_MM < abs(found[0]) < FARTHEST_MM else None

    @property
    def order(self) -> tuple[float, int]:
        return (numbers(self.header, "InstanceNumber") or (0.0,))[0], self.frame

    @property
    def instance_uid(self) -> str:
        return uid(self.header, "SOPInstanceUID")


@dataclass(frozen=True)
class Stack:
    """The slices of a series in order."""

    planes: tuple[Plane, ...]
    matrix: NDArray[np.float64] | None
    """(4, 4), from (slice, row, column) to LPS mm; ``None`` where the headers do not say."""
    spacing_mm: Spacing | None = None
    """Where there is no matrix: distance of voxel centres (z, y, x), if stated."""
    numbers: tuple[int, ...] = ()
    """Of the slices, from 1, where some are missing between them; else empty."""
    notes: tuple[str, ...] = ()

    def turned(self, voxels: NDArray[Any]) -> tuple[NDArray[Any], Grid, tuple[int, ...], str]:
        """The volume in display order, its grid, the slices' numbers, and which of its axes the planes run along.

        A stack with missing slices, or of fewer than 16, is not cut across.

        Args:
            voxels: (slice, row, column).
        """
        if self.matrix is None:
            return voxels, Grid(None, self.spacing_mm, WITHOUT_PLACES if self.spacing_mm else ""), self.numbers, "kept"
        order = _along_planes if self.numbers or len(self.planes) < MIN_SIDE else in_display_order
        shown, matrix = order(voxels, self.matrix)
        step = np.linalg.solve(self.matrix, matrix)[0, :3].round().astype(int)
        way = "across" if step[0] == 0 else "kept" if step[0] > 0 else "reversed"
        numbered = self.numbers
        if way == "reversed" and numbered:
            # The whole stack begins as many steps further away as slices are missing.
            matrix[:3, 3] += self.matrix[:3, 0] * (numbered[-1] - len(numbered))
            numbered = tuple(numbered[-1] + 1 - number for number in reversed(numbered))
        return shown, Grid.of(matrix, STATED), numbered, way


def _along_planes(voxels: NDArray[Any], matrix: NDArray[np.float64]) -> Reordered:
    """As `in_display_order`, with slices along the first axis whatever its spacing."""
    far = np.diag([1e6, 1.0, 1.0, 1.0])
    shown, moved = in_display_order(voxels, matrix @ far)
    return Reordered(shown, matrix @ np.round(np.linalg.solve(matrix @ far, moved)))


def planes_of(series: SeriesFiles) -> list[Plane]:
    """Every picture in the files of a series.

    Raises:
        ImageError: a count of frames that cannot be read, or frames that are not described.
    """
    return [plane for path, header in zip(series.paths, series.headers, strict=True) for plane in _planes_of(path, header)]


def _planes_of(path: Path, header: Any) -> list[Plane]:
    count = int((needed_numbers(header, "NumberOfFrames", path) or (1.0,))[0])
    if not 1 <= count <= MAX_FRAMES:
        raise ImageError(f"The DICOM header states {count:,} frames", value=path, todo=f"use at most {MAX_FRAMES:,}")
    try:
        frames = [_inside(item) for item in header.get("PerFrameFunctionalGroupsSequence") or ()]
        shared = [group for item in header.get("SharedFunctionalGroupsSequence") or () for group in _inside(item)]
    except Exception as error:  # a damaged sequence raises many kinds in pydicom
        raise ImageError("The DICOM file is damaged", value=path, todo="export it again") from error
    if frames and len(frames) != count:
        what = f"The DICOM file has {count} frames and describes {len(frames)}"
        raise ImageError(what, value=path, todo="export it again")
    if not frames:
        return [Plane(path, header, (header,), frame + 1 if count > 1 else 0) for frame in range(count)]
    return [Plane(path, header, (*groups, *shared, header), number) for number, groups in enumerate(frames, start=1)]


def _inside(item: Any) -> list[Any]:
    """The groups of a functional groups item, each a sequence of one."""
    return [element.value[0] for element in item if element.VR == "SQ" and element.value]


def stack_of(planes: Sequence[Plane]) -> Stack:
    """Order slices along their normal and say where they lie, or by number where no header tells.

    Raises:
        DatasetError: slices in several directions, at several pixel spacings, or two in one place.
        ImageError: a place or direction that cannot be read; the file is named.
    """
    places = [plane.needed("ImagePositionPatient", 3) for plane in planes]
    directions = [plane.needed("ImageOrientationPatient", 6) for plane in planes]
    spacings = [plane.needed("PixelSpacing", 2) for plane in planes]
    pixel = _pixel_spacing(spacings, planes)
    if pixel is None or None in places or None in directions:
        return _by_number(planes, pixel)
    along_row, along_column = _direction(np.array(directions, np.float64), planes)
    positions = np.array(places, np.float64)
    if np.abs(positions).max() > FARTHEST_MM:
        raise _unusable(planes)
    normal = np.cross(along_row, along_column)
    order = np.argsort(positions @ normal, kind="stable")
    ordered, positions = tuple(planes[position] for position in order), positions[order]
    gaps = np.diff(positions @ normal)
    if len(gaps) and gaps.min() <= SAME_PLACE_MM:
        raise _in_one_place(ordered)
    slices = _numbers(gaps)
    step = (positions[-1] - positions[0]) / (slices[-1] - 1) if len(gaps) else normal * (_thickness(planes[0]) or 0.0)
    if not step.any():
        return replace(_by_number(planes, None), notes=("The headers do not state how thick the slice is.",))
    matrix = np.eye(4)
    matrix[:3] = np.stack([step, along_column * pixel[0], along_row * pixel[1], positions[0]], axis=1)
    off = np.linalg.norm(positions - positions[0] - np.outer(np.array(slices) - 1, step), axis=1).max()
    missing = slices if slices[-1] != len(slices) else ()
    slant = float(np.linalg.norm(step - normal * (step @ normal))) if Grid.of(matrix).sheared else 0.0
    return Stack(ordered, matrix, numbers=missing, notes=_remarks(slant, float(off), missing=bool(missing)))


def _thickness(plane: Plane) -> float | None:
    return plane.stated("SpacingBetweenSlices") or plane.stated("SliceThickness")


def _pixel_spacing(spacings: list[tuple[float, ...] | None], planes: Sequence[Plane]) -> tuple[float, float] | None:
    known = np.array([each for each in spacings if each is not None], np.float64)
    if len(known) < len(spacings):
        return None
    if known.min() < SAME_PLACE_MM or known.max() > FARTHEST_MM:
        raise _unusable(planes)
    if not np.allclose(known, known[0], rtol=1e-3, atol=0):
        raise differ("spacing", planes)
    return float(known[0, 0]), float(known[0, 1])


def _direction(directions: NDArray[np.float64], planes: Sequence[Plane]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle = np.median(directions, axis=0)
    if np.abs(directions - middle).max() > JITTER:
        raise differ("direction", planes)
    row, column = middle.reshape(2, 3)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose((*lengths, 1 + row @ column), 1, atol=0.01):
        raise _unusable(planes)
    row, column = row / lengths[0], column / lengths[1]
    column = column - row * (row @ column)
    return row, column / np.linalg.norm(column)


def _by_number(planes: Sequence[Plane], pixel: tuple[float, float] | None) -> Stack:
    thickness = _thickness(planes[0])
    spacing = (thickness, *pixel) if thickness and pixel else None
    note = "The headers do not state where the slices lie; they are in the order of their instance numbers."
    return Stack(tuple(sorted(planes, key=lambda plane: plane.order)), None, spacing, notes=(note,))


def _in_one_place(planes: Sequence[Plane]) -> DatasetError:
    stacks = {text(group, "StackID") for plane in planes for group in plane.groups if "StackID" in group}
    what = f"The DICOM file holds {len(stacks)} stacks" if len(stacks) > 1 else "Two slices of the series lie in one place"
    return DatasetError(what, value=_counted(planes), todo="give one stack: one echo, one time point")


def differ(what: str, planes: Sequence[Plane]) -> DatasetError:
    """The error of slices that are not all alike."""
    return DatasetError(f"The slices of the series differ in {what}", value=_counted(planes), todo="give one stack of slices")


def _unusable(planes: Sequence[Plane]) -> DatasetError:
    return DatasetError("The DICOM headers state no usable geometry", value=_counted(planes), todo="export the series again")


def _counted(planes: Sequence[Plane]) -> str:
    files = list(dict.fromkeys(plane.path for plane in planes))
    return files[0].name if len(files) == 1 else f"{len(files)} files"


def _numbers(gaps: NDArray[np.float64]) -> tuple[int, ...]:
    """Numbers of the slices from 1: a gap counts by how many of the usual ones it holds, and by two at least if it is odd."""
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    steps = [1 if abs(gap - usual) <= UNEVEN * usual else max(2, round(gap / usual)) for gap in gaps]
    return tuple(int(number) for number in np.cumsum([1, *steps]))


def _remarks(slant_mm: float, off_mm: float, *, missing: bool) -> tuple[str, ...]:
    found = []
    if missing:
        found.append("The slices are unevenly spaced, so some may be missing; the scan counts as partial.")
    elif off_mm > OFF_LINE_MM:
        found.append(f"The slices lie up to {off_mm:.1f} mm off the places that an even stack would give them.")
    if slant_mm:
        found.append(f"The stack is sheared: each slice is shifted by {slant_mm:.2f} mm against the one before.")
    return tuple(found)
