"""Pixels of DICOM slices: decoded one at a time, rescaled, inverted where they are stored inverted, padding told apart."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.grey import to_pixels
from core.data.images import Pixels
from core.data.readers.dicom_files import numbers, quiet, read_header
from core.data.readers.dicom_geometry import Plane
from core.data.volume import GreyScale
from core.errors import ImageError

RLE = "1.2.840.10008.1.2.5"
"""Transfer syntax that states no size of its own."""
ZERO_SLOPE = "The files state a rescale slope of 0; the stored values were taken as they are."


class _Stored(NamedTuple):
    """One slice as stored, inverted where its file says so."""

    values: NDArray[Any]
    """(H, W)"""
    scale: tuple[float, float]
    """Slope and intercept to the modality's values."""
    padding: tuple[float, float] | None
    """Lowest and highest stored value outside the picture."""
    zero_slope: bool


def grey_volume(planes: Sequence[Plane]) -> tuple[Pixels, GreyScale, tuple[str, ...]]:
    """Decode slices of one size into pixels (Z, H, W), the map to the modality's values, and remarks.

    Raises:
        ImageError: damaged, compressed in a way that cannot be read here, or no grey picture; the file is named.
    """
    stored = _decoded(planes)
    notes = (ZERO_SLOPE,) if any(each.zero_slope for each in stored) else ()
    scales = {each.scale for each in stored}
    (slope, intercept), *others = scales
    if others or slope <= 0 or slope == 1:
        pixels, grey, remarks = to_pixels(*_rescaled(stored))
        return pixels, grey, (*notes, *remarks)
    # One scale for all: the stored values keep all there is, and the scale goes with them.
    pixels, grey, remarks = to_pixels(*_rescaled([each._replace(scale=(1.0, 0.0)) for each in stored]))
    return pixels, replace(grey, slope=slope * grey.slope, intercept=slope * grey.intercept + intercept), (*notes, *remarks)


def _rescaled(stored: Sequence[_Stored]) -> tuple[NDArray[Any], tuple[float, float] | None]:
    """The modality's values (Z, H, W), and the lowest and highest of padding."""
    values = np.stack([_scaled(each.values, each.scale) for each in stored])
    stated = [each.padding and tuple(float(_scaled(np.array(end), each.scale)) for end in each.padding) for each in stored]
    if len(set(stated)) == 1:
        return values, stated[0]  # type: ignore[return-value]
    # Slices that differ in what is padding: all of it gets one value that none has.
    values = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    outside = np.floor(values.min()) - 1
    for plane, ends in zip(values, stated, strict=True):
        if ends:
            plane[(plane >= min(ends)) & (plane <= max(ends))] = outside
    return values, (float(outside), float(outside))


def _scaled(values: NDArray[Any], scale: tuple[float, float]) -> NDArray[Any]:
    slope, intercept = scale
    if scale == (1.0, 0.0):
        return values
    if (
        values.dtype.kind not in "iu"
        or not (slope.is_integer() and intercept.is_integer())
        or max(abs(slope), abs(intercept)) > 2**24
    ):
        return values.astype(np.float64) * slope + intercept
    small = values.dtype.itemsize <= 2 and abs(slope) < 2**13
    return values.astype(np.int32 if small else np.int64) * int(slope) + int(intercept)


def _decoded(planes: Sequence[Plane]) -> list[_Stored]:
    """Each plane's stored values; a file of several frames is opened once."""
    stored: list[_Stored] = []
    path: Path | None = None
    header: Any = None
    for plane in planes:
        if plane.path != path:
            path, header = plane.path, read_header(plane.path, pixels=True)
        stored.append(_one(plane, _values(plane, header), header))
    return stored


def _values(plane: Plane, header: Any) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array

    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_transfer_syntax:
        raise ImageError("The DICOM file is damaged", value=plane.path, todo="export it again")
    try:
        with quiet():
            if syntax.is_compressed:
                _check_codestream(plane, header)
            values: NDArray[Any] = pixel_array(header, index=max(plane.frame - 1, 0))
    except ImageError:
        raise
    except Exception as error:  # a missing decoder and damaged data each raise several kinds
        if syntax.is_compressed:
            what = f"The DICOM file's compression cannot be read here ({syntax.name if not syntax.is_private else 'private'})"
            raise ImageError(what, value=plane.path, todo="export it uncompressed") from error
        raise ImageError("The DICOM file is damaged", value=plane.path, todo="export it again") from error
    if values.ndim != 2:
        raise ImageError("The DICOM file holds no single grey picture", value=plane.path, todo="export one grey slice a file")
    return values


