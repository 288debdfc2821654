"""A reference and a prediction of one scan, looked at once: class pairs per slice, surfaces and disagreement as points."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap, check_label_map
from core.labels import NUM_CLASSES
from core.metrics.overlap import Confusion, Overlap, check_shapes

if TYPE_CHECKING:
    from core.metrics.surface_kernels import Points

LONGEST_SIDE = int(np.iinfo(np.int16).max)
"""Points are kept as 16-bit indices; a scan has a few hundred voxels a side."""


@dataclass(frozen=True)
class Surfaces:
    """The surface voxels of every organ in one volume."""

    points: "Points"
    start: NDArray[np.int64]
    count: NDArray[np.int64]

    def of(self, organ: int) -> "Points":
        """(n, 3) int16 indices (z, y, x) of an organ's surface, in the order in which they lie in memory."""
        return self.points[self.start[organ] : self.start[organ] + self.count[organ]]


@dataclass(frozen=True)
class VolumePair:
    """Two label volumes (Z, H, W) of one scan, and what one pass over them found."""

    reference: LabelMap
    prediction: LabelMap
    confusion: Confusion
    """(Z, 4, 4), see `core.metrics.overlap.confusion_per_slice`."""
    touched: NDArray[np.int32]
    """Words of eight voxels that hold an organ in either volume."""

    @classmethod
    def of(cls, *, reference: LabelMap, prediction: LabelMap) -> "VolumePair":
        """Count class pairs and find where anything but background is.

        Args:
            reference, prediction: (Z, H, W) uint8, classes 0 to 3; any memory layout.

        Raises:
            ValueError: they differ in shape, have no three axes, or a side has more than 32,767 voxels.
            MaskError: a voxel holds no class of the table.
        """
        check_shapes(reference, prediction)
        if reference.ndim != 3 or max(reference.shape) > LONGEST_SIDE:
            raise ValueError(f"a label volume has three axes of at most {LONGEST_SIDE} voxels, not the shape {reference.shape}")
        from core.metrics.surface_kernels import count_pairs

        reference, prediction = _plain(reference), _plain(prediction)
        confusion = np.zeros((len(reference), NUM_CLASSES, NUM_CLASSES), np.int64)
        words = _words(reference), _words(prediction)
        touched = np.empty(words[0].size + 1, np.int32)
        found = count_pairs(reference.reshape(-1), prediction.reshape(-1), *words, confusion, touched) if reference.size else 0
        if found < 0:
            check_label_map(reference, source="reference")
            check_label_map(prediction, source="prediction")
        return cls(reference, prediction, confusion, touched[:found])

    @property
    def total(self) -> Confusion:
        """(4, 4) class pairs of the whole scan."""
        counts: Confusion = self.confusion.sum(axis=0)
        return counts

    def overlap(self, organ: int) -> Overlap:
        """How an organ's reference and prediction overlap in the whole scan."""
        return Overlap.of(self.total, organ)

    def surfaces(self) -> tuple[Surfaces, Surfaces]:
        """Surface voxels of the reference and of the prediction.

        A voxel of an organ is surface where at least one of its six face neighbours is not of that organ; what lies outside
        the volume is not.
        """
        from core.metrics.surface_kernels import surface_points

        total = self.total
        return (
            Surfaces(*surface_points(self.reference, self.touched, total.sum(axis=1))),
            Surfaces(*surface_points(self.prediction, self.touched, total.sum(axis=0))),
        )

    def unmatched(self, organ: int) -> tuple["Points", "Points"]:
        """Voxels of an organ that only the reference has, and those that only the prediction has."""
        from core.metrics.surface_kernels import unmatched_points

        overlap = self.overlap(organ)
        missed, extra = overlap.reference - overlap.both, overlap.prediction - overlap.both
        return (
            unmatched_points(self.reference, self.prediction, self.touched, organ, missed),
            unmatched_points(self.prediction, self.reference, self.touched, organ, extra),
        )


def _plain(volume: LabelMap) -> LabelMap:
    """The volume as the compiled loops know it: contiguous, writable, and beginning where a word may begin."""
    volume = np.ascontiguousarray(volume, np.uint8)
    aligned = volume.ctypes.data % np.dtype(np.uint64).itemsize == 0
    return volume if volume.flags.writeable and aligned else volume.copy()


def _words(volume: LabelMap) -> NDArray[np.uint64]:
    """The same memory, eight voxels at a time; the last few that fill no word are left out."""
    size = np.dtype(np.uint64).itemsize
    return volume.reshape(-1)[: volume.size // size * size].view(np.uint64)
