"""Small pictures of slices with outlines, for a patient's days and for the data set's grid."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.data.images import Window, decode_grey, volume_window
from core.data.index import SPLITS, UNLABELLED, load_index
from core.data.masks import LabelMap, read_label_volume, read_mask
from core.data.scan import Scan
from core.errors import DatasetError, ImageError
from core.imaging.overlay import Rgb, blend
from core.labels import ORGANS
from core.runs.registry import Evaluation

SIDE = 220
"""Largest side of a thumbnail in pixels."""
OPACITY = 0.35


def outlined(image: NDArray[np.uint8], labels: LabelMap, *, side: int = SIDE) -> Rgb:
    """A slice with its organs tinted and outlined, no larger than ``side``.

    Args:
        image: (H, W) uint8 under the display window.
        labels: (H, W) uint8.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    tinted = blend(image, labels, opacity=OPACITY)
    scale = side / max(image.shape)
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    small: Rgb = cv2.resize(tinted, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.uint8)
    drawn = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    for organ in ORGANS:
        edges, _ = cv2.findContours((drawn == organ.id).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(small, edges, -1, organ.rgb, 1)
    return small


def day_pictures(evaluation: Evaluation, scan: str, position: int) -> tuple[Rgb, Rgb]:
    """One slice of a scan with the reference, and with the prediction.

    Args:
        position: of the slice in the evaluated scan, from 0.

    Raises:
        GutCheckError: the data set or the prediction is not there, or damaged.
    """
    found = _scan(evaluation.dataset_root, evaluation.split, scan)
    each = found.slices[min(position, len(found.slices) - 1)]
    prediction = read_label_volume(evaluation.paths.mask(scan))[position]
    image = scan_window(found).apply(decode_grey(each.image))
    return outlined(image, read_mask(each.reference())), outlined(image, prediction)


def _scan(root: Path, split: str, scan: str) -> Scan:
    if not root.is_dir():
        raise DatasetError("The data set is not here, so there is no picture to show", value=root, todo="bring it back")
    return load_index(root).scan(split, scan)


def scan_window(scan: Scan) -> Window:
    """The display window of a whole scan, of as many slices as can be read: the data set's page shows damaged ones, too.

    Raises:
        ImageError: none can be read.
    """
    planes, problem = [], None
    for each in scan.slices:
        try:
            planes.append(decode_grey(each.image).ravel())
        except ImageError as error:
            problem = error
    if problem and not planes:
        raise problem
    return volume_window(np.concatenate(planes))


def window_of(root: Path, split: str, scan: str) -> Window:
    """The display window of a scan of a data set. Raises: see `scan_window` and `core.data.index.load_index`."""
    return scan_window(_scan(root, split, scan))


def slice_picture(root: Path, split: str, name: str, window: Window, *, side: int = SIDE) -> Rgb:
    """One slice of a data set, with its reference where it has one.

    Args:
        name: the slice's file name without suffix.
        window: of the slice's scan, see `window_of`.

    Raises:
        GutCheckError: a picture is missing or damaged.
    """
    known = (*SPLITS, UNLABELLED)
    if split not in known:
        raise DatasetError("There is no such split", value=split, todo=f"use one of: {', '.join(known)}")
    image, mask = (root / split / kind / f"{name}.png" for kind in ("images", "masks"))
    shown = window.apply(decode_grey(image))
    return outlined(shown, np.zeros(shown.shape, np.uint8) if split == UNLABELLED else read_mask(mask), side=side)
