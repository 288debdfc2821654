"""DICOM segmentations, binary, fractional or label maps, as label volumes: frames are placed by their positions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Grid, in_display_order
from core.data.readers.dicom_labels import MAX_VOXELS, merged, open_dicom, organ_name, reading
from core.data.volume import LabelVolume
from core.errors import MaskError

SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes: segmentation, and label map segmentation."""
KIND = "DICOM segmentation"
SAME_MM = 1e-2
"""Frames closer than this lie in one plane."""
UNEVEN = 0.1
"""Share of the distance between slices by which a frame may lie beside its place."""


class Stack(NamedTuple):
    """Where the frames lie."""

    planes: NDArray[np.int64]
    """(frames,), the slice of each frame, from 0."""
    matrix: NDArray[np.float64]
    """(4, 4), from (slice, row, column) to LPS mm."""


def read_seg(path: Path) -> LabelVolume:
    """Read a segmentation; slices without a frame between the first and the last are background.

    A label is the number of its segment. Fractional segments begin at half of the largest value. Frames that were left out
    at either end are not known from the file; `core.data.readers.dicom_labels.placed_on` restores them on the scan's grid.

    Returns:
        In display order (`core.data.grid.in_display_order`).

    Raises:
        MaskError: damaged, no segmentation, of a slide, too large, or its frames are no stack.
    """
    with reading(path, KIND):
        dataset = open_dicom(path, SEGMENTATION, KIND)
        stack = _stack(dataset, path)
        shape = (int(stack.planes.max()) + 1, int(dataset.Rows), int(dataset.Columns))
        if np.prod(shape, dtype=np.float64) > MAX_VOXELS:
            raise MaskError(f"The {KIND} is too large", value=path, todo=f"use at most {MAX_VOXELS:,} voxels")
        labels, contested = _labels(dataset, stack.planes, shape)
        names = {int(each.SegmentNumber): _name(each) for each in dataset.SegmentSequence if int(each.SegmentNumber)}
        turned = in_display_order(labels, stack.matrix)
        return LabelVolume(turned.voxels, Grid.of(turned.matrix, KIND), names, contested_pixels=contested)


def _name(segment: Any) -> str:
    sequences = ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence")
    codes = tuple(str(code.get("CodeValue", "")) for name in sequences for code in segment.get(name) or ())
    said = str(segment.get("SegmentLabel", ""))
    return organ_name(said or f"segment {int(segment.SegmentNumber)}", codes)


def _labels(dataset: Any, planes: NDArray[np.int64], shape: tuple[int, int, int]) -> tuple[NDArray[Any], int]:
    """(Z, H, W) in the order of the stack, and the number of contested voxels."""
    size = shape[1] * shape[2]
    if dataset.SegmentationType == "LABELMAP":
        labels = np.zeros(shape, np.uint8 if int(dataset.BitsAllocated) == 8 else np.uint16)
        for plane, frame in zip(planes, _frames(dataset), strict=True):
            labels[plane] = frame.reshape(shape[1:])
        return labels, 0
    enough = 1.0 if dataset.SegmentationType == "BINARY" else float(dataset.get("MaximumFractionalValue") or 255) / 2
    found: dict[int, list[NDArray[np.int64]]] = {}
    for plane, number, frame in zip(planes, _numbers(dataset), _frames(dataset), strict=True):
        found.setdefault(number, []).append(np.flatnonzero(frame >= enough) + int(plane) * size)
    return merged({number: np.unique(np.concatenate(parts)) for number, parts in found.items()}, shape)


