"""Label maps: PNG files of class ids, the competition's run lengths, and compressed volumes."""

import io
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from PIL import Image

from core.data.images import check_picture, decode, is_grey, to_grey
from core.errors import ImageError, MaskError
from core.labels import NUM_CLASSES
from core.storage.files import write_whole

LabelMap = NDArray[np.uint8]
VOLUME_SUFFIX = ".npy.zst"
MAX_LABEL = 65_535
NEARLY_WHOLE = 1e-3
LOSSY = ("JPEG", "MPO", "JPEG2000")
FEW_BITS = {bytes((1, 0)): 255, bytes((2, 0)): 85, bytes((4, 0)): 17}
"""Factor by which decoders stretch grey pixels of 1, 2 and 4 bits, by a PNG's bits and colour type."""
MAX_VOLUME_BYTES = 2**31
"""Largest label volume that is unpacked; 144 slices of 360×310 are 16 MB."""


def read_mask(path: Path, *, shape: tuple[int, int] | None = None) -> LabelMap:
    """Read a PNG of class ids: (H, W) uint8, values 0 to 3.

    Args:
        shape: (height, width) that the image has; checked when given.

    Raises:
        MaskError: see `decode_labels`; or in colour, of another size, of more than 8 bits, or with a class that is not in the
            table.
    """
    try:
        mask = decode_labels(path)
    except MaskError as error:
        raise MaskError(f"Mask: {error.what}", value=path, todo=error.todo) from error
    if mask.dtype != np.uint8 or not is_grey(mask):
        # Turning colours to grey could round a class to background unseen.
        kind = "is in colour" if mask.dtype == np.uint8 else f"has {mask.dtype.itemsize * 8} bits a pixel"
        raise MaskError(f"A mask {kind}", value=path, todo="export class ids as one channel of 8 bits")
    return check_label_map(to_grey(mask), source=path, shape=shape)


def decode_labels(path: Path, *, colours: bool = False) -> NDArray[Any]:
    """Decode a picture of labels without touching them: a palette's indices, not its colours, and 1, 2 or 4 bits as stored.

    Args:
        colours: take a palette's colours, and grey as it is shown.

    Returns:
        (H, W), or (H, W, 3 or 4) in BGR order, 8 or 16 bits.

    Raises:
        MaskError: unreadable, or of a kind that changes labels (JPEG, lossy WebP).
    """
    try:
        check_picture(path)
        with Image.open(path) as picture:
            _check_exact(path, picture.format or "")
            if picture.mode in ("P", "1") and not colours:
                return np.asarray(picture).astype(np.uint8)
        labels = decode(path)
    except ImageError as error:
        raise MaskError(error.what, value=path, todo=error.todo) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise MaskError("The picture is damaged", value=path, todo="export or copy it again") from error
    few = labels.ndim == 2 and labels.dtype == np.uint8 and not colours
    return labels // np.uint8(FEW_BITS.get(_png_kind(path), 1)) if few else labels


def _check_exact(path: Path, kind: str) -> None:
    lossy = kind in LOSSY or (kind == "WEBP" and b"VP8L" not in path.read_bytes()[:64])
    if lossy:
        what = f"The label map is a {'JPEG' if kind in LOSSY else 'lossy WebP'} file, which changes labels"
        raise MaskError(what, value=path, todo="export it again as PNG")


def _png_kind(path: Path) -> bytes:
    """Bits and colour type in a PNG's header (PNG specification, 11.2.1); no more than that."""
    with path.open("rb") as file:
        return file.read(26)[24:]


