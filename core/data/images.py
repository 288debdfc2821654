"""Reading MR slices (8- or 16-bit, grey or colour) and windowing them."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from core.config import InputWindow
from core.errors import ImageError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
MAX_PIXELS = 36_000_000
"""Largest picture that is decoded (6,000 × 6,000); a slice has about 100,000 pixels."""
MIN_SIDE = 16
"""Smallest side that is segmented, in pixels; below it SegFormer's strides leave nothing to see."""
WINDOW_PERCENTILES = (0.5, 99.5)
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".gif")


@dataclass(frozen=True)
class Window:
    """A linear grey window: intensities at or below ``low`` are black, at or above ``high`` white."""

    low: float
    high: float

    def apply(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """Map an image of any shape and numeric dtype to uint8, 0 to 255, rounded."""
        span = max(self.high - self.low, 1e-6)
        scaled = (image.astype(np.float32) - self.low) * (255.0 / span)
        eight_bit: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
        return eight_bit


FULL_8BIT = Window(0.0, 255.0)


def volume_window(volume: NDArray[Any]) -> Window:
    """The display window of a whole scan: its 0.5th and 99.5th percentiles.

    One window per scan, never per slice, so that contrast does not jump while scrolling.
    """
    low, high = np.percentile(volume, WINDOW_PERCENTILES)
    return Window(float(low), float(max(high, low + 1)))


def model_window(volume: NDArray[Any], kind: InputWindow = "none") -> Window:
    """The window under which the network sees a scan.

    Args:
        volume: the whole scan, (Z, H, W); or a single picture, which then is windowed by its own percentiles.
        kind: the input recipe's; with ``none``, 8-bit pictures are shown as they are, and deeper ones by `volume_window`.
    """
    return FULL_8BIT if kind == "none" and volume.dtype == np.uint8 else volume_window(volume)


def check_picture(path: Path) -> tuple[int, int]:
    """Check a picture's size and, for PNG, every chunk's checksum, without decoding it; return (height, width).

    Raises:
        ImageError: missing, empty, damaged, truncated, not a picture, smaller than 16 pixels a side or larger than
            36 million pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures that we refuse by our own bound below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                width, height = picture.size
                _check_size(path, width, height)
                picture.verify()
    except FileNotFoundError as error:
        raise ImageError("The picture does not exist", value=path, todo="check the path") from error
    except Image.DecompressionBombError as error:
        raise ImageError("The picture is too large", value=path, todo=f"use at most {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        what = "The picture is empty" if path.stat().st_size == 0 else "The file is not a picture that can be read"
        raise ImageError(what, value=path, todo="export the slice again as PNG") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError("The picture is damaged", value=path, todo="export or copy it again") from error
    return height, width


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        todo = f"use a slice of at least {MIN_SIDE}×{MIN_SIDE} pixels"
        raise ImageError(f"The picture is too small ({width}×{height} pixels)", value=path, todo=todo)
    if width * height > MAX_PIXELS:
        todo = f"use at most {MAX_PIXELS:,} pixels"
        raise ImageError(f"The picture is too large ({width}×{height} pixels)", value=path, todo=todo)


def decode_grey(path: Path) -> Pixels:
    """Decode a picture that has been checked to one grey channel, (H, W), uint8 or uint16; alpha is dropped.

    Raises:
        ImageError: the picture cannot be decoded.
    """
    return to_grey(decode(path))


def decode(path: Path) -> NDArray[Any]:
    """Decode a picture that has been checked as it is stored: (H, W), or (H, W, 3 or 4) in BGR order.

    Raises:
        ImageError: the picture cannot be decoded.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        pixels: NDArray[Any] | None = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except (OSError, cv2.error) as error:
        raise ImageError("The picture cannot be read", value=path, todo="export or copy it again") from error
    if pixels is None:
        raise ImageError("The picture cannot be decoded", value=path, todo="export the slice again as PNG")
    return pixels


def to_grey(pixels: NDArray[Any]) -> Pixels:
    """One grey channel, (H, W), uint8 or uint16, of a grey, BGR or BGRA array; other dtypes are stretched to uint8."""
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] < 3 else _luminance(pixels[..., :3])
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = Window(float(pixels.min()), float(pixels.max())).apply(pixels)
    return np.ascontiguousarray(pixels)


def _luminance(bgr: NDArray[Any]) -> NDArray[Any]:
    # A grey slice saved as colour has three equal channels; its values must survive exactly.
    if is_grey(bgr):
        return bgr[..., 0]
    grey: NDArray[Any] = cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2GRAY)
    return grey


def is_grey(pixels: NDArray[Any]) -> bool:
    """Whether a decoded picture has one channel, or colour channels that are equal everywhere."""
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        return True
    return np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 1], pixels[..., 2])


def read_image(path: Path) -> Pixels:
    """Check and decode one slice: (H, W), uint8 or uint16.

    Raises:
        ImageError: see `check_picture` and `decode_grey`.
    """
    check_picture(path)
    return decode_grey(path)


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write a grey (H, W) or RGB (H, W, 3) uint8 or uint16 array as PNG.

    Raises:
        OSError: the file could not be written.
    """
    path.write_bytes(encode_png(pixels))


def encode_png(pixels: NDArray[Any]) -> bytes:
    """PNG bytes of a grey (H, W) or RGB (H, W, 3) array; light compression, since slices are many and noisy."""
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(bgr), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise ImageError("The picture cannot be encoded", value=pixels.shape, todo="report this as a bug")
    return encoded.tobytes()
