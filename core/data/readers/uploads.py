"""Whatever somebody uploads, sorted into kinds and read as slices: pictures, a zip of them, a NIfTI volume, a DICOM series."""

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.grey import to_pixels
from core.data.grid import Spacing
from core.data.identity import natural_key
from core.data.images import SUFFIXES, Pixels, Window, volume_window
from core.data.readers.archive import unpack
from core.data.readers.dicom import is_dicom, read_series
from core.data.readers.nifti import SUFFIXES as NIFTI_SUFFIXES
from core.data.readers.nifti import NiftiVolume, read_nifti
from core.data.readers.pictures import read_pictures
from core.errors import DatasetError, GutCheckError, ImageError

MAX_SLICES = 1000
"""Slices of one upload; the longest scans of the UW-Madison set have 144."""
MAX_UPLOAD_PIXELS = 2**26
"""Pixels of one upload over all slices (67 million: 256 slices of 512×512), which take about 0.8 GB while they are read."""
MAX_UNPACKED_BYTES = 500_000_000


@dataclass(frozen=True)
class Upload:
    """Slices to be segmented, in order."""

    title: str
    slices: tuple[Pixels, ...]
    """(H, W) uint8 or uint16 each; of one size and depth where they are a scan."""
    names: tuple[str, ...]
    """What each slice is called."""
    numbers: tuple[int, ...]
    """Of the slices in their scan, ascending."""
    is_scan: bool = False
    """Whether the slices are one scan: one grey window, neighbours shown to a model that wants them, volumes in ml."""
    spacing_mm: Spacing | None = None
    """Distance of voxel centres (z, y, x), where the files state it."""
    affine: NDArray[np.float64] | None = None
    """(4, 4), from (column, row, slice) to mm in the patient as NIfTI has it, where the files state it."""
    colours: tuple[bool, ...] = ()
    """Which slices came in colour; nothing where none did."""
    notes: tuple[str, ...] = ()
    """What people should know of how the files were read."""

    @cached_property
    def _scan_window(self) -> Window:
        return volume_window(np.stack(self.slices))

    def window(self, position: int) -> Window:
        """The display window of a slice: its scan's, or its own."""
        return self._scan_window if self.is_scan else volume_window(self.slices[position])

    def grey(self, position: int) -> NDArray[np.uint8]:
        """A slice under its display window, (H, W) uint8."""
        return self.window(position).apply(self.slices[position])

    @property
    def in_colour(self) -> tuple[bool, ...]:
        """For each slice, whether it came in colour."""
        return self.colours or (False,) * len(self.slices)

    @property
    def has_gaps(self) -> bool:
        """Whether slices are missing between those of a scan, so that nobody knows its volumes."""
        return self.is_scan and any(after - before != 1 for before, after in pairwise(self.numbers))

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(image.nbytes for image in self.slices)


def read_upload(paths: Sequence[Path]) -> Upload:
    """Read what was uploaded together.

    Raises:
        GutCheckError: nothing was uploaded, or files that cannot be used; they are named by their file names only.
    """
    try:
        return _read(paths)
    except GutCheckError as error:
        raise _by_name(error) from error


def _by_name(error: GutCheckError) -> GutCheckError:
    # The server's temporary folders are nobody's business, and say nothing to whoever uploaded the file.
    name = error.value.name if isinstance(error.value, Path) else error.value
    return type(error)(error.what, value=name, todo=error.todo)


def _read(paths: Sequence[Path]) -> Upload:
    if not paths:
        raise ImageError("There is no picture yet", todo="choose a slice or one of the examples, then press Segment")
    if len(paths) == 1 and zipfile.is_zipfile(paths[0]):
        return _read_zip(paths[0])
    if any(path.suffix.lower() == ".zip" and zipfile.is_zipfile(path) for path in paths):
        raise DatasetError("There is a zip among several files", value=_title(paths), todo="upload one zip at a time")
    return _read_files(sorted(paths, key=lambda path: natural_key(path.name)), title=_title(paths))


def _title(paths: Sequence[Path]) -> str:
    return paths[0].name if len(paths) == 1 else f"{len(paths)} files"


