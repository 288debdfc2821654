"""Reading NIfTI files as volumes: slices in display order, where they lie in the patient, labels or grey values."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.grey import to_pixels
from core.data.grid import Axes, Grid, axes_of, in_display_order
from core.data.masks import to_labels
from core.data.readers.nifti_header import Place, Unusable, place_of
from core.data.volume import LabelVolume, Volume
from core.errors import ImageError, InputError, MaskError

SUFFIXES = (".nii", ".nii.gz")
LONGEST_SIDE = 32_767
"""Voxels along one axis; NIfTI-1 can state no more."""
MAX_VOXELS = 2**30
"""Largest volume that is read; 512×512×1,000 has a quarter of that."""
MOST_DEFLATED = 1032
"""Bytes that one of a deflated stream can unpack to (zlib's technical details)."""
HEADER_BYTES = {348: 1, 540: 2}
"""Version of the format by the header's size, which is its first number."""
NO_DISTANCES = "The axes are not at right angles (sheared), so distances are not measured."


class Stored(NamedTuple):
    """A file as it was read."""

    voxels: NDArray[Any]
    """(Z, H, W) in display order, scaled as the header says."""
    grid: Grid
    notes: tuple[str, ...]
    axes: Axes


def is_nifti(path: Path) -> bool:
    """Whether the name ends as NIfTI's do, in any case."""
    return path.name.lower().endswith(SUFFIXES)


def stem_of(path: Path) -> str:
    """The file's name without ``.nii`` or ``.nii.gz``, in any case."""
    return path.name[: -len(".nii.gz")] if path.name.lower().endswith(".gz") else path.name[: -len(".nii")]


def read_nifti_image(path: Path, *, max_voxels: int = MAX_VOXELS) -> Volume:
    """Read a picture; see `read_stored`, whose errors are `ImageError` here.

    Raises:
        ImageError: also where no voxel holds a finite number.
    """
    stored = read_stored(path, ImageError, max_voxels=max_voxels)
    pixels, grey, remarks = to_pixels(stored.voxels)
    if grey.non_finite == pixels.size:
        raise ImageError("The volume holds no finite number", value=path, todo="export it again")
    return Volume(pixels, stored.grid, grey, (*stored.notes, *remarks), axes=stored.axes)


def read_nifti_labels(path: Path, *, max_voxels: int = MAX_VOXELS) -> LabelVolume:
    """Read a label map; see `read_stored`, whose errors are `MaskError` here, and `core.data.masks.to_labels`."""
    stored = read_stored(path, MaskError, max_voxels=max_voxels)
    return LabelVolume(to_labels(stored.voxels, path), stored.grid, notes=stored.notes)


def check_nifti(path: Path, kind: type[InputError], *, max_voxels: int = MAX_VOXELS) -> None:
    """Read the header alone, and raise what `read_stored` would raise for it."""
    with _in_a_sentence(path, kind), _opened(path) as stream:
        _start(path, stream, kind, max_voxels)


def read_stored(path: Path, kind: type[InputError], *, max_voxels: int = MAX_VOXELS) -> Stored:
    """Read one volume of numbers, in display order.

    Args:
        kind: of error.
        max_voxels: a file whose header states more is refused before anything is unpacked.

    Raises:
        InputError: of that kind: the file is damaged or no NIfTI, holds something other than one volume of numbers, or its
            header states a place or distances that cannot be.
    """
    with _in_a_sentence(path, kind), _opened(path) as stream:
        header, shape, place = _start(path, stream, kind, max_voxels)
        voxels = _voxels(header, shape, stream)
    turned = in_display_order(voxels, place.matrix)
    grid = Grid.of(turned.matrix, place.origin)
    sheared = (NO_DISTANCES,) if place.stated and grid.sheared else ()
    if not place.stated:
        grid = Grid(None, grid.spacing_mm if place.spaced else None, place.origin)
    return Stored(turned.voxels, grid, (*place.notes, *sheared), axes_of(place.matrix[:, [2, 1, 0, 3]], turned.matrix))


@contextmanager
def _in_a_sentence(path: Path, kind: type[InputError]) -> Iterator[None]:
    from nibabel.spatialimages import HeaderDataError

    try:
        yield
    except FileNotFoundError as error:
        raise kind("The volume does not exist", value=path, todo="check the path") from error
    except Unusable as error:
        raise kind(str(error), value=path, todo="export it again with its spacing") from error
    except (HeaderDataError, OSError, EOFError, zlib.error, ValueError, KeyError, MemoryError) as error:
        raise kind("The volume is damaged or no NIfTI file", value=path, todo="export or copy it again") from error


def _opened(path: Path) -> Any:
    """The file, unpacked where its first bytes are gzip's, whatever its name."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _start(path: Path, stream: Any, kind: type[InputError], max_voxels: int) -> tuple[Any, tuple[int, ...], Place]:
    """The header, the volume's three sides and its place."""
    header = _header(stream.read(max(HEADER_BYTES)))
    shape = tuple(int(side) for side in header.get_data_shape())
    _check_shape(path, shape, kind, max_voxels)
    if header.get_data_dtype().kind not in "biuf":
        raise kind("The volume holds no plain numbers", value=path, todo="export one number a voxel")
    packed = MOST_DEFLATED if isinstance(stream, gzip.GzipFile) else 1
    if math.prod(shape) * header.get_data_dtype().itemsize > packed * path.stat().st_size:
        raise EOFError  # before room is made for all that the header states
    return header, shape[:3], place_of(header, shape[:3])


def _voxels(header: Any, shape: tuple[int, ...], stream: Any) -> NDArray[Any]:
    from nibabel.volumeutils import apply_read_scaling, array_from_file

    first = max(int(header["vox_offset"]), header.single_vox_offset)
    stored = array_from_file(shape, header.get_data_dtype(), stream, first, mmap=False)
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        return stored
    voxels: NDArray[Any] = apply_read_scaling(stored, slope, inter if np.isfinite(inter) else 0.0)
    return voxels


def _header(start: bytes) -> Any:
    """The header of a single file, in either version and byte order. Raises: ValueError where it is none."""
    import nibabel as nib

    sizes = {int.from_bytes(start[:4], order): order for order in ("little", "big")}
    size = next((size for size in HEADER_BYTES if size in sizes and len(start) >= size), None)
    if size is None:
        raise ValueError("no NIfTI header")
    kinds: Any = {1: nib.Nifti1Header, 2: nib.Nifti2Header}
    # Unchecked, since nibabel's check mends a distance of 0 to 1 mm.
    header = kinds[HEADER_BYTES[size]](start[:size], check=False)
    if bytes(header["magic"].item())[:3] not in (b"n+1", b"n+2"):
        raise ValueError("another format, or the header of a pair of files")
    return header


def _check_shape(path: Path, shape: tuple[int, ...], kind: type[InputError], max_voxels: int) -> None:
    size = "×".join(map(str, shape))
    if len(shape) < 3 or min(shape) < 1 or any(side != 1 for side in shape[3:]):
        raise kind(f"The file holds no single 3D volume ({size})", value=path, todo="export one volume a file")
    if np.prod(shape, dtype=np.float64) > max_voxels or max(shape) > LONGEST_SIDE:
        raise kind(f"The volume is too large ({size})", value=path, todo=f"use at most {max_voxels:,} voxels")
