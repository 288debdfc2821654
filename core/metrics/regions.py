"""What kind of error: each connected region where a prediction differs from the reference, with a kind and a place.

A region is a connected set of voxels that all have one class in the reference and one other class in the prediction.
Voxels connect by faces, edges and corners (26 neighbours), because a rim that runs obliquely through the voxel grid is one
error to a reader and would fall to pieces under 6 neighbours.

A model's outline is a little off all around an organ, and this rim would join every larger error into one. So the rim is
cut off first: a voxel is *near* if the outline there is off by no more than ``t`` mm, and what reaches further is a region
of its own, together with the near voxels within ``t`` mm of it. Each voxel that differs belongs to exactly one region.

The kinds, in order of precedence (the first that holds):

1. ``missed_organ``: reference shows the organ, prediction shows background, and the prediction shows the organ nowhere in
   the scan.
2. ``extra_organ``: prediction shows an organ on background that the reference shows nowhere in the scan.
3. ``boundary``: every voxel is near: it lies within ``t`` mm of the reference's surface, and where it is missing also within
   ``t`` mm of what was drawn of the organ (so a thin loop that nobody drew is no boundary). Between two touching organs both
   must hold. An organ that ends one slice off is a boundary where slices lie ``t`` mm apart or closer.
4. ``swapped``: one organ is drawn as another; ``organ`` is the reference's, ``other`` the prediction's.
5. ``ends_early``: missing, attached to what was drawn, and half or more of it lies on slices beyond the last one on which the
   organ was drawn, at the ``head`` or the ``foot`` end. ``ends_late``: extra, attached to the reference's organ, and half or
   more of it lies beyond the last slice on which the reference shows the organ.
6. ``extra_island``: extra, and attached nowhere to the reference's organ.
7. ``missed_part`` or ``extra_part``: what is left: a piece of an organ that was not drawn, or drawn too far.

``t`` is 3 mm unless given, the tolerance of the NSD. Surface = voxels with a face neighbour of another class, or at the
volume's edge. Where the spacing is unknown, ``t`` is 2 voxels along each axis and the volume is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.grid import Spacing, ml_a_voxel
from core.data.masks import LabelMap
from core.data.scan import Scan
from core.labels import CLASSES, NUM_CLASSES
from core.metrics.disagreement import Ball, Flags, Grid, Indices, box_of, representatives
from core.metrics.overlap import check_shapes

BOUNDARY_MM = 3.0
TOLERANCE_VOXELS = 2.0
"""Stands in for the tolerance where the spacing is unknown."""
Side = Literal["missing", "extra", "exchanged"]
End = Literal["", "head", "foot"]


class ErrorKind(StrEnum):
    """The kinds of error region; the module's docstring defines them."""

    MISSED_ORGAN = "missed_organ"
    EXTRA_ORGAN = "extra_organ"
    BOUNDARY = "boundary"
    SWAPPED = "swapped"
    ENDS_EARLY = "ends_early"
    ENDS_LATE = "ends_late"
    EXTRA_ISLAND = "extra_island"
    MISSED_PART = "missed_part"
    EXTRA_PART = "extra_part"

    @property
    def label(self) -> str:
        """What people read."""
        return _TITLES[self]

    @property
    def finding(self) -> str:
        """The reviewers' word for it: missed, extra, boundary or swapped."""
        if self in (ErrorKind.BOUNDARY, ErrorKind.SWAPPED):
            return str(self)
        missing = (ErrorKind.MISSED_ORGAN, ErrorKind.MISSED_PART, ErrorKind.ENDS_EARLY)
        return "missed" if self in missing else "extra"


_TITLES = {
    ErrorKind.MISSED_ORGAN: "Missed organ",
    ErrorKind.EXTRA_ORGAN: "Extra organ",
    ErrorKind.BOUNDARY: "Boundary",
    ErrorKind.SWAPPED: "Swapped with another organ",
    ErrorKind.ENDS_EARLY: "Ends too early",
    ErrorKind.ENDS_LATE: "Ends too late",
    ErrorKind.EXTRA_ISLAND: "Extra island",
    ErrorKind.MISSED_PART: "Missed part",
    ErrorKind.EXTRA_PART: "Extra part",
}


