"""Dice, IoU, precision and recall from confusion counts, with the rule for empty masks written once.

The rule (`outcome_of`): an organ that neither the reference nor the prediction has is *absent*: its score is undefined
(NaN) and left out of every mean, and the count is shown. An organ that only the reference has is *missed*, one that only
the prediction has is a *false alarm*: both score 0. No score improves because an organ was missed.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap
from core.labels import NUM_CLASSES

Outcome = Literal["scored", "missed", "false_alarm", "absent"]
Confusion = NDArray[np.int64]


def confusion_per_slice(*, reference: LabelMap, prediction: LabelMap) -> Confusion:
    """Count class pairs on each slice.

    Args:
        reference: (Z, H, W) uint8.
        prediction: (Z, H, W) uint8.

    Returns:
        (Z, 4, 4) int64; ``[z, i, j]`` is the number of voxels of class ``i`` that were predicted as class ``j``.

    >>> reference, prediction = np.array([[[0, 1, 1, 1]]], np.uint8), np.array([[[1, 1, 1, 0]]], np.uint8)
    >>> confusion_per_slice(reference=reference, prediction=prediction)[0, :2, :2].tolist()
    [[0, 1], [1, 2]]
    """
    check_shapes(reference, prediction)
    planes = len(reference)
    pairs = reference.reshape(planes, -1) * np.uint8(NUM_CLASSES) + prediction.reshape(planes, -1)
    counts = [np.bincount(plane, minlength=NUM_CLASSES**2) for plane in pairs]
    return np.stack(counts).reshape(planes, NUM_CLASSES, NUM_CLASSES).astype(np.int64)


def check_shapes(reference: LabelMap, prediction: LabelMap) -> None:
    """Check that two label volumes are of one scan.

    Raises:
        ValueError: they differ in shape.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"reference {reference.shape} and prediction {prediction.shape} differ in shape")


@dataclass(frozen=True)
class Overlap:
    """How an organ's reference and prediction overlap, in one slice or one whole scan."""

    reference: int
    """Voxels of the organ in the reference."""
    prediction: int
    """Voxels of the organ in the prediction."""
    both: int
    """Voxels of the organ in both."""

    @classmethod
    def of(cls, confusion: Confusion, class_id: int) -> "Overlap":
        """Read an organ's counts off a (4, 4) confusion matrix.

        >>> stomach = Overlap.of(np.array([[5, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), 1)
        >>> round(stomach.dice, 3), stomach.outcome
        (0.667, 'scored')
        """
        return cls(
            reference=int(confusion[class_id].sum()),
            prediction=int(confusion[:, class_id].sum()),
            both=int(confusion[class_id, class_id]),
        )

    @property
    def outcome(self) -> Outcome:
        """Which case of the rule for empty masks this is."""
        if not self.reference and not self.prediction:
            return "absent"
        if not self.prediction:
            return "missed"
        return "scored" if self.reference else "false_alarm"

    @property
    def dice(self) -> float:
        """2·|A∩B| / (|A| + |B|) (Dice 1945); NaN where both are empty, 0 where one is."""
        total = self.reference + self.prediction
        return 2 * self.both / total if total else float("nan")

    @property
    def iou(self) -> float:
        """|A∩B| / |A∪B| (Jaccard 1912); NaN where both are empty, 0 where one is."""
        union = self.reference + self.prediction - self.both
        return self.both / union if union else float("nan")

    @property
    def precision(self) -> float:
        """|A∩B| / |B|, the share of what was drawn that is right; NaN where both are empty, 0 where one is."""
        return self._share_of(self.prediction)

    @property
    def recall(self) -> float:
        """|A∩B| / |A|, the share of the organ that was drawn; NaN where both are empty, 0 where one is."""
        return self._share_of(self.reference)

    def _share_of(self, voxels: int) -> float:
        # 0/0 in a scan that has the organ on the other side is 0: undefined, it would leave the mean and lift it.
        if self.outcome == "absent":
            return float("nan")
        return self.both / voxels if voxels else 0.0
