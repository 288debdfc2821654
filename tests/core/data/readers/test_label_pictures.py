"""Pictures of labels as tools write them: palettes by index, few bits as stored, colours by a table, lossy files refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.masks import decode_labels, read_mask
from core.data.readers.label_files import LabelTable
from core.data.readers.label_png import read_label_png
from core.errors import MaskError
from core.labels import PALETTE

LABELS = np.random.default_rng(0).integers(0, 4, (20, 24)).astype(np.uint8)


def palette_png(path: Path, colours: np.ndarray, labels: np.ndarray = LABELS, **options: int) -> Path:
    picture = Image.fromarray(labels)
    picture.putpalette(colours.astype(np.uint8).ravel().tolist())
    picture.save(path, **options)
    return path


def few_bits(path: Path, labels: np.ndarray, bits: int) -> Path:
    """A grey PNG of 1, 2 or 4 bits, byte by byte as the specification has it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    spread = (labels[..., None] >> np.arange(bits)[::-1]) & 1
    rows = np.packbits(spread.reshape(len(labels), -1).astype(np.uint8), axis=1)
    head = struct.pack(">IIBBBBB", labels.shape[1], labels.shape[0], bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(
    "colours", [PALETTE, np.array([[0, 0, 0], [2, 2, 2], [1, 1, 1], [3, 3, 3]])], ids=["the course's", "near black"]
)
def test_a_palette_is_read_by_index(tmp_path: Path, colours: np.ndarray, bits: int) -> None:
    path = palette_png(tmp_path / "m.png", colours, bits=bits)
    np.testing.assert_array_equal(read_mask(path, shape=LABELS.shape), LABELS)
    np.testing.assert_array_equal(read_label_png(path), LABELS)


def test_a_palette_with_a_transparent_background(tmp_path: Path) -> None:
    path = palette_png(tmp_path / "m.png", PALETTE, transparency=0)
    np.testing.assert_array_equal(read_mask(path), LABELS)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_read_as_stored(tmp_path: Path, bits: int) -> None:
    labels = LABELS % 2**bits
    np.testing.assert_array_equal(read_mask(few_bits(tmp_path / "m.png", labels, bits)), labels)


def test_two_values_of_8_bits_are_what_they_are(tmp_path: Path) -> None:
    """Only what the header says is few bits: 255 in 8 bits is the label 255."""
    Image.fromarray((LABELS % 2) * 255).save(tmp_path / "m.png")
    assert read_label_png(tmp_path / "m.png").max() == 255


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 100}), ("WEBP", {"quality": 90})])
def test_lossy_files_are_refused(tmp_path: Path, kind: str, options: dict[str, int]) -> None:
    Image.fromarray(LABELS * 60).convert("RGB").save(tmp_path / "m.png", kind, **options)
    name = "JPEG" if kind == "JPEG" else "lossy WebP"
    with pytest.raises(
        MaskError, match=rf"^The label map is a {name} file, which changes labels: .*m.png; export it again as PNG"
    ):
        read_label_png(tmp_path / "m.png")
    with pytest.raises(MaskError, match=rf"^Mask: The label map is a {name} file"):
        read_mask(tmp_path / "m.png")


def test_lossless_webp_is_read(tmp_path: Path) -> None:
    Image.fromarray(LABELS).convert("RGB").save(tmp_path / "m.png", "WEBP", lossless=True)
    np.testing.assert_array_equal(read_label_png(tmp_path / "m.png"), LABELS)


# colours


@pytest.mark.parametrize("form", ["RGB", "RGBA", "P"])
def test_colours_by_a_table(tmp_path: Path, form: str) -> None:
    shuffled = np.array([0, 3, 1, 2])[LABELS].astype(np.uint8)
    path = palette_png(tmp_path / "m.png", PALETTE, shuffled)
    if form != "P":
        Image.fromarray(PALETTE[shuffled]).convert(form).save(path)
    table = LabelTable.parse("uw-madison-course")
    labels, ignored = table.apply(read_label_png(path, table), path)
    np.testing.assert_array_equal(labels, shuffled)
    assert (labels.dtype, ignored) == (np.uint8, frozenset())


def test_other_colours_are_background_and_said(tmp_path: Path) -> None:
    Image.fromarray(PALETTE[LABELS]).save(tmp_path / "m.png")
    table = LabelTable.parse("", "#0000FF=large_bowel, #ff0000=background")
    labels, ignored = table.apply(read_label_png(tmp_path / "m.png", table), "m")
    np.testing.assert_array_equal(labels, np.where(LABELS == 1, 3, 0))
    assert ignored == {"#00ff00"}


def test_smoothed_edges_are_no_labels(tmp_path: Path) -> None:
    Image.fromarray(PALETTE[LABELS]).resize((96, 80), Image.Resampling.BILINEAR).save(tmp_path / "m.png")
    table = LabelTable.parse("uw-madison-course")
    with pytest.raises(MaskError, match=r"^A mask holds [\d,]+ colours that have no class \(#.*: m; export it without smoothed"):
        table.apply(read_label_png(tmp_path / "m.png", table), "m")


def test_colours_without_a_table_are_refused_with_the_way(tmp_path: Path) -> None:
    Image.fromarray(PALETTE[LABELS]).save(tmp_path / "m.png")
    with pytest.raises(MaskError, match=r"^A label map is in colour: .*--colours '#0000ff=stomach"):
        read_label_png(tmp_path / "m.png")


def test_a_colour_table_for_labels() -> None:
    with pytest.raises(MaskError, match=r"^The label map holds labels, and colours are mapped: m; "):
        LabelTable.parse("uw-madison-course").apply(LABELS, "m")


def test_a_damaged_palette_file(tmp_path: Path) -> None:
    path = palette_png(tmp_path / "m.png", PALETTE)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MaskError):
        decode_labels(path)
