"""Whether a picture looks like those that a model was trained on.

The rule: three numbers of a picture under its own display window are compared with those of the run's own training slices
(up to 200, evenly taken; where the data set is gone and was of phantoms, new phantoms). A picture outside the range that
the training slices span in any of the three, or in colour where they were grey, looks unlike them. So no threshold was chosen:
the range is the training set's own.

How often that is a false alarm: of slices exchangeable with the ``n`` compared, drawn at random from the same scans, at most
``2 / (n + 1)`` on average lie outside in one number, hence 3% in any of three for ``n = 200`` (measured on ``../shared/data``,
200 slices of 324 drawn 300 times: 2.6% of the others). A new patient's slices are not exchangeable with those of others, since
they resemble each other. If the patients are, the bound for ``P`` training patients is ``2 / (P + 1)``, 43% in any of three
for 13. Measured, each of 14 patients against the other 13: 11% of its slices on average; of the two whole scans, 4 and 47 of
144. Hence a scan is judged by most of its slices, and a single slice is only ever warned about.

The three numbers were picked for telling things apart, on pictures of the same folder and others at hand. Against 180 training
slices: unlike are 5 of 5 photographs, 6 of 6 pictures of noise, 3 of 3 empty ones, 6 of 6 screenshots, 10 of 10 CT slices and
9 of 9 MR slices of another protocol. Mean confidence, tried too, tells none of them apart: both models at hand were as sure of
photographs as of MR.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.data.images import Pixels, decode_grey, volume_window
from core.data.index import load_index
from core.data.readers.uploads import Upload
from core.errors import GutCheckError
from dashboard.demo.examples import example_scans
from dashboard.demo.models import ModelChoice

COMPARED = 200
"""Training slices that are read, half a second's work."""
SIDE = 224
"""Side in pixels to which a picture is brought, so that detail is measured at one scale."""
NUMBERS = ("overall brightness", "brightness along the edge", "smoothness")


@dataclass(frozen=True)
class Likeness:
    """The range that a run's training slices span."""

    low: NDArray[np.float64]
    """(3,), see `NUMBERS`."""
    high: NDArray[np.float64]
    count: int
    """Slices compared."""

    def outside(self, grey: NDArray[np.uint8]) -> list[str]:
        """In what a picture (H, W) under its own display window lies outside; nothing where it looks alike."""
        numbers = numbers_of(grey)
        return [name for name, away in zip(NUMBERS, (numbers < self.low) | (numbers > self.high), strict=True) if away]


def likeness_of(choice: ModelChoice) -> Likeness | None:
    """The range of a model's training slices; ``None`` where neither they nor their like can be had."""
    numbers = np.array([numbers_of(_own_grey(image)) for image in _training_slices(choice)])
    return Likeness(numbers.min(axis=0), numbers.max(axis=0), len(numbers)) if len(numbers) else None


def _own_grey(image: Pixels) -> NDArray[np.uint8]:
    """A slice under its own window, not its scan's: so are the training slices, of which single ones are read."""
    return volume_window(image).apply(image)


def _training_slices(choice: ModelChoice) -> Iterable[Pixels]:
    if choice.dataset is not None:
        try:
            slices = [file for scan in load_index(choice.dataset).splits.get("train", ()) for file in scan.slices]
            taken = np.linspace(0, len(slices) - 1, min(COMPARED, len(slices))).astype(int)
            return [decode_grey(slices[i].image) for i in taken]
        except GutCheckError:
            return []
    return [image for scan in example_scans() for image in scan.slices] if choice.synthetic else []


def numbers_of(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean grey, mean grey along the edge (both 0 to 1), and correlation of neighbouring pixels, of (H, W) uint8."""
    plane = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.float64) / 255
    rim = SIDE // 64
    edge = np.concatenate([plane[:rim].ravel(), plane[-rim:].ravel(), plane[:, :rim].ravel(), plane[:, -rim:].ravel()])
    centred = plane - plane.mean()
    variance = float((centred**2).mean())
    along = ((centred[:, 1:] * centred[:, :-1]).mean() + (centred[1:] * centred[:-1]).mean()) / 2
    return np.array([plane.mean(), edge.mean(), along / variance if variance else 1.0])


def remarks(upload: Upload, likeness: Likeness | None) -> tuple[str, ...]:
    """What to say of each slice, as one sentence; nothing where it looks alike.

    A scan is judged by most of its slices: some of any scan lie outside.
    """
    if likeness is None:
        return ("Nobody can say whether this looks like the training data, which is not on this machine.",) * len(upload.slices)
    outside = [likeness.outside(_own_grey(image)) for image in upload.slices]
    if upload.is_scan:
        mostly = sum(map(bool, outside)) * 2 > len(outside)
        together = [name for name in NUMBERS if mostly and any(name in away for away in outside)]
        outside = [together] * len(outside)
    reasons = [["colour"] * colour + away for colour, away in zip(upload.in_colour, outside, strict=True)]
    return tuple(_sentence(own, likeness.count) for own in reasons)


def _sentence(reasons: Sequence[str], count: int) -> str:
    if not reasons:
        return ""
    return (
        f"This looks unlike the model's training data in {', '.join(reasons)} (compared with {count} of its slices). "
        "It is segmented all the same; do not trust the outlines."
    )