@dataclass(frozen=True)
class ErrorRegion:
    """One connected region of a scan where the prediction differs from the reference."""

    organ: str
    """The reference's organ; where the reference shows background, the prediction's."""
    kind: ErrorKind
    other: str
    """Where both show an organ, the prediction's; else empty."""
    side: Side
    """``missing`` (drawn as background), ``extra`` (drawn on background) or ``exchanged`` (drawn as another organ)."""
    end: End
    """Of a region that ends too early or too late: which end, counting from the head (see `error_regions`)."""
    voxels: int
    volume_ml: float
    """NaN where the spacing is unknown."""
    first_position: int
    last_position: int
    """Positions in the volume of its first and last slice."""
    position: int
    y: int
    x: int
    """A voxel of the region to look at: on its largest slice, the one nearest to the centre of its part there."""


def error_regions(
    reference: LabelMap,
    prediction: LabelMap,
    spacing_mm: Spacing | None,
    *,
    tolerance_mm: float = BOUNDARY_MM,
    voxel_ml: float | None = None,
    head_first: bool = True,
    partial: bool = False,
) -> list[ErrorRegion]:
    """Find and class every region where two label volumes differ, largest first.

    Args:
        reference, prediction: (Z, H, W) uint8.
        spacing_mm: distance of voxel centres (z, y, x); ``None`` where unknown.
        tolerance_mm: the ``t`` of the kinds' definitions.
        voxel_ml: volume of a voxel, where the spacing alone does not tell it.
        head_first: whether the volume's first slice is the one nearest the head, as in the UW-Madison set (its stomachs lie
            26 slices before its small bowels on average) and in what `core.evaluation.external` reads.
        partial: whether slices are missing, so that nobody knows where an organ ends.
    """
    check_shapes(reference, prediction)
    box = box_of(reference, prediction)
    if box is None:
        return []
    steps = spacing_mm or (1.0, 1.0, 1.0)
    ball = Ball(steps, tolerance_mm if spacing_mm else TOLERANCE_VOXELS, reference[box].shape)
    pad = ball.margin
    grid = Grid(np.pad(reference[box], [(p, p) for p in pad]), np.pad(prediction[box], [(p, p) for p in pad]))
    if not len(grid.points):
        return []
    near = grid.near(ball)
    labels, core = grid.label(near, ball)
    corner = np.array([side.start for side in box]) - pad
    known = ml_a_voxel(spacing_mm) if voxel_ml is None and spacing_mm else voxel_ml
    lead = None if partial else head_first
    return _regions(grid, labels, near, core, corner, float("nan") if known is None else known, lead)


def _regions(
    grid: Grid, labels: Indices, near: Flags, core: Flags, corner: Indices, voxel_ml: float, head_first: bool | None
) -> list[ErrorRegion]:
    count = int(labels.max()) + 1
    voxels = np.bincount(labels, minlength=count)
    z, y, x = (axis + start for axis, start in zip(np.unravel_index(grid.points, grid.shape), corner, strict=True))
    head, foot = (_tally(labels, beyond, count) for beyond in _beyond(grid, z - corner[0]))
    is_near = _tally(labels, near, count) == voxels
    touching = grid.attached(labels, core)
    some = representatives(labels, voxels, z, y, x)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(first, labels, z)
    np.maximum.at(last, labels, z)
    seen, shown = _present(grid.reference), _present(grid.prediction)
    regions = []
    for each, place in enumerate(some):
        wanted, drawn = int(grid.wanted[place]), int(grid.drawn[place])
        ends = _end(int(head[each]), int(foot[each]), int(voxels[each])) if touching[each] and head_first is not None else ""
        absent = not (shown if wanted else seen)[wanted or drawn]
        kind = _kind(wanted, drawn, absent=absent, near=bool(is_near[each]), ends=bool(ends), touching=bool(touching[each]))
        regions.append(
            ErrorRegion(
                organ=CLASSES[wanted or drawn].name,
                kind=kind,
                other=CLASSES[drawn].name if wanted and drawn else "",
                side="exchanged" if wanted and drawn else "missing" if wanted else "extra",
                end=_named(ends, bool(head_first)) if kind in (ErrorKind.ENDS_EARLY, ErrorKind.ENDS_LATE) else "",
                voxels=int(voxels[each]),
                volume_ml=int(voxels[each]) * voxel_ml,
                first_position=int(first[each]),
                last_position=int(last[each]),
                position=int(z[place]), y=int(y[place]), x=int(x[place]),
            )
        )  # fmt: skip
    return sorted(regions, key=lambda region: (-region.voxels, region.position, region.y, region.x))