def _read_zip(path: Path) -> Upload:
    with tempfile.TemporaryDirectory(prefix="gutcheck-zip-") as folder:
        try:
            unpack(path, Path(folder), max_bytes=MAX_UNPACKED_BYTES, max_entries=4 * MAX_SLICES)
        except DatasetError as error:
            mended = {"more than": "upload fewer slices", "encrypted": "zip the slices without a password"}
            todo = next((todo for word, todo in mended.items() if word in error.what), "zip the slices again")
            raise DatasetError(error.what, value=path.name, todo=todo) from error
        files = [path for path in Path(folder).rglob("*") if path.is_file() and not _is_clutter(path.relative_to(folder))]
        chosen = _of_one_kind(files)
        if not chosen:
            todo = "zip PNG slices, one NIfTI volume or one DICOM series"
            raise DatasetError("The zip holds no pictures and no scan", value=path.name, todo=todo)
        left = len(files) - len(chosen)
        chosen.sort(key=lambda path: natural_key(path.relative_to(folder).as_posix()))
        notes = (f"Files in the zip that were left out: {left}.",) if left else ()
        return _read_files(chosen, title=path.name, notes=notes, in_folders=True)


def _is_clutter(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _of_one_kind(paths: Sequence[Path]) -> list[Path]:
    dicom = [path for path in paths if is_dicom(path) and path.name != "DICOMDIR"]
    volumes = [path for path in paths if path.name.lower().endswith(NIFTI_SUFFIXES)]
    return dicom or volumes or [path for path in paths if path.suffix.lower() in SUFFIXES]


def _read_files(paths: Sequence[Path], *, title: str, notes: tuple[str, ...] = (), in_folders: bool = False) -> Upload:
    if len(paths) > MAX_SLICES:
        raise DatasetError(f"There are {len(paths):,} files", value=title, todo=f"upload at most {MAX_SLICES:,} at once")
    volumes = [path for path in paths if path.name.lower().endswith(NIFTI_SUFFIXES)]
    dicom = [path for path in paths if is_dicom(path)]
    if not volumes and not dicom:
        pictures = read_pictures(paths, title, max_pixels=MAX_UPLOAD_PIXELS, in_folders=in_folders)
        numbers, is_scan = pictures.numbers or tuple(range(1, len(paths) + 1)), pictures.numbers is not None
        notes = tuple(dict.fromkeys((*notes, *pictures.notes)))
        return Upload(
            title, pictures.slices, pictures.names, numbers, is_scan, pictures.spacing_mm, colours=pictures.colours, notes=notes
        )
    if len(volumes) == len(paths) == 1:
        volume = read_nifti(paths[0], max_voxels=MAX_UPLOAD_PIXELS)
        return _of_volume(volume, title, (*notes, *_place_notes(volume)))
    if len(dicom) == len(paths):
        series = read_series(paths, max_pixels=MAX_UPLOAD_PIXELS)
        upload = _of_volume(series.volume, title, (*notes, *series.notes))
        return upload if series.spaced else replace(upload, spacing_mm=None, affine=None)
    raise DatasetError("The files are not of one kind", value=title, todo="upload pictures, one volume or one series at a time")


def _place_notes(volume: NiftiVolume) -> tuple[str, ...]:
    return () if volume.stated else ("The file does not state where it lies; its orientation is assumed.",)


def _of_volume(volume: NiftiVolume, title: str, notes: tuple[str, ...]) -> Upload:
    depth, height, width = volume.voxels.shape
    for side in (height, width):
        if side < 16:
            raise ImageError(f"The slices are too small ({width}×{height} pixels)", value=title, todo="use at least 16×16 pixels")
    if depth > MAX_SLICES:
        raise DatasetError(f"The scan has {depth:,} slices", value=title, todo=f"use one with at most {MAX_SLICES:,}")
    (pixels, _, more), numbers = to_pixels(volume.voxels), tuple(range(1, depth + 1))
    names = tuple(f"slice {number}" for number in numbers)
    affine = volume.affine if volume.stated else None
    return Upload(title, tuple(pixels), names, numbers, True, volume.spacing_mm, affine, notes=(*notes, *more))
