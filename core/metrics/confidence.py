"""What a network says of its own outlines where there is no reference: per slice and organ, or per scan and organ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap
from core.labels import NUM_CLASSES, ORGANS
from core.metrics.overlap import Overlap, confusion_per_slice

NAN = float("nan")
MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes of (…, H, W) along which a slice is mirrored: none first."""


class NetworkOutput(NamedTuple):
    """What an engine finds on N slices, at the network's size S."""

    labels: LabelMap
    """(N, S, S) uint8: the best class."""
    certain: NDArray[np.uint8]
    """(N, S, S) uint8: its probability, 255 for certainty."""
    highest: NDArray[np.float32]
    """(N, 4): the highest probability of each class anywhere on the slice."""
    mirrored: NDArray[np.int64] | None = None
    """(N, 3, 4, 4), where `flip_agreement` is asked for, see `mirror_pairs`."""


def mirror_pairs(views: Sequence[LabelMap]) -> NDArray[np.int64]:
    """Class pairs of a slice's plain labels with those of each of its mirror images: (M, 4, 4) int64.

    Args:
        views: labels (S, S) of the slice itself, then of the M mirror images, mirrored back.
    """
    plain = np.stack([views[0]] * (len(views) - 1))
    return confusion_per_slice(reference=plain, prediction=np.stack(views[1:]))


@dataclass(frozen=True)
class Confidence:
    """How sure a network is of one scan."""

    drawn: NDArray[np.float64]
    """(Z, 3): mean probability, over the organ as drawn on the slice, of the class chosen there; NaN where none was drawn."""
    absent: NDArray[np.float64]
    """(Z, 3): how sure it is that the slice shows none of the organ, 1 less the organ's highest probability anywhere on the
    slice; NaN where the organ was drawn."""
    mirrored: NDArray[np.int64] | None = None
    """(Z, 3, 4, 4), see `mirror_pairs`."""

    @classmethod
    def of(
        cls,
        labels: LabelMap,
        certain: NDArray[np.uint8],
        highest: NDArray[np.float32],
        mirrored: NDArray[np.int64] | None = None,
    ) -> "Confidence":
        """Read it off a predicted volume.

        Args:
            labels, certain: (Z, H, W) uint8; 255 for certainty.
            highest: (Z, 4), see `NetworkOutput`.
        """
        counts, sums = (np.empty((len(labels), NUM_CLASSES)) for _ in range(2))
        for position, (plane, sure) in enumerate(zip(labels, certain, strict=True)):
            counts[position] = np.bincount(plane.ravel(), minlength=NUM_CLASSES)
            sums[position] = np.bincount(plane.ravel(), weights=sure.ravel(), minlength=NUM_CLASSES)
        organs = [organ.id for organ in ORGANS]
        found = counts[:, organs] > 0
        drawn = np.where(found, sums[:, organs] / np.maximum(counts[:, organs], 1) / 255, NAN)
        absent = np.where(found, NAN, 1 - np.clip(highest[:, organs].astype(np.float64), 0, 1))
        return cls(drawn, absent, mirrored)

    def on_slice(self, position: int, organ: int) -> dict[str, float]:
        """The columns of ``slices.parquet`` for one slice and class id."""
        place = position, organ - ORGANS[0].id
        agreement = NAN if self.mirrored is None else _agreement(self.mirrored[position], organ)
        return {
            "confidence": float(self.drawn[place]),
            "confidence_absent": float(self.absent[place]),
            "flip_agreement": agreement,
        }

    def flip_agreement(self, organ: int) -> float:
        """Of the whole scan: mean over the mirror images of the Dice between their outline and the plain one.

        A mirror image is left out where neither draws the organ; NaN where none does, or they were not predicted.
        """
        return NAN if self.mirrored is None else _agreement(self.mirrored.sum(axis=0), organ)

    def to_json(self) -> dict[str, Any]:
        """Every number exactly."""
        mirrored = None if self.mirrored is None else self.mirrored.tolist()
        return {"drawn": _listed(self.drawn), "absent": _listed(self.absent), "mirrored": mirrored}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Confidence":
        """What `to_json` made."""
        mirrored = content["mirrored"]
        counts = None if mirrored is None else np.array(mirrored, np.int64)
        return cls(np.array(content["drawn"], np.float64), np.array(content["absent"], np.float64), counts)


NOTHING = {"confidence": NAN, "confidence_absent": NAN, "flip_agreement": NAN}
"""The columns where nobody knows: label maps of another tool."""


def _agreement(pairs: NDArray[np.int64], organ: int) -> float:
    """Mean Dice over (M, 4, 4) class pairs, without those where neither has the organ."""
    found = [dice for dice in (Overlap.of(each, organ).dice for each in pairs) if not math.isnan(dice)]
    return float(np.mean(found)) if found else NAN


def _listed(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if math.isnan(value) else value for value in row] for row in values.tolist()]