def _kind(wanted: int, drawn: int, *, absent: bool, near: bool, ends: bool, touching: bool) -> ErrorKind:
    """The precedence of the kinds, see the module's docstring.

    Args:
        wanted, drawn: the region's classes in the reference and the prediction.
        absent: the other volume shows the region's organ nowhere.
    """
    if absent and not (wanted and drawn):
        return ErrorKind.MISSED_ORGAN if wanted else ErrorKind.EXTRA_ORGAN
    if near:
        return ErrorKind.BOUNDARY
    if wanted and drawn:
        return ErrorKind.SWAPPED
    if ends:
        return ErrorKind.ENDS_EARLY if wanted else ErrorKind.ENDS_LATE
    if wanted:
        return ErrorKind.MISSED_PART
    return ErrorKind.EXTRA_PART if touching else ErrorKind.EXTRA_ISLAND


def _end(head: int, foot: int, voxels: int) -> End:
    """The end beyond which half or more of a region's voxels lie."""
    return "" if 2 * max(head, foot) < voxels else "head" if head >= foot else "foot"


def _named(end: End, head_first: bool) -> End:
    return end if head_first or not end else "foot" if end == "head" else "head"


def _beyond(grid: Grid, z: Indices) -> tuple[Flags, Flags]:
    """Which voxels lie before the first, and after the last, slice on which the other volume shows their organ."""
    before, after = np.zeros(len(z), np.bool_), np.zeros(len(z), np.bool_)
    for volume, classes, others in ((grid.prediction, grid.wanted, grid.drawn), (grid.reference, grid.drawn, grid.wanted)):
        for organ in range(1, NUM_CLASSES):
            planes = np.flatnonzero((volume == organ).any(axis=(1, 2)))
            if len(planes):
                mine = (classes == organ) & (others == 0)
                before |= mine & (z < planes[0])
                after |= mine & (z > planes[-1])
    return before, after


def _present(labels: LabelMap) -> NDArray[np.int64]:
    return np.bincount(labels.ravel(), minlength=NUM_CLASSES)


def _tally(labels: Indices, flags: Flags, count: int) -> Indices:
    return np.bincount(labels[flags], minlength=count)


COLUMNS = {
    "patient": "str", "scan": "str", "day": "Int64", "organ": "str", "kind": "str", "other": "str", "side": "str", "end": "str",
    "voxels": "int64", "volume_ml": "float64", "first_slice": "int64", "last_slice": "int64", "slice": "int64",
    "position": "int64", "x": "int64", "y": "int64",
}  # fmt: skip
"""Columns of ``errors.parquet``; ``slice`` is the number in the slice's name, ``position`` its place in the volume."""


def region_rows(scan: Scan, regions: Sequence[ErrorRegion]) -> list[dict[str, Any]]:
    """Rows of ``errors.parquet`` for one scan, one a region, with the slices' numbers."""
    numbers = [each.name.number for each in scan.slices]
    return [
        {"patient": scan.patient, "scan": scan.id, "day": scan.day, "organ": each.organ, "kind": str(each.kind)}
        | {"other": each.other, "side": each.side, "end": each.end, "voxels": each.voxels, "volume_ml": each.volume_ml}
        | {"first_slice": numbers[each.first_position], "last_slice": numbers[each.last_position]}
        | {"slice": numbers[each.position], "position": each.position, "x": each.x, "y": each.y}
        for each in regions
    ]


def regions_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The table of all scans' regions, with every column also where there is no error at all."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(COLUMNS)
