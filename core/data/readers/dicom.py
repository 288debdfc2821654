"""One DICOM series as a volume: pixels, order and spacing. No other tag is looked at, kept or logged."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.readers.nifti import NiftiVolume, in_slice_order
from core.errors import DatasetError, ImageError

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
UNEVEN = 0.1
"""Gaps between slices may differ by this share of their median before it is said; rounded positions differ by less."""
DEFLATED = "1.2.840.10008.1.2.1.99"
"""Transfer syntax in which a small file can unpack to any size, before its header is known."""
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM leads to the left and the back (PS3.3 C.7.6.2.1.1), NIfTI to the right and the front."""


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's mark behind its preamble (PS3.10, 7.1)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@dataclass(frozen=True)
class Series:
    """A series as a volume."""

    volume: NiftiVolume
    """Its ``stated`` tells whether the headers say where the slices lie."""
    spaced: bool
    """Whether they say how far the slices are apart."""
    notes: tuple[str, ...]
    """What people should know of how it was read."""


def read_series(paths: Sequence[Path], *, max_pixels: int) -> Series:
    """Read one series, ordered by where its slices lie, in the order of our slices.

    Raises:
        DatasetError: several series, slices that differ in size or direction, or two in one place.
        ImageError: a file that is damaged, holds no single grey picture, or is compressed in a way that cannot be read here.
    """
    # Its warnings quote values of tags, and those can be a patient's.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers = {path: _read(path, pixels=False) for path in paths}
        _check_series(paths, headers)
        first = headers[paths[0]]
        if len(paths) * int(first.Rows) * int(first.Columns) > max_pixels:
            raise DatasetError("The series is too large", value=f"{len(paths)} slices", todo=f"use at most {max_pixels:,} pixels")
        ordered, affine, notes = _placed(headers)
        planes = np.stack([_pixels(path) for path in ordered])
        if first.get("PhotometricInterpretation") == "MONOCHROME1":
            planes = planes.max() - planes
        spaced = _slice_step(first) is not None and "PixelSpacing" in first
    stated = affine is not None
    if affine is None:
        down, right = (float(value) for value in first.get("PixelSpacing") or (1, 1))
        # As read_nifti takes such a volume: columns to the left, rows to the back, slices to the feet.
        affine = np.diag([-right, -down, -(_slice_step(first) or 1.0), 1.0])
    volume = in_slice_order(paths[0], planes.transpose(2, 1, 0), affine, stated=stated)
    return Series(volume, spaced or (stated and len(ordered) > 1), notes)


def _read(path: Path, *, pixels: bool) -> Any:
    import pydicom

    try:
        if pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == DEFLATED:
            raise ImageError("The DICOM file is deflated", value=path, todo="export it uncompressed")
        with path.open("rb") as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=not pixels)
            # Values are parsed when they are asked for.
            for name in (*GEOMETRY, "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "SeriesInstanceUID"):
                dataset.get(name)
            return dataset
    except ImageError:
        raise
    except Exception as error:  # a damaged file raises many kinds in pydicom
        raise ImageError("The DICOM file is damaged", value=path, todo="export it again") from error


def _check_series(paths: Sequence[Path], headers: dict[Path, Any]) -> None:
    series = {str(header.get("SeriesInstanceUID")) for header in headers.values()}
    if len(series) > 1:
        raise DatasetError(
            f"The files belong to {len(series)} DICOM series", value=f"{len(paths)} files", todo="upload one series"
        )
    for path, header in headers.items():
        frames, samples = int(header.get("NumberOfFrames") or 1), int(header.get("SamplesPerPixel") or 0)
        if not header.get("Rows") or not header.get("Columns") or samples == 0:
            raise ImageError("The DICOM file holds no picture", value=path, todo="upload the series' image files")
        if frames > 1 or samples > 1:
            what = f"The DICOM file holds {frames} frames" if frames > 1 else "The DICOM file is in colour"
            raise ImageError(what, value=path, todo="export one grey slice a file")
    sizes = {(int(header.Rows), int(header.Columns)) for header in headers.values()}
    directions = {tuple(np.round(header.get("ImageOrientationPatient") or [0], 3).tolist()) for header in headers.values()}
    if len(sizes) > 1 or len(directions) > 1:
        what = "size" if len(sizes) > 1 else "direction"
        raise DatasetError(
            f"The slices of the series differ in {what}", value=f"{len(paths)} files", todo="upload one stack of slices"
        )


def _placed(headers: dict[Path, Any]) -> tuple[list[Path], NDArray[np.float64] | None, tuple[str, ...]]:
    try:
        return _order(headers)
    except (TypeError, ValueError) as error:
        what = "The DICOM headers state no usable geometry"
        raise DatasetError(what, value=f"{len(headers)} files", todo="export the series again") from error


def _order(headers: dict[Path, Any]) -> tuple[list[Path], NDArray[np.float64] | None, tuple[str, ...]]:
    """The files in order, the affine of (column, row, slice), and remarks; no affine where the headers state no place."""
    if not all(header.get(name) for header in headers.values() for name in GEOMETRY):
        numbers = {path: int(header.get("InstanceNumber") or 0) for path, header in headers.items()}
        note = "The headers do not state where the slices lie; they are in the order of their instance numbers."
        return sorted(headers, key=lambda path: numbers[path]), None, (note,)
    first = next(iter(headers.values()))
    along_row, along_column = np.array(first.ImageOrientationPatient, np.float64).reshape(2, 3)
    normal = np.cross(along_row, along_column)
    places = {path: np.array(header.ImagePositionPatient, np.float64) for path, header in headers.items()}
    ordered = sorted(headers, key=lambda path: float(places[path] @ normal))
    steps = np.diff([places[path] @ normal for path in ordered])
    if len(steps) and steps.min() <= 1e-3:
        todo = "upload one stack: one echo, one time point"
        raise DatasetError("Two slices of the series lie in one place", value=f"{len(ordered)} files", todo=todo)
    step = float(np.median(steps)) if len(steps) else _slice_step(first) or 1.0
    down, right = (float(value) for value in first.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = along_row * right, along_column * down, normal * step
    affine[:3, 3] = places[ordered[0]]
    return ordered, TO_RAS @ affine, _remarks(steps, normal)


def _remarks(steps: NDArray[np.float64], normal: NDArray[np.float64]) -> tuple[str, ...]:
    remarks = []
    if len(steps) and np.ptp(steps) > UNEVEN * np.median(steps):
        remarks.append("The slices are unevenly spaced, so some may be missing; volumes in ml are then wrong.")
    if np.abs(normal).argmax() != 2:
        remarks.append("The series is not axial; axial slices were cut from it.")
    return tuple(remarks)


def _slice_step(header: Any) -> float | None:
    stated = header.get("SpacingBetweenSlices") or header.get("SliceThickness")
    return float(stated) if stated else None


def _pixels(path: Path) -> NDArray[Any]:
    """Stored values under the modality's rescaling, (H, W)."""
    from pydicom.pixels.processing import apply_modality_lut

    dataset = _read(path, pixels=True)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    try:
        values: NDArray[Any] = np.asarray(apply_modality_lut(dataset.pixel_array, dataset))
    except Exception as error:  # a missing decoder and damaged data each raise several kinds
        if syntax is not None and syntax.is_compressed:
            what = f"The DICOM file's compression cannot be read here ({syntax.name})"
            raise ImageError(what, value=path, todo="export it uncompressed") from error
        raise ImageError("The DICOM file is damaged", value=path, todo="export it again") from error
    if values.ndim != 2:
        raise ImageError("The DICOM file holds no single grey picture", value=path, todo="export one grey slice a file")
    return values