def _frames(dataset: Any) -> Iterator[NDArray[Any]]:
    """Each frame, (H, W), one unpacked at a time."""
    from pydicom.pixels.utils import iter_pixels

    if int(dataset.BitsAllocated) != 1 or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        yield from iter_pixels(dataset, raw=True)
        return
    # The library takes frames to begin at whole bytes; here one may begin inside the last byte of the frame before.
    packed, size = np.frombuffer(dataset.PixelData, np.uint8), int(dataset.Rows) * int(dataset.Columns)
    for start in range(0, size * len(dataset.PerFrameFunctionalGroupsSequence), size):
        bits = np.unpackbits(packed[start // 8 : (start + size + 7) // 8], bitorder="little")
        yield bits[start % 8 : start % 8 + size].reshape(int(dataset.Rows), int(dataset.Columns))


def _numbers(dataset: Any) -> list[int]:
    """The segment of each frame."""
    return [
        int(_group(dataset, frame, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]


def _group(dataset: Any, frame: Any, name: str) -> Any:
    """A functional group of a frame, its own or the one that all share. Raises: AttributeError where there is none."""
    if name in frame:
        return frame[name][0]
    return getattr(dataset.SharedFunctionalGroupsSequence[0], name)[0]


def _stack(dataset: Any, path: Path) -> Stack:
    frames = dataset.PerFrameFunctionalGroupsSequence
    try:
        places = np.array([_group(dataset, each, "PlanePositionSequence").ImagePositionPatient for each in frames], np.float64)
        ways = np.array(
            [_group(dataset, each, "PlaneOrientationSequence").ImageOrientationPatient for each in frames], np.float64
        )
        measures = [_group(dataset, each, "PixelMeasuresSequence") for each in frames]
    except (AttributeError, KeyError) as error:
        what = f"The {KIND} does not say where its frames lie in the patient"
        raise MaskError(what, value=path, todo="use one that was drawn on a series of slices") from error
    sizes = np.array([each.PixelSpacing for each in measures], np.float64)
    if np.ptp(ways, axis=0).max() > 1e-3 or np.ptp(sizes, axis=0).max() > 1e-3:
        raise MaskError(f"The frames of the {KIND} differ in direction or spacing", value=path, todo="export one stack")
    along_row, along_column = ways[0].reshape(2, 3)
    normal = np.cross(along_row, along_column)
    stated = [float(measures[0].get(name) or 0) for name in ("SpacingBetweenSlices", "SliceThickness")]
    planes, step, start = _planes(places, normal, [*stated, float(sizes[0].max())], path)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([step, along_column * sizes[0][0], along_row * sizes[0][1]], axis=1)
    matrix[:3, 3] = start
    return Stack(planes, matrix)


def _planes(
    places: NDArray[np.float64], normal: NDArray[np.float64], stated: list[float], path: Path
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The slice of each frame, the step from slice to slice, and where the first lies (each (3,), LPS mm).

    Frames without a label are often left out: the step is the stated one, or else the smallest distance of two frames or a part
    of it, whichever leads to every frame.

    Args:
        stated: mm between slices, thickness, and what to take for one slice where neither is known; 0 where unknown.
    """
    heights = places @ normal - (places @ normal).min()
    first, last = places[heights.argmin()], places[heights.argmax()]
    gaps = np.diff(np.sort(heights))
    if not (gaps > SAME_MM).any():
        return np.zeros(len(places), np.int64), normal * next(step for step in stated if step > 0), first
    gap, length = float(gaps[gaps > SAME_MM].min()), float(heights.max())
    step = next((step for step in (stated[0], gap, gap / 2, gap / 3, stated[1]) if _fits(heights, step)), gap)
    planes = np.rint(heights / length * round(length / step)).astype(np.int64)
    along = (last - first) / planes.max()
    if np.abs(places - (first + planes[:, None] * along)).max() > UNEVEN * step:
        raise MaskError(f"The frames of the {KIND} are unevenly spaced", value=path, todo="export one even stack")
    return planes, along, first


def _fits(heights: NDArray[np.float64], step: float) -> bool:
    """Whether every frame lies a whole number of steps above the first."""
    if step <= SAME_MM:
        return False
    return bool(np.abs(heights / step - np.rint(heights / step)).max() <= UNEVEN)
