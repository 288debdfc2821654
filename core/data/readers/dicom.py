"""One DICOM series as a volume: pixels, and where they lie. Of its other tags none is kept or shown."""

from collections.abc import Sequence
from pathlib import Path

from core.data.grid import axes_of
from core.data.readers.dicom_files import is_dicom, quiet, term, uid
from core.data.readers.dicom_geometry import Plane, differ, planes_of, stack_of
from core.data.readers.dicom_pixels import grey_volume
from core.data.readers.dicom_series import SeriesFiles, find_series
from core.data.volume import DicomSource, Volume
from core.errors import DatasetError

__all__ = ["find_series", "is_dicom", "read_series"]

MAX_SERIES_PIXELS = 2**28
"""Pixels of one series over all slices (268 million: 1,024 slices of 512×512)."""
BURNT_IN = "The files say that text is burnt into their pixels; a name may be legible in them."
ACROSS = "Slices were cut across those of the series, along its axis of largest spacing."


@quiet()
def read_series(source: SeriesFiles | Path | Sequence[Path], *, max_pixels: int = MAX_SERIES_PIXELS) -> Volume:
    """Read one series in display order: a series that was found, or a folder or files that hold exactly one.

    `Volume.dicom` names the instance of each slice; where slices were cut across the series' own, those of the series in
    the order of their places.

    Raises:
        DatasetError: no series or several; slices that differ in size, spacing or direction, or two in one place; too many.
        ImageError: a file that is damaged, lacks what is needed, or is compressed in a way that cannot be read here.
    """
    series = source if isinstance(source, SeriesFiles) else _only(find_series(source), source)
    planes = planes_of(series)
    check_size(planes, max_pixels)
    stack = stack_of(planes)
    pixels, grey, grey_notes = grey_volume(stack.planes)
    pixels, grid, order, way = stack.turned(pixels)
    burnt = any(term(header, "BurnedInAnnotation", ("YES",)) for header in series.headers)
    notes = (*series.notes, *stack.notes, *((ACROSS,) if way == "across" else ()), *grey_notes, *((BURNT_IN,) if burnt else ()))
    kept = stack.planes[::-1] if way == "reversed" else stack.planes
    axes = () if stack.matrix is None else axes_of(stack.matrix, grid.matrix)
    return Volume(pixels, grid, grey, notes, _source(series, kept), order, axes)


def _only(found: list[SeriesFiles], source: Path | Sequence[Path]) -> SeriesFiles:
    if len(found) > 1:
        value = source if isinstance(source, Path) else f"{len(source)} files"
        raise DatasetError(f"The files belong to {len(found)} DICOM series", value=value, todo="give one series")
    return found[0]


def check_size(planes: Sequence[Plane], max_pixels: int) -> tuple[int, int]:
    """(height, width) of the slices, all alike, once it is known that they are not too many.

    Raises:
        DatasetError: they differ, or are too many.
    """
    sizes = {tuple(int((plane.needed(name) or (0.0,))[0]) for name in ("Rows", "Columns")) for plane in planes}
    if len(sizes) != 1:
        raise differ("size", planes)
    ((height, width),) = sizes
    if len(planes) * height * width > max_pixels:
        value = f"{len(planes)} slices of {width}×{height}"
        raise DatasetError("The series is too large", value=value, todo=f"use at most {max_pixels:,} pixels")
    return height, width


def _source(series: SeriesFiles, planes: Sequence[Plane]) -> DicomSource:
    frames = tuple(plane.frame for plane in planes)
    return DicomSource(
        series.study_uid,
        series.uid,
        series.frame_of_reference_uid,
        uid(series.first, "SOPClassUID"),
        tuple(plane.instance_uid for plane in planes),
        frames if any(frames) else (),
        series.modality,
    )
