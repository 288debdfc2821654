"""Whatever somebody uploads, sorted into kinds and read as slices: pictures, a zip of them, a NIfTI volume, a DICOM series."""

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Axes, Grid
from core.data.identity import natural_key
from core.data.images import Pixels, Window, volume_window
from core.data.readers.archive import unpack
from core.data.readers.dicom import read_series
from core.data.readers.kinds import Sorted, below, check_segmentable, sort_files
from core.data.readers.nifti import read_nifti_image
from core.data.readers.pictures import read_pictures
from core.data.volume import Volume
from core.errors import DatasetError, GutCheckError, ImageError

MAX_SLICES = 1000
"""Slices of one upload; the longest scans of the UW-Madison set have 144."""
MAX_UPLOAD_PIXELS = 2**26
"""Pixels of one upload over all slices (67 million: 256 slices of 512×512), which take about 0.8 GB while they are read."""
MAX_UNPACKED_BYTES = 500_000_000
NOWHERE = Grid()


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
    grid: Grid = NOWHERE
    """Where the voxels lie and how far they are apart, as far as the files say; its first slice is number 1."""
    axes: Axes = ()
    """See `core.data.volume.Volume`."""
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
    def partial(self) -> str:
        """Why nobody knows the volume of what is drawn, in words: single slices, or gaps; empty for a whole scan."""
        if not self.is_scan or len(self.slices) < 2:
            return "a single slice has no volume"
        gaps = any(after - before != 1 for before, after in pairwise(self.numbers))
        return "slices are missing, so no volumes" if gaps else ""

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
    # Gradio puts each file into a folder of its own, whose name means nothing.
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
        files = sort_files(below(Path(folder)))
        chosen = files.dicom or files.volumes or files.pictures
        if not chosen:
            todo = "zip PNG slices, one NIfTI volume or one DICOM series"
            raise DatasetError("The zip holds no pictures and no scan", value=path.name, todo=todo)
        left = sum(map(len, (files.pictures, files.volumes, files.dicom, files.others))) - len(chosen)
        notes = (f"Files in the zip that were left out: {left}.",) if left else ()
        return _read_files(chosen, title=path.name, notes=notes, in_folders=True)


def _read_files(paths: Sequence[Path], *, title: str, notes: tuple[str, ...] = (), in_folders: bool = False) -> Upload:
    if len(paths) > MAX_SLICES:
        raise DatasetError(f"There are {len(paths):,} files", value=title, todo=f"upload at most {MAX_SLICES:,} at once")
    files = sort_files(paths)
    if not files.volumes and not files.dicom:
        return _of_pictures(paths, title, notes, in_folders=in_folders)
    return _of_volume(_read_volume(files, len(paths), title), title, notes)


def _read_volume(files: Sorted, count: int, title: str) -> Volume:
    if len(files.dicom) == count:
        return read_series(files.dicom, max_pixels=MAX_UPLOAD_PIXELS)
    if len(files.volumes) < count:
        raise DatasetError(
            "The files are not of one kind", value=title, todo="upload pictures, one volume or one series at a time"
        )
    if count > 1:
        raise DatasetError(f"There are {count} volumes", value=title, todo="upload one at a time, without its label map")
    return read_nifti_image(files.volumes[0], max_voxels=MAX_UPLOAD_PIXELS)


def _of_pictures(paths: Sequence[Path], title: str, notes: tuple[str, ...], *, in_folders: bool) -> Upload:
    found = read_pictures(paths, title, max_pixels=MAX_UPLOAD_PIXELS, in_folders=in_folders)
    numbers, notes = found.numbers or tuple(range(1, len(paths) + 1)), tuple(dict.fromkeys((*notes, *found.notes)))
    grid = Grid(None, found.spacing_mm)
    return Upload(title, found.slices, found.names, numbers, found.numbers is not None, grid, colours=found.colours, notes=notes)


def _of_volume(volume: Volume, title: str, notes: tuple[str, ...]) -> Upload:
    check_segmentable(volume, title, max_slices=MAX_SLICES)
    numbers = volume.numbers or tuple(range(1, len(volume.pixels) + 1))
    names = tuple(f"slice {number}" for number in numbers)
    notes = (*notes, *volume.notes)
    return Upload(title, tuple(volume.pixels), names, numbers, True, volume.grid, volume.axes, notes=notes)
