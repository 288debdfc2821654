"""Grey values of any kind as 8- or 16-bit pixels: the one rule for what is kept, scaled, clipped and left out."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.images import Pixels
from core.data.volume import GreyScale

MAX_PIXEL = 65_535
"""Brightest value of 16 bits."""
PERCENTILES = (0.1, 99.9)
"""Between these lie the values that a scan is about."""
LARGEST = 1e300
"""A number beyond this counts as infinite, since spans of such numbers are."""
SMALLEST_STEP = 2.0**-1000
PADDING_SHARE = 0.01
"""Share of the voxels from which a value far below or above all others counts as padding."""
LOWEST_CT = -1024
"""No CT number lies below; scanners pad with -2000 or -3024."""
STEPS_A_SPAN = 8192
"""Levels between two powers of two that hold the robust span; eight such parts fill 16 bits, three or more on either side."""


class _Robust(NamedTuple):
    """Where nearly all values lie, and a map that no single voxel moves."""

    low: float
    high: float
    step: float
    bottom: float


def to_pixels(
    values: NDArray[Any], padding: float | tuple[float, float] | None = None
) -> tuple[Pixels, GreyScale, tuple[str, ...]]:
    """Numbers of any kind as pixels, the linear map back, and remarks.

    8 and 16 bits without a sign stay as they are. Other whole numbers that span no more than 16 bits lose an offset at most.
    All else is scaled by a power of two and a round offset that follow from the 0.1th and 99.9th percentiles, with room for
    three spans on either side; what lies beyond is clipped and counted. Padding and what is no finite number get the pixel of
    the 0.1th percentile. So one voxel, whatever it holds, leaves the others' pixels as they are.

    Args:
        values: any shape and plain number type.
        padding: the value, or the lowest and highest, that the file states for voxels outside the picture. Without it, the
            lowest or highest value is padding where 1% of the voxels have it and more than half the others' robust span lies
            between, or the lowest possible CT number (not in 8 and 16 bits, which stay).

    Returns:
        Pixels of the same shape, uint8 or uint16; the grey scale; sentences for people.
    """
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    plain = values.dtype.kind == "u" and values.dtype.itemsize <= 2
    finite = _finite(values)
    padded = _stated(values, padding) if padding is not None else None if plain else _detected(values, finite)
    ordinary = finite if padded is None else finite & ~padded
    if plain and (padded is None or not padded.any() or not ordinary.any()):
        return values.astype(values.dtype.newbyteorder("="), copy=False), GreyScale(), ()
    if not ordinary.any():
        return np.zeros(values.shape, np.uint16), GreyScale(non_finite=values.size), ("No voxel holds a finite number.",)
    return _mapped(values, ordinary, padding=0 if padded is None else int((padded & finite).sum()), keep=plain)


def _mapped(
    values: NDArray[Any], ordinary: NDArray[np.bool_], *, padding: int, keep: bool
) -> tuple[Pixels, GreyScale, tuple[str, ...]]:
    """Pixels by the ordinary voxels' own range; ``keep`` where values are pixels already."""
    chosen = values[ordinary]
    robust = _robust(chosen)
    offset = 0.0 if keep else _lossless_offset(chosen, robust)
    slope, intercept = (robust.step, robust.bottom) if offset is None else (1.0, offset)
    clipped = int(np.count_nonzero((chosen < intercept) | (chosen > intercept + MAX_PIXEL * slope)))
    kind = np.uint8 if keep and values.dtype.itemsize == 1 else np.uint16
    pixels = np.full(values.shape, _scaled(np.array(robust.low), slope, intercept), kind)
    pixels[ordinary] = _scaled(chosen, slope, intercept)
    grey = GreyScale(slope, intercept, padding, values.size - padding - chosen.size, clipped)
    return pixels, grey, _remarks(grey, robust)


def _finite(values: NDArray[Any]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(values)
    return known & (np.abs(values) <= LARGEST) if values.dtype.itemsize > 4 else known


def _scaled(values: NDArray[Any], slope: float, intercept: float) -> NDArray[np.uint16]:
    inside = np.clip(values.astype(np.float64), intercept, intercept + MAX_PIXEL * slope)
    pixels: NDArray[np.uint16] = np.rint((inside - intercept) / slope).astype(np.uint16)
    return pixels


def _stated(values: NDArray[Any], padding: float | tuple[float, float]) -> NDArray[np.bool_]:
    ends = padding if isinstance(padding, tuple) else (padding, padding)
    return (values >= min(ends)) & (values <= max(ends))


def _detected(values: NDArray[Any], finite: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Voxels of the lowest or highest value where that stands far apart from all others; ``None`` where neither does."""
    known = values[finite]
    # The outermost 0.1% may hold single odd voxels beyond the padding.
    for edge, sign in zip(_percentiles(known), (1, -1), strict=True) if known.size else ():
        others = known[known > edge] if sign > 0 else known[known < edge]
        count = np.count_nonzero(known == edge)
        if others.size and count >= PADDING_SHARE * known.size and _apart(edge, sign, others):
            found: NDArray[np.bool_] = values == edge
            return found
    return None


def _apart(edge: float, sign: int, others: NDArray[Any]) -> bool:
    low, high = _percentiles(others)
    following = float(others.min() if sign > 0 else others.max())
    gap = sign * (following - edge)
    no_tissue = edge < LOWEST_CT <= following and gap > (high - low) / 8
    return high > low and (gap > (high - low) / 2 or no_tissue)


def _percentiles(values: NDArray[Any]) -> tuple[float, float]:
    """The order statistics that leave out the outermost 0.1%, and at least one voxel, on either side."""
    first, last = int(np.ceil((values.size - 1) / 1000)), int((values.size - 1) * PERCENTILES[1] / 100)
    parted = np.partition(values.ravel(), (first, last))
    return float(min(parted[first], parted[last])), float(max(parted[first], parted[last]))


def _robust(values: NDArray[Any]) -> _Robust:
    low, high = _percentiles(values)
    others = values[values != values.dtype.type(low)] if high == low else values[:0]
    if others.size:
        # Nearly all voxels hold one value: the picture is in the others.
        below, above = _percentiles(others)
        low, high = min(low, below), max(high, above)
    span = float(max(2.0 ** np.ceil(np.log2(high - low)) if high > low else 1.0, SMALLEST_STEP * STEPS_A_SPAN))
    return _Robust(low, high, span / STEPS_A_SPAN, (math.floor(low / span) - 3) * span)


def _lossless_offset(values: NDArray[Any], robust: _Robust) -> float | None:
    """What to subtract so that whole numbers fit 16 bits, those far outside left to be clipped; ``None`` where they don't."""
    for kept in (values, values[(values >= robust.bottom) & (values <= robust.bottom + MAX_PIXEL * robust.step)]):
        low, high = float(kept.min()), float(kept.max())
        if high - low <= MAX_PIXEL and (kept.dtype.kind in "iu" or np.array_equal(kept, np.rint(kept))):
            return 0.0 if low >= 0 and high <= MAX_PIXEL else low
    return None


def _remarks(grey: GreyScale, robust: _Robust) -> tuple[str, ...]:
    usual = f"{robust.low:.4g} to {robust.high:.4g}"
    found = (
        (grey.padding, ("is", "are"), "padding and shown as the darkest others"),
        (grey.non_finite, ("is", "are"), "no finite number and shown as the darkest others"),
        (grey.clipped, ("lies", "lie"), f"far outside the others ({usual}) and shown as the darkest or the brightest"),
    )
    return tuple(f"{n:,} voxel{'s' if n > 1 else ''} {verb[n > 1]} {what}." for n, verb, what in found if n)
