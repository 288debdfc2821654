"""What DICOM segmentations and structure sets share: opening the file, structures that overlap, and laying labels on a scan."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Grid
from core.data.volume import LabelVolume
from core.errors import GutCheckError, MaskError
from core.labels import ORGANS

DEFLATED = "1.2.840.10008.1.2.1.99"
"""Transfer syntax in which a small file can unpack to any size, before its header is known."""
COLON = "71854001"
"""SNOMED CT code of the colon, under which others store the large bowel."""
MAX_VOXELS = 2**30
"""Largest volume that is made; 512×512×1,000 has a quarter of that."""
OFF_VOXEL = 0.2
"""Voxels by which labels may lie beside a scan's; more is another grid."""


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever the library raises over a file into one sentence; its warnings, which quote tags, are not shown.

    Args:
        kind: what the file is, such as ``DICOM segmentation``.

    Raises:
        MaskError: missing, damaged, or not of that kind.
    """
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GutCheckError:
        raise
    except FileNotFoundError as error:
        raise MaskError(f"The {kind} does not exist", value=path, todo="check the path") from error
    except Exception as error:  # a damaged file raises many kinds in pydicom
        raise MaskError(f"The {kind} is damaged", value=path, todo="export it again") from error


def open_dicom(path: Path, classes: tuple[str, ...], kind: str) -> Any:
    """The data set of a DICOM file of one of these SOP classes.

    Raises:
        MaskError: no DICOM, deflated, or of another class.
    """
    import pydicom

    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DEFLATED:
            raise MaskError(f"The {kind} is deflated", value=path, todo="export it uncompressed")
        dataset = pydicom.dcmread(path)
    except pydicom.errors.InvalidDicomError as error:
        raise MaskError(f"This is no {kind}", value=path, todo="export it again") from error
    if dataset.get("SOPClassUID") not in classes:
        raise MaskError(f"This is no {kind}", value=path, todo="choose a file of that kind")
    return dataset


def referenced_series(path: Path) -> str:
    """UID of the series that a segmentation or structure set was drawn on; empty where the file does not say.

    Raises:
        MaskError: damaged, or no DICOM file.
    """
    import pydicom

    with reading(path, "DICOM file"):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        found = [str(each.SeriesInstanceUID) for each in dataset.get("ReferencedSeriesSequence") or ()]
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
            for study in frame.get("RTReferencedStudySequence") or ():
                found += [str(each.SeriesInstanceUID) for each in study.get("RTReferencedSeriesSequence") or ()]
    return found[0] if found else ""


def organ_name(said: str, codes: tuple[str, ...] = ()) -> str:
    """What a structure is called: the name in the file, or ours where only its SNOMED code tells what it is."""
    known = {word.lower() for organ in ORGANS for word in (organ.name, organ.title, organ.tg263)}
    if said.strip().lower() in known:
        return said.strip()
    by_code = {organ.snomed: organ.name for organ in ORGANS} | {COLON: "large_bowel"}
    return next((by_code[code] for code in codes if code in by_code), said.strip())


def merged(claims: Mapping[int, NDArray[np.int64]], shape: tuple[int, ...]) -> tuple[NDArray[Any], int]:
    """One label map of structures that may overlap; the smaller gets what several claim, of equal ones the lower number.

    Args:
        claims: by label, flat indices of its voxels, each once.
        shape: (Z, H, W).

    Returns:
        (Z, H, W) uint8 or uint16, and the number of contested voxels.
    """
    labels = np.zeros(int(np.prod(shape)), np.uint8 if max(claims, default=0) < 256 else np.uint16)
    taken = np.zeros(labels.size, np.uint8)
    for label, voxels in sorted(claims.items(), key=lambda item: (-item[1].size, -item[0])):
        labels[voxels] = label
        taken[voxels] = np.minimum(taken[voxels] + 1, 2)
    return labels.reshape(shape), int((taken > 1).sum())


def placed_on(volume: LabelVolume, grid: Grid, shape: tuple[int, ...], path: Path) -> LabelVolume:
    """The labels on the voxels of a scan: turned, moved and padded with background as the affines say, never resampled.

    Args:
        grid: of the scan, with an affine.
        shape: (Z, H, W) of the scan.
        path: to name in a sentence.

    Raises:
        MaskError: the two grids have no voxels in common places.
    """
    voxels, change = _spread(volume.labels, np.linalg.inv(grid.matrix) @ volume.grid.matrix)
    turn = np.rint(change[:3, :3])
    signed = (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()
    ends = np.array(np.meshgrid(*((0, side - 1) for side in voxels.shape))).reshape(3, -1)
    there, start = change[:3, :3] @ ends + change[:3, 3:], np.rint(change[:3, 3])
    if not signed or np.abs(there - (turn @ ends + start[:, None])).max() > OFF_VOXEL:
        what = "The label map does not lie on the scan's voxels"
        raise MaskError(what, value=path, todo="export it on the grid of that series")
    order = [int(np.abs(row).argmax()) for row in turn]
    flips = tuple(slice(None, None, int(row.sum())) for row in turn)
    first = (turn @ ends + start[:, None]).min(axis=1).astype(int)
    turned = voxels.transpose(order)[flips]
    laid = np.zeros(shape, volume.labels.dtype)
    low = np.maximum(first, 0)
    high = np.maximum(np.minimum(first + turned.shape, shape), low)
    inside = turned[tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))]
    laid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    lost = int(np.count_nonzero(turned)) - int(np.count_nonzero(inside))
    notes = (*volume.notes, f"{lost:,} labelled voxels lie outside the scan and were left out.") if lost else volume.notes
    return LabelVolume(laid, grid, volume.names, notes, volume.contested_pixels)


def _spread(voxels: NDArray[Any], change: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Put background where a step of the labels is several of the scan's: slices between were left out.

    An axis with a single voxel has no step of its own, so it takes the scan's.

    Args:
        change: (4, 4), from the labels' voxels to the scan's.
    """
    change = change.copy()
    for axis, step in enumerate(np.linalg.norm(change[:3, :3], axis=0)):
        times = 1 if voxels.shape[axis] == 1 else max(int(np.rint(step)), 1)
        if voxels.shape[axis] == 1:
            change[:3, axis] /= step
        elif 1 < times < MAX_VOXELS / voxels.size:
            shape = list(voxels.shape)
            shape[axis] = (shape[axis] - 1) * times + 1
            wide = np.zeros(shape, voxels.dtype)
            wide[(slice(None),) * axis + (slice(None, None, times),)] = voxels
            voxels, change[:3, axis] = wide, change[:3, axis] / times
    return voxels, change
