"""Pictures that belong together, as slices: in grey, in the order of their numbers where their names make them one scan."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from core.data.grid import Spacing
from core.data.identity import SLICE_SPACING_MM
from core.data.images import Pixels, check_picture, decode, is_grey, to_grey
from core.errors import DatasetError, ImageError

KAGGLE_NAME = re.compile(r"slice_(?P<slice>\d+)_\d+_\d+_(?P<y>\d+(?:\.\d+)?)_(?P<x>\d+(?:\.\d+)?)")
"""The competition's names state the pixels' size."""


@dataclass(frozen=True)
class Pictures:
    """Several pictures, in order."""

    slices: tuple[Pixels, ...]
    """(H, W) uint8 or uint16 each; of one size and depth where they are a scan."""
    names: tuple[str, ...]
    """Their files' names."""
    numbers: tuple[int, ...] | None
    """Of the slices in their scan, ascending; nothing where they are no scan."""
    spacing_mm: Spacing | None
    """Distance of voxel centres (z, y, x), where the names state it."""
    colours: tuple[bool, ...]
    """Which came in colour."""
    notes: tuple[str, ...]
    """What people should know of how they were read."""


def read_pictures(paths: Sequence[Path], title: str, *, max_pixels: int, in_folders: bool) -> Pictures:
    """Read pictures as `core.data.images.read_image` does, after checks that only uploads need.

    Args:
        title: what an error calls them.
        max_pixels: over several pictures.
        in_folders: whether their folders are part of their names; Gradio puts each uploaded file into one of its own.

    Raises:
        ImageError: a picture that cannot be used.
        DatasetError: too many pixels together.
    """
    total = 0
    for path in paths:
        height, width = check_picture(path)
        total += height * width
        if total > max_pixels and len(paths) > 1:
            raise DatasetError("The pictures are too large together", value=title, todo=f"use at most {max_pixels:,} pixels")
    grey, in_colour, turned = zip(*map(_decoded, paths), strict=True)
    numbers = _one_scan(paths, grey, in_folders)
    order = np.argsort(numbers) if numbers else range(len(paths))
    return Pictures(
        tuple(grey[i] for i in order),
        tuple(paths[i].name for i in order),
        tuple(sorted(numbers)) if numbers else None,
        _named_spacing(paths),
        tuple(in_colour[i] for i in order),
        ("The file says to show the picture turned (EXIF); it was segmented as it is stored.",) if any(turned) else (),
    )


def read_picture(path: Path) -> Pixels:
    """One picture as it is read of several, (H, W) uint8 or uint16. Raises: ImageError, see `read_pictures`."""
    check_picture(path)
    return _decoded(path)[0]


def _decoded(path: Path) -> tuple[Pixels, bool, bool]:
    """The picture in grey, whether it came in colour, and whether its file asks to turn it."""
    turned = _check_frames(path)
    pixels = decode(path)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError("The picture holds values that are no numbers", value=path, todo="export it as 8- or 16-bit PNG")
    return to_grey(pixels), not is_grey(pixels), turned


def _check_frames(path: Path) -> bool:
    """Refuse several frames; return whether the file asks for the picture to be turned."""
    try:
        with Image.open(path) as picture:
            frames = getattr(picture, "n_frames", 1)
            if frames > 1 and picture.format != "MPO":
                todo = "export one slice a file, or a zip of slices"
                raise ImageError(f"The file holds {frames} pictures", value=path, todo=todo)
            return picture.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
    except OSError as error:  # the picture is read where it holds no EXIF
        raise ImageError("The picture is damaged", value=path, todo="export or copy it again") from error


def _one_scan(paths: Sequence[Path], pictures: Sequence[Pixels], in_folders: bool) -> list[int] | None:
    """The slices' numbers if the pictures are one scan: alike in size and depth, and in name but for the slice's number."""
    if len(paths) < 2 or len({(picture.shape, picture.dtype) for picture in pictures}) > 1:
        return None
    matches = [KAGGLE_NAME.fullmatch(path.stem) or _last_number(path.stem) for path in paths]
    if not all(matches):
        return None
    folders = [path.parent if in_folders else None for path in paths]
    scans = {(folder, match.groupdict().get("scan")) for folder, match in zip(folders, matches, strict=True) if match}
    numbers = [int(match["slice"]) for match in matches if match]
    return numbers if len(scans) == 1 and len(set(numbers)) == len(numbers) else None


def _last_number(stem: str) -> re.Match[str] | None:
    return re.fullmatch(r"(?P<scan>.*?)(?P<slice>\d{1,9})", stem)


def _named_spacing(paths: Sequence[Path]) -> Spacing | None:
    sizes = {(match["y"], match["x"]) if (match := KAGGLE_NAME.fullmatch(path.stem)) else None for path in paths}
    stated = sizes.pop() if len(sizes) == 1 else None
    if stated is None or min(map(float, stated)) <= 0:
        return None
    return SLICE_SPACING_MM, float(stated[0]), float(stated[1])