def to_labels(values: NDArray[Any], path: object) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Numbers of any kind as labels: those within a thousandth of a whole number are that number.

    Scale factors such as 3/255 leave labels a little off.

    Raises:
        MaskError: no number, between whole numbers, or outside 0 to 65,535; ``path`` is named.
    """
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            what = f"A label map holds voxels that are no number ({int(np.isnan(values).sum()):,})"
            raise MaskError(what, value=path, todo="export 0 where there is no label")
        values = np.clip(values, -2.0, MAX_LABEL + 2.0)
        whole = np.rint(values)
        if np.abs(values - whole).max(initial=0) > NEARLY_WHOLE:
            todo = "export labels, not probabilities"
            raise MaskError("A label map holds values between whole numbers", value=path, todo=todo)
        values = whole
    if values.size and (values.min() < 0 or values.max() > MAX_LABEL):
        raise MaskError(f"A label map holds labels outside 0 to {MAX_LABEL}", value=path, todo="export labels")
    labels: NDArray[np.uint8] | NDArray[np.uint16]
    labels = values.astype(np.uint8) if values.max(initial=0) <= 255 else values.astype(np.uint16)
    return labels


def check_label_map(mask: NDArray[Any], *, source: object, shape: tuple[int, ...] | None = None) -> LabelMap:
    """Return ``mask`` as uint8 if it has the wanted shape and only known classes.

    Raises:
        MaskError: it does not.
    """
    if shape is not None and mask.shape != shape:
        sizes = f"mask {_size(mask.shape)}, image {_size(shape)}"
        raise MaskError(f"A mask has another size than its image ({sizes})", value=source, todo="export them at one size")
    highest = int(mask.max(initial=0))
    if highest >= NUM_CLASSES:
        todo = f"use class ids 0 to {NUM_CLASSES - 1}"
        raise MaskError(f"A mask holds the unknown class {highest}", value=source, todo=todo)
    return mask.astype(np.uint8, copy=False)


def _size(shape: Sequence[int]) -> str:
    return "×".join(str(side) for side in reversed(shape))


def decode_rle(runs: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode the competition's run lengths: ``start length start length …``, 1-based, row by row.

    Args:
        shape: (height, width) of the slice.

    Raises:
        MaskError: an odd number of values, not numbers, or a run that leaves the slice.
    """
    try:
        values = np.array(runs.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise MaskError("Run lengths hold something that is no number", value=runs[:40], todo="correct the table") from error
    starts, lengths = values[::2] - 1, values[1::2]
    size = shape[0] * shape[1]
    if values.size % 2 or (values < 1).any() or (lengths > size - starts).any():
        todo = f"use pairs of start and length inside {shape[1]}×{shape[0]} pixels"
        raise MaskError("Run lengths do not fit the slice", value=runs[:40], todo=todo)
    steps = np.zeros(size + 1, np.int32)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + lengths, -1)
    return (np.cumsum(steps[:-1]) > 0).reshape(shape)


def encode_rle(mask: NDArray[Any]) -> str:
    """The competition's run lengths of a (H, W) mask's non-zero pixels; the inverse of `decode_rle`."""
    padded = np.concatenate([[0], (mask.ravel() != 0).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(padded))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def merge_organs(organs: dict[int, NDArray[np.bool_]]) -> tuple[LabelMap, int]:
    """Merge one (H, W) mask per class id into a label map; where organs overlap the smaller one wins.

    The smaller organ on this slice is the one that would lose the larger share of itself. Equal areas go to the lower
    class id.

    Returns:
        The label map and the number of contested pixels.
    """
    shape = next(iter(organs.values())).shape
    label_map = np.zeros(shape, np.uint8)
    claims = np.zeros(shape, np.uint8)
    for class_id, mask in sorted(organs.items(), key=lambda item: (-int(item[1].sum()), -item[0])):
        label_map[mask] = class_id
        claims += mask
    return label_map, int((claims > 1).sum())


def write_label_volume(path: Path, volume: LabelMap) -> None:
    """Write a (Z, H, W) uint8 label volume as a zstd-compressed ``.npy``, whole."""
    write_whole(path, pack_label_volume(volume))


def pack_label_volume(volume: LabelMap) -> bytes:
    """The bytes of a ``.npy.zst`` file; the same volume always gives the same bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(volume, np.uint8), version=(1, 0), allow_pickle=False)
    return zstandard.ZstdCompressor(level=9, write_checksum=True).compress(buffer.getvalue())


def read_label_volume(path: Path) -> LabelMap:
    """Read what `write_label_volume` wrote: (Z, H, W) uint8.

    Raises:
        MaskError: missing, damaged, or not a label volume.
    """
    try:
        volume = _unpack(path.read_bytes())
    except FileNotFoundError as error:
        raise MaskError("A predicted mask is missing", value=path, todo="evaluate the run again") from error
    except (OSError, ValueError, MemoryError, TokenError, zstandard.ZstdError) as error:
        raise MaskError("A predicted mask is damaged", value=path, todo="evaluate the run again") from error
    if volume.ndim != 3 or volume.dtype != np.uint8:
        raise MaskError("A predicted mask is no volume", value=path, todo="evaluate the run again")
    return check_label_map(volume, source=path)


def _unpack(packed: bytes) -> NDArray[Any]:
    # A size that the frame states goes before max_output_size, so it needs its own check.
    if zstandard.frame_content_size(packed) > MAX_VOLUME_BYTES:
        raise ValueError("larger than any volume")
    raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_VOLUME_BYTES)
    volume: NDArray[Any] = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
    return volume
