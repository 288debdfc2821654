"""Files of any kind, sorted: pictures, NIfTI volumes, DICOM, and what is none of these."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.data.identity import natural_key
from core.data.images import MIN_SIDE, SUFFIXES
from core.data.readers.dicom_files import is_dicom
from core.data.readers.nifti import is_nifti
from core.data.volume import Volume
from core.errors import DatasetError, ImageError


@dataclass(frozen=True)
class Sorted:
    """Files by what they are, each in the order of their names."""

    pictures: tuple[Path, ...] = ()
    """By their names' endings."""
    volumes: tuple[Path, ...] = ()
    dicom: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()


def sort_files(paths: Iterable[Path]) -> Sorted:
    """Sort files by kind; DICOM is known by its first bytes, the others by their names' endings in any case."""
    found: dict[str, list[Path]] = {"pictures": [], "volumes": [], "dicom": [], "others": []}
    for path in sorted(paths, key=lambda path: natural_key(path.as_posix())):
        found[_kind(path)].append(path)
    return Sorted(**{kind: tuple(files) for kind, files in found.items()})


def _kind(path: Path) -> str:
    if is_nifti(path):
        return "volumes"
    if is_dicom(path):
        return "dicom"
    return "pictures" if path.suffix.lower() in SUFFIXES else "others"


def below(folder: Path) -> list[Path]:
    """The files of a folder and of all below it, but for hidden ones and what a Mac adds to a zip."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if not any(map(is_clutter, path.relative_to(folder).parts))]


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a Mac's own, such as ``._NAME.png``."""
    return name.startswith((".", "__MACOSX"))


def check_segmentable(volume: Volume, title: object, *, max_slices: int) -> None:
    """Check that the slices of a volume can be segmented.

    Raises:
        ImageError: they are too small.
        DatasetError: they are too many, those missing between others included.
    """
    depth, height, width = volume.pixels.shape
    if min(height, width) < MIN_SIDE:
        what = f"The slices are too small ({width}×{height} pixels)"
        raise ImageError(what, value=title, todo=f"use at least {MIN_SIDE}×{MIN_SIDE} pixels")
    if volume.numbers and volume.numbers[-1] > max_slices >= depth:
        what = f"The slices lie too far apart: {depth} of {volume.numbers[-1]:,} are there"
        raise DatasetError(what, value=title, todo="give one stack of slices")
    if depth > max_slices:
        raise DatasetError(f"The scan has {depth:,} slices", value=title, todo=f"use one with at most {max_slices:,}")
