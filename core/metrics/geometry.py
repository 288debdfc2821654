"""The millimetres of a scan's stored grid, or why there are none: a distance is never computed from a guess."""

from itertools import pairwise

from core.data.grid import Spacing, stored_spacing
from core.data.scan import Scan

KNOWN = "known"
NO_SPACING = "the data set states no spacing"
SLICES_MISSING = "slices are missing between those given"


def is_whole(scan: Scan) -> bool:
    """Whether the slices follow each other by number.

    A split that shuffled slices holds a fifth of each volume; between such slices nothing can be measured along z.
    """
    return all(later.name.number - earlier.name.number == 1 for earlier, later in pairwise(scan.slices))


def grid_spacing(scan: Scan, size: tuple[int, int]) -> tuple[Spacing | None, str]:
    """Spacing of the grid on which a scan's label maps are stored, and what it rests on.

    Args:
        size: (height, width) as stored.

    Returns:
        Spacing in mm, or ``None``; and `KNOWN`, or the reason why there is none.
    """
    stated, native = scan.info.spacing_mm, scan.info.native_size
    if stated is None:
        return None, NO_SPACING
    if not is_whole(scan):
        return None, SLICES_MISSING
    return stored_spacing(stated, native, size), KNOWN