def _check_codestream(plane: Plane, header: Any) -> None:
    """Refuse a compressed picture that states another size than its header, before anything makes room for it."""
    from pydicom.encaps import get_frame

    frames = int((numbers(header, "NumberOfFrames") or (1.0,))[0])
    offsets = None
    if "ExtendedOffsetTable" in header:
        offsets = (header.ExtendedOffsetTable, header.ExtendedOffsetTableLengths)
    data = get_frame(header.PixelData, max(plane.frame - 1, 0), number_of_frames=frames, extended_offsets=offsets)
    size = (int(header.Rows), int(header.Columns)) if header.file_meta.TransferSyntaxUID == RLE else codestream_size(data)
    if size is None:
        raise ValueError("no compression that is known here")
    # A decoder makes room for what the stream states; told a height of 0, one never ends.
    if size != (int(header.Rows), int(header.Columns)):
        what = "The DICOM file's compressed picture has another size than its header says"
        raise ImageError(what, value=plane.path, todo="export it again")


def codestream_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) that a JPEG, JPEG-LS or JPEG 2000 stream states; ``None`` where it is none of them.

    >>> codestream_size(b"\\xff\\xd8\\xff\\xc0\\x00\\x0b\\x08\\x00\\x10\\x00\\x20\\x01")
    (16, 32)
    """
    at = data.find(b"\xff\x4f\xff\x51")
    if 0 <= at < 512 and len(data) >= at + 24:  # JPEG 2000's SIZ (ISO 15444-1, A.5.1): extent less offset
        wide, high, left, top = (int.from_bytes(data[at + 8 + 4 * n : at + 12 + 4 * n], "big") for n in range(4))
        return high - top, wide - left
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill
            at += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):  # SOF (ISO 10918-1, table B.1)
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        else:
            at += 2 + max(length, 2)
    return None


def _one(plane: Plane, values: NDArray[Any], header: Any) -> _Stored:
    from pydicom.pixels.processing import apply_modality_lut

    if "ModalityLUTSequence" in header:
        with quiet():
            try:
                return _Stored(np.asarray(apply_modality_lut(values, header)), (1.0, 0.0), None, False)
            except Exception as error:  # a damaged table raises several kinds
                raise ImageError(
                    "The DICOM file's grey table cannot be used", value=plane.path, todo="export it again"
                ) from error
    padding = _padding(header, values)
    if header.PhotometricInterpretation == "MONOCHROME1":
        ends = _range(header, values)
        values = (ends - values.astype(np.int64)).astype(np.int32)
        padding = padding and (ends - padding[1], ends - padding[0])
    slope = (plane.needed("RescaleSlope") or (1.0,))[0]
    intercept = (plane.needed("RescaleIntercept") or (0.0,))[0]
    return _Stored(values, (slope or 1.0, intercept if slope else 0.0), padding, slope == 0)


def _range(header: Any, values: NDArray[Any]) -> int:
    """Sum of the lowest and highest value that the file can store, about which a picture of inverse grey is turned over."""
    bits = int((numbers(header, "BitsStored") or (8.0 * values.dtype.itemsize,))[0])
    return -1 if values.dtype.kind == "i" else 2**bits - 1


def _padding(header: Any, values: NDArray[Any]) -> tuple[float, float] | None:
    found = [numbers(header, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    ends = [_signed(each[0], values) for each in found if each]
    return (min(ends), max(ends)) if found[0] and ends else None


def _signed(value: float, values: NDArray[Any]) -> float:
    # Many files state a negative padding value as if it had no sign.
    whole = np.iinfo(values.dtype)
    return value - (int(whole.max) - int(whole.min) + 1) if values.dtype.kind == "i" and value > whole.max else value
