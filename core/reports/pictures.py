"""Pictures of a scan for reports: slices under the scan's display window with outlines and the places of findings."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.images import volume_window
from core.data.masks import LabelMap, read_label_volume
from core.errors import WorkspaceError
from core.imaging.overlay import Rgb
from core.imaging.thumbnails import outlined
from core.reviews.corrections import read_correction
from core.reviews.store.state import ScanReview
from core.runs.registry import Evaluation
from core.storage.files import sha256_of_array
from core.storage.workspace import Workspace

SIDE = 360
"""Largest side of a picture in pixels."""
_MARK_RADIUS = 9


@dataclass(frozen=True)
class ShownScan:
    """A scan as reports show it."""

    image: NDArray[np.uint8]
    """(Z, H, W) under the scan's display window."""
    reference: LabelMap
    prediction: LabelMap
    correction: LabelMap | None
    """The latest correction on this image; ``None`` where there is none."""
    numbers: Sequence[int]
    """Slice numbers, one a position."""


def read_shown_scan(workspace: Workspace, evaluation: Evaluation, scan: str, review: ScanReview) -> ShownScan:
    """Read a scan's image and masks.

    Raises:
        WorkspaceError: no such scan, or its files were changed since the evaluation.
        DatasetError, ImageError, MaskError: files that are gone or damaged.
    """
    facts = evaluation.scan_facts(scan)
    source = evaluation.find_scan(scan)
    image, reference = source.read_image(check=False), source.read_labels()
    prediction = read_label_volume(evaluation.paths.mask(scan))
    shown = {"image_sha256": image, "reference_sha256": reference, "prediction_sha256": prediction}
    if any(sha256_of_array(array) != facts[key] for key, array in shown.items()):
        what = f"Scan {scan} has changed since it was evaluated"
        raise WorkspaceError(what, value=evaluation.dataset_root, todo="evaluate the run again")
    fixed = [each for each in review.corrections if each.subject.image_sha256 == facts["image_sha256"]]
    correction = read_correction(workspace, fixed[-1].payload["mask_sha256"]) if fixed else None
    window = volume_window(image)
    return ShownScan(window.apply(image), reference, prediction, correction, facts["slice_numbers"])


def worst_positions(slices: pd.DataFrame, scan: str, count: int) -> list[int]:
    """Positions of the slices with the most differing voxels over all organs, in order of position.

    Args:
        slices: ``slices.parquet``.
    """
    rows = slices[slices["scan"] == scan]
    differing = (rows["reference_voxels"] + rows["prediction_voxels"] - 2 * rows["both_voxels"]).groupby(rows["position"]).sum()
    worst = differing[differing > 0].sort_values(ascending=False, kind="stable").head(count)
    return sorted(int(position) for position in worst.index)


def panel(shown: ShownScan, labels: LabelMap, position: int, marks: Sequence[tuple[str, int, int]] = (), side: int = SIDE) -> Rgb:
    """One slice with the outlines of ``labels`` and numbered rings at the places of findings.

    Args:
        marks: what stands beside each ring, and its column and row in pixels of the slice.
    """
    picture = outlined(shown.image[position], labels[position], side=side)
    scale = picture.shape[1] / shown.image.shape[2], picture.shape[0] / shown.image.shape[1]
    for text, x, y in marks:
        place = round((x + 0.5) * scale[0]), round((y + 0.5) * scale[1])
        beside = place[0] + _MARK_RADIUS + 2, place[1] + 5
        for colour, width in (((0, 0, 0), 4), ((255, 255, 0), 2)):
            cv2.circle(picture, place, _MARK_RADIUS, colour, width, cv2.LINE_AA)
            cv2.putText(picture, text, beside, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width, cv2.LINE_AA)
    return picture
