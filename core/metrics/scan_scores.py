"""All scores of one scan, in 3D and per organ.

Conventions: `core.metrics.overlap` for Dice, IoU, precision and recall, `core.metrics.surface` for distances. Volumes are
voxel counts times the size of a voxel, in millilitres; unknown where the spacing is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.data.grid import Spacing, ml_a_voxel
from core.labels import ORGANS
from core.metrics.overlap import Confusion, Overlap
from core.metrics.surface import TOLERANCES_MM, SurfaceScores, surface_scores
from core.metrics.volume_pair import VolumePair


@dataclass(frozen=True)
class OrganScores:
    """One organ of one scan."""

    overlap: Overlap
    surface: SurfaceScores
    voxel_ml: float
    """Millilitres a voxel; NaN where the spacing is unknown."""

    @property
    def reference_ml(self) -> float:
        return self.overlap.reference * self.voxel_ml

    @property
    def prediction_ml(self) -> float:
        return self.overlap.prediction * self.voxel_ml

    @property
    def volume_error_ml(self) -> float:
        """Prediction less reference: negative where too little was drawn; NaN where neither has the organ."""
        if self.overlap.outcome == "absent":
            return math.nan
        return (self.overlap.prediction - self.overlap.reference) * self.voxel_ml

    @property
    def volume_error_percent(self) -> float:
        """The error in percent of the reference, -100 for a missed organ; NaN where the reference has none."""
        reference = self.overlap.reference
        return 100 * (self.overlap.prediction - reference) / reference if reference else math.nan


@dataclass(frozen=True)
class ScanScores:
    """One scan."""

    confusion: Confusion
    """(Z, 4, 4), see `core.metrics.overlap.confusion_per_slice`."""
    organs: dict[str, OrganScores]
    tolerances_mm: tuple[float, ...]


def score_pair(
    pair: VolumePair,
    spacing_mm: Spacing | None,
    tolerances_mm: Sequence[float] = TOLERANCES_MM,
    *,
    voxel_ml: float | None = None,
) -> ScanScores:
    """Score one scan as a volume.

    Args:
        spacing_mm: of that grid (z, y, x); ``None`` where it is unknown or slices are missing between those given:
            distances are then NaN, and volumes too unless ``voxel_ml`` is given.
        tolerances_mm: of the NSD.
        voxel_ml: volume of a voxel, where the spacing alone does not tell it: in a sheared grid.

    >>> import numpy as np
    >>> reference, prediction = np.zeros((2, 3, 8, 8), np.uint8)
    >>> reference[:, 2:6, 2:6], prediction[:, 2:6, 3:7] = 1, 1
    >>> stomach = score_pair(VolumePair.of(reference=reference, prediction=prediction), (3.0, 1.5, 1.5)).organs["stomach"]
    >>> round(stomach.overlap.dice, 2), stomach.surface.hd95_mm, stomach.surface.nsd, round(stomach.reference_ml, 3)
    (0.75, 1.5, (1.0, 1.0), 0.324)
    """
    surfaces = surface_scores(pair, spacing_mm=spacing_mm, tolerances_mm=tolerances_mm)
    known = ml_a_voxel(spacing_mm) if voxel_ml is None and spacing_mm else voxel_ml
    volume = math.nan if known is None else known
    organs = {organ.name: OrganScores(pair.overlap(organ.id), surfaces[organ.id], volume) for organ in ORGANS}
    return ScanScores(pair.confusion, organs, tuple(tolerances_mm))
