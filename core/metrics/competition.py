"""The UW-Madison competition's own metric, to compare with its public board and for nothing else.

What the competition page says (Kaggle, "UW-Madison GI Tract Image Segmentation", 2022, Evaluation): mean Dice per image, and a
3D Hausdorff distance between the volumes stacked from the slices, with the slice depth set to 1 and pixel locations normalised
by the image size to a bounded 0–1 score; 0.4 times the one plus 0.6 times the other. The hosts' code is not public, so this is
a reading of that page. What it assumes:

1. Dice is of one organ on one slice, averaged over all organs and slices of the set together. Where both are empty it is left
   out: the page first called that 0, and the hosts later said that such slices are ignored (discussion 324934, as the grader
   of OpenAI's mle-bench quotes it). Where one is empty it is 0.
2. Hausdorff is of one organ in one scan, between *all* voxels of the organ (not its surface), the larger of the two directions,
   at the maximum (not a percentile). mle-bench's grader joins the organs of a scan first; the page does not say so.
3. Voxel indices are divided by the number of slices, rows and columns, and the distance by √3, the unit cube's diagonal, as
   mle-bench's grader does. Public 3D solutions with MONAI divide the distance in voxels by the volume's diagonal in voxels
   instead; `CompetitionScore.voxel_diagonal` gives the score under that reading.
4. Both empty: left out. One empty: 1, the worst. Hausdorff counts as one less the mean distance, so that more is better.

A millimetre plays no part in it, and neither does the convention for empty masks of the other scores here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.labels import ORGANS
from core.metrics.overlap import Overlap
from core.metrics.volume_pair import Surfaces, VolumePair

DICE_WEIGHT, HAUSDORFF_WEIGHT = 0.4, 0.6
LABEL = "UW-Madison competition metric, re-implemented from its public description; only to compare with the public board"


@dataclass(frozen=True)
class CompetitionTerms:
    """What one scan contributes."""

    dice: tuple[float, ...]
    """One for each organ on each slice where either has it."""
    unit_cube: tuple[float, ...]
    """Normalised Hausdorff distance, 0 to 1, one for each organ that either has."""
    voxel_diagonal: tuple[float, ...]
    """The same under the other normalisation."""


@dataclass(frozen=True)
class CompetitionScore:
    """The score of a set of scans."""

    score: float
    dice: float
    hausdorff: float
    """Mean normalised distance, 0 to 1; less is better."""
    voxel_diagonal: float
    """The score with the distance normalised by the diagonal in voxels."""
    slices: int
    """Organs on slices behind the Dice."""
    volumes: int
    """Organs in scans behind the distance."""

    def to_json(self) -> dict[str, Any]:
        return {"name": LABEL, **vars(self)}


def competition_terms(pair: VolumePair) -> CompetitionTerms:
    """The terms of one scan, all of its slices present."""
    found = (Overlap.of(plane, organ.id) for plane in pair.confusion for organ in ORGANS)
    surfaces = pair.surfaces()
    outcomes = {organ.id: pair.overlap(organ.id).outcome for organ in ORGANS}
    distances = [
        _hausdorff(pair, surfaces, organ) if outcome == "scored" else (1.0, 1.0)
        for organ, outcome in outcomes.items()
        if outcome != "absent"
    ]
    return CompetitionTerms(
        dice=tuple(overlap.dice for overlap in found if overlap.outcome != "absent"),
        unit_cube=tuple(cube for cube, _ in distances),
        voxel_diagonal=tuple(diagonal for _, diagonal in distances),
    )


def _hausdorff(pair: VolumePair, surfaces: tuple[Surfaces, Surfaces], organ: int) -> tuple[float, float]:
    """Hausdorff distance of all voxels over the longest possible one, in the unit cube and in voxels.

    Only voxels that the other mask lacks are at a distance from it, and the voxel nearest to them is on its surface.
    """
    from core.metrics.surface_kernels import nearest

    reference, prediction = (each.of(organ) for each in surfaces)
    missed, extra = pair.unmatched(organ)
    shape = np.array(pair.reference.shape, np.float64)

    def farthest(step: NDArray[np.float64]) -> float:
        there = nearest(missed, prediction, step).max() if len(missed) else 0.0
        return float(max(there, nearest(extra, reference, step).max() if len(extra) else 0.0))

    return farthest(1 / shape) / math.sqrt(len(shape)), farthest(np.ones_like(shape)) / math.hypot(*shape)


def competition_score(scans: Iterable[CompetitionTerms]) -> CompetitionScore | None:
    """The score of a set of scans; ``None`` where neither the reference nor the prediction holds anything."""
    terms = list(scans)
    dice = [value for scan in terms for value in scan.dice]
    cube = [value for scan in terms for value in scan.unit_cube]
    diagonal = [value for scan in terms for value in scan.voxel_diagonal]
    if not dice:
        return None
    mean = float(np.mean(dice))
    return CompetitionScore(
        score=_joined(mean, float(np.mean(cube))),
        dice=mean,
        hausdorff=float(np.mean(cube)),
        voxel_diagonal=_joined(mean, float(np.mean(diagonal))),
        slices=len(dice),
        volumes=len(cube),
    )


def _joined(dice: float, hausdorff: float) -> float:
    return DICE_WEIGHT * dice + HAUSDORFF_WEIGHT * (1 - hausdorff)
