"""Surface scores in millimetres (HD95, NSD, mean surface distance), with the rule for empty masks written once.

Surface
    A voxel of the organ with at least one of its six face neighbours outside the organ; outside the volume counts as outside
    the organ. The distance of a surface voxel is that between voxel centres, in mm, to the nearest surface voxel of the other
    mask: exact, in 64 bits.
HD95
    The larger of the two directed 95th percentiles (reference to prediction, prediction to reference). Percentiles are
    interpolated linearly between order statistics, numpy's and torch's default.
NSD at a tolerance
    Surface voxels of both masks within the tolerance of the other surface, over all surface voxels of both (Nikolov et al.,
    "Deep learning to achieve clinically applicable segmentation", 2018, counted in voxels as MONAI does; DeepMind's own
    package weighs each by its area). A distance that equals the tolerance but for rounding is within.
Mean surface distance
    Mean over the surface voxels of both masks together: the average symmetric surface distance (ASSD; Heimann et al., IEEE
    TMI 28(8), 2009).
Empty masks
    Both empty: undefined (NaN). Only one empty: every surface voxel is as far away as it could be, so both distances are the
    diagonal of the scan's extent and NSD is 0.
Unknown spacing
    All three are NaN: no millimetre is made up.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Spacing
from core.metrics.volume_pair import VolumePair

TOLERANCES_MM: tuple[float, ...] = (1.5, 3.0)
PERCENTILE = 95.0
ROUNDING = 1e-6
"""Share of the tolerance by which a distance may exceed it and still count as equal."""


@dataclass(frozen=True)
class SurfaceScores:
    """Surface scores of one organ in one scan."""

    hd95_mm: float
    mean_surface_distance_mm: float
    nsd: tuple[float, ...]
    """0 to 1, one for each tolerance."""


def surface_scores(
    pair: VolumePair, *, spacing_mm: Spacing | None, tolerances_mm: Sequence[float] = TOLERANCES_MM
) -> dict[int, SurfaceScores]:
    """Surface scores by organ id; conventions above.

    Args:
        spacing_mm: of the volumes' own grid; ``None`` where it is unknown.
    """
    organs = range(1, pair.confusion.shape[1])
    if spacing_mm is None:
        return {organ: _constant(math.nan, math.nan, tolerances_mm) for organ in organs}
    reference, prediction = pair.surfaces()
    spacing = np.array(spacing_mm, np.float64)
    scores = {}
    for organ in organs:
        ours, theirs = reference.of(organ), prediction.of(organ)
        if len(ours) and len(theirs):
            scores[organ] = scores_of(*_distances(ours, theirs, spacing), tolerances_mm)
        elif len(ours) or len(theirs):
            scores[organ] = _constant(diagonal_mm(pair.reference.shape, spacing_mm), 0.0, tolerances_mm)
        else:
            scores[organ] = _constant(math.nan, math.nan, tolerances_mm)
    return scores


def _distances(
    reference: NDArray[np.int16], prediction: NDArray[np.int16], spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from core.metrics.surface_kernels import nearest

    return nearest(reference, prediction, spacing), nearest(prediction, reference, spacing)


def scores_of(there: NDArray[np.float64], back: NDArray[np.float64], tolerances_mm: Sequence[float]) -> SurfaceScores:
    """The scores from the distances of all surface voxels of either mask to the other surface, neither list empty."""
    count = there.size + back.size
    within = [tolerance * (1 + ROUNDING) for tolerance in tolerances_mm]
    return SurfaceScores(
        hd95_mm=float(max(np.percentile(there, PERCENTILE), np.percentile(back, PERCENTILE))),
        mean_surface_distance_mm=float((there.sum() + back.sum()) / count),
        nsd=tuple(int(np.count_nonzero(there <= most) + np.count_nonzero(back <= most)) / count for most in within),
    )


def _constant(distance: float, nsd: float, tolerances_mm: Sequence[float]) -> SurfaceScores:
    return SurfaceScores(distance, distance, (nsd,) * len(tolerances_mm))


def diagonal_mm(shape: tuple[int, ...], spacing_mm: Spacing) -> float:
    """Diagonal in mm of the scan's extent: all its voxels with their full size, so no distance in it is longer.

    >>> diagonal_mm((1, 2, 2), (1.0, 1.0, 1.0))
    3.0
    """
    return math.hypot(*(count * step for count, step in zip(shape, spacing_mm, strict=True)))


def nsd_column(tolerance_mm: float) -> str:
    """Name of the NSD's column: ``nsd_1_5mm`` at 1.5 mm, ``nsd_3mm`` at 3 mm."""
    return f"nsd_{tolerance_mm:g}mm".replace(".", "_")


def nsd_columns(names: Iterable[str]) -> list[str]:
    """Those of the names that are an NSD's column, in their order.

    >>> [nsd_tolerance_mm(column) for column in nsd_columns(["dice", nsd_column(1.5), nsd_column(3)])]
    [1.5, 3.0]
    """
    return [name for name in names if name.startswith("nsd_")]


def nsd_tolerance_mm(column: str) -> float:
    """The tolerance in a name that `nsd_column` made: 1.5 for ``nsd_1_5mm``."""
    return float(column.removeprefix("nsd_").removesuffix("mm").replace("_", "."))
