"""Pictures of every kind that arrive, and every kind of damage."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import images
from core.data.images import (
    FULL_8BIT,
    Window,
    check_picture,
    encode_png,
    model_window,
    read_image,
    to_grey,
    volume_window,
    write_png,
)
from core.errors import ImageError

GREY = np.random.default_rng(0).integers(0, 255, (20, 24)).astype(np.uint8)
DEEP = (GREY.astype(np.uint16) * 257)[:, ::-1].copy()


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, pixels: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["8 bits", "16 bits"])
def test_png_round_trip(tmp_path: Path, pixels: np.ndarray) -> None:
    write_png(tmp_path / "a.png", pixels)
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read, pixels)
    assert read.dtype == pixels.dtype
    assert check_picture(tmp_path / "a.png") == (20, 24)


def test_pillow_reads_what_we_write(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 255, (20, 24, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", colours)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), colours)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_other_lossless_formats(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GREY).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), GREY)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_saved_as_colour_keeps_its_values(tmp_path: Path, mode: str) -> None:
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GREY)


def test_alpha_is_dropped(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([GREY, GREY, GREY, np.zeros_like(GREY)])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GREY)


def test_grey_saved_as_16_bit_colour_keeps_its_values(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.dstack([DEEP, DEEP, DEEP]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), DEEP)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_become_luminance(tmp_path: Path, dtype: type) -> None:
    colour = np.zeros((16, 16, 3), dtype)
    colour[:] = (200, 100, 50)
    write_png(tmp_path / "a.png", colour)
    # ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B = 124.2
    assert np.unique(read_image(tmp_path / "a.png")).tolist() == [124]


def test_other_dtypes_are_stretched_to_8_bits() -> None:
    np.testing.assert_array_equal(to_grey(np.array([[-1.0, 0.0, 1.0]], np.float32)), np.array([[0, 128, 255]], np.uint8))


def test_a_window_by_hand() -> None:
    image = np.array([0, 100, 150, 200, 4000], np.uint16)
    # 50 of 100 is 127.5, which goes to the even 128.
    np.testing.assert_array_equal(Window(100, 200).apply(image), [0, 0, 128, 255, 255])


def test_an_8_bit_picture_is_unchanged_under_the_full_window() -> None:
    np.testing.assert_array_equal(FULL_8BIT.apply(GREY), GREY)


def test_a_window_without_width_does_not_divide_by_zero() -> None:
    np.testing.assert_array_equal(Window(5, 5).apply(np.array([4, 5, 6])), [0, 0, 255])


def test_volume_window_is_the_percentiles_of_the_whole_scan() -> None:
    volume = np.arange(4 * 50 * 50, dtype=np.uint16).reshape(4, 50, 50)
    window = volume_window(volume)
    # Linear between ranks: 0.5% and 99.5% of the way from 0 to 9,999.
    assert (window.low, window.high) == pytest.approx((49.995, 9949.005))


def test_volume_window_of_a_constant_scan() -> None:
    assert volume_window(np.full((2, 16, 16), 7, np.uint16)) == Window(7.0, 8.0)


def test_the_network_sees_8_bit_pictures_as_they_are_and_deeper_ones_windowed() -> None:
    assert model_window(GREY[None]) is FULL_8BIT
    assert model_window(DEEP[None]) == volume_window(DEEP[None])


def test_a_missing_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^The picture does not exist: .*/a\.png; check the path\.$"):
        read_image(tmp_path / "a.png")


def test_an_empty_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(ImageError, match=r"^The picture is empty: .*/a\.png; export the slice again as PNG\.$"):
        read_image(tmp_path / "a.png")


def test_a_text_file_with_a_picture_s_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello " * 100)
    with pytest.raises(
        ImageError, match=r"^The file is not a picture that can be read: .*/a\.png; export the slice again as PNG\.$"
    ):
        read_image(tmp_path / "a.png")


def test_a_folder_with_a_picture_s_name(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^The picture is damaged: "):
        read_image(tmp_path)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 300), (300, 15)])
def test_a_picture_too_small(tmp_path: Path, width: int, height: int) -> None:
    write_png(tmp_path / "a.png", np.zeros((height, width), np.uint8))
    sentence = rf"^The picture is too small \({width}×{height} pixels\): .*/a\.png; use a slice of at least 16×16 pixels\.$"
    with pytest.raises(ImageError, match=sentence):
        read_image(tmp_path / "a.png")


def test_the_smallest_picture(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((16, 16), np.uint8))
    assert read_image(tmp_path / "a.png").shape == (16, 16)


@pytest.mark.parametrize("side", [6_001, 10_000, 100_000])
def test_a_header_that_claims_a_huge_picture_is_refused_undecoded(
    tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(png(side, side))
    monkeypatch.setattr(images, "decode", lambda path: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"^The picture is too large.*: .*/a\.png; use at most 36,000,000 pixels\.$"):
        read_image(tmp_path / "a.png")


def test_a_truncated_picture_is_an_error_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = encode_png(GREY)
    for length in range(1, len(whole) - 4, 7):
        (tmp_path / "a.png").write_bytes(whole[:length])
        with pytest.raises(ImageError):
            read_image(tmp_path / "a.png")


def test_a_changed_byte_in_the_pixels_is_found(tmp_path: Path) -> None:
    whole = bytearray(encode_png(GREY))
    whole[len(whole) // 2] ^= 0x20
    (tmp_path / "a.png").write_bytes(whole)
    with pytest.raises(ImageError, match=r"^The picture is damaged: .*/a\.png; export or copy it again\.$"):
        read_image(tmp_path / "a.png")


def test_checksums_that_hold_over_pixels_that_are_missing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(20, 20, pixels=b"short"))
    with pytest.raises(ImageError, match=r"^The picture cannot be decoded: .*/a\.png; export the slice again as PNG\.$"):
        read_image(tmp_path / "a.png")


def test_half_a_jpeg(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:400])
    with pytest.raises(ImageError, match=r"a\.jpg"):
        read_image(tmp_path / "a.jpg")
