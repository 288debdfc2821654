"""The millimetres of a scan's stored grid, or why there are none: a distance is never computed from a guess."""

from typing import NamedTuple

from core.data.grid import Spacing
from core.data.scan import Scan

KNOWN = "known"
NO_SPACING = "the data set states no spacing"
SLICES_MISSING = "slices are missing between those given"
ONE_SLICE = "there is one slice alone"
SHEARED = "the axes of the voxels are not at right angles (sheared)"


class Measures(NamedTuple):
    """What can be measured on the grid on which a scan's label maps are stored."""

    spacing_mm: Spacing | None
    """``None`` where distances cannot be measured."""
    voxel_ml: float | None
    """Millilitres a voxel; ``None`` where volumes cannot be measured."""
    reason: str
    """`KNOWN`, or why something is missing."""


def measures(scan: Scan, size: tuple[int, int]) -> Measures:
    """What can be measured in a scan whose label maps are stored at ``size`` (height, width).

    A split that shuffled slices holds a fifth of each volume; between such slices nothing can be measured along z, nor in one
    slice alone. In a sheared grid the volume of a voxel holds, and distances along its axes are no distances.
    """
    grid = scan.info.grid
    if grid.spacing_mm is None:
        return Measures(None, None, NO_SPACING)
    if scan.is_partial:
        return Measures(None, None, SLICES_MISSING if len(scan.slices) > 1 else ONE_SLICE)
    stored = grid.resized(scan.info.native_size or size, size)
    if stored.sheared:
        return Measures(None, stored.voxel_ml, SHEARED)
    return Measures(stored.spacing_mm, stored.voxel_ml, KNOWN)
