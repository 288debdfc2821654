"""One scan as people have it: a NIfTI file, a folder of PNG slices, a DICOM file or folder; and its labels likewise."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from core.data.grid import Grid
from core.data.identity import natural_key
from core.data.images import MIN_SIDE, read_image
from core.data.index import png_files
from core.data.readers.dicom import is_dicom, read_series
from core.data.readers.label_files import LabelTable
from core.data.readers.label_png import read_label_png
from core.data.readers.label_volumes import read_labels
from core.data.readers.nifti import is_nifti, read_nifti_image
from core.data.scan import stacked
from core.data.volume import LabelVolume, Volume
from core.errors import DatasetError, ImageError, MaskError


def read_image_volume(path: Path) -> Volume:
    """Read a scan's picture.

    Raises:
        DatasetError: it does not exist, or a folder holds no slices or several series.
        ImageError: it cannot be read, or its slices are too small to be segmented.
    """
    volume = _read_image(path)
    height, width = volume.pixels.shape[1:]
    if min(height, width) < MIN_SIDE:
        todo = f"use slices of at least {MIN_SIDE}×{MIN_SIDE} pixels"
        raise ImageError(f"The slices of the scan are too small ({width}×{height} pixels)", value=path, todo=todo)
    return volume


def _read_image(path: Path) -> Volume:
    if path.is_dir():
        slices = _slices(path)
        if not slices:
            return read_series(path)
        return Volume(stacked(path.name, [read_image(each) for each in slices]), Grid(), numbers=_numbers(slices))
    if not path.exists():
        raise DatasetError("The scan does not exist", value=path, todo="check the path; it counts from the table's folder")
    if is_nifti(path):
        return read_nifti_image(path)
    if is_dicom(path):
        return read_series([path])
    raise ImageError("The file is no scan that can be read", value=path, todo="give NIfTI, DICOM or a folder of PNG slices")


def read_label_volume(path: Path, volume: Volume, table: LabelTable) -> LabelVolume:
    """Read a scan's labels, as the file has them.

    Args:
        volume: of the scan, which structure sets are drawn on.
        table: says whether pictures are read by colour.

    Raises:
        MaskError: they cannot be read.
        DatasetError: they do not exist.
    """
    if path.is_dir():
        slices = _slices(path)
        if not slices or len(slices) != len(volume.pixels):
            what = f"The folder holds {len(slices)} PNG label maps for {len(volume.pixels)} slices"
            raise MaskError(what, value=path, todo="give one for each slice")
        return LabelVolume(stacked(path.name, [read_label_png(each, table) for each in slices]), Grid())
    if not path.exists():
        raise DatasetError("The reference does not exist", value=path, todo="check the path; it counts from the table's folder")
    return read_labels(path, volume.grid, volume.pixels.shape)


def _slices(folder: Path) -> list[Path]:
    """The PNG files of a folder in the order of the numbers in their names; none where it holds other files."""
    if not any(path.suffix.lower() == ".png" for path in folder.iterdir()):
        return []
    files = png_files(folder)
    return [files[stem] for stem in sorted(files, key=natural_key)]


def _numbers(slices: Sequence[Path]) -> tuple[int, ...]:
    """Of the slices, from 1, where the last numbers in their names say that some are missing between them."""
    found = [int(digits[-1]) for path in slices if (digits := re.findall(r"\d+", path.stem))]
    steps = {later - earlier for earlier, later in pairwise(found)}
    whole = len(found) < len(slices) or steps <= {1} or min(steps) < 1
    return () if whole else tuple(number - found[0] + 1 for number in found)
