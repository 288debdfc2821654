"""Label maps: files, run lengths, overlapping organs and stored volumes."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from core.data.images import write_png
from core.data.masks import (
    decode_rle,
    encode_rle,
    merge_organs,
    pack_label_volume,
    read_label_volume,
    read_mask,
    write_label_volume,
)
from core.errors import MaskError

LABELS = np.random.default_rng(0).integers(0, 4, (20, 24)).astype(np.uint8)
VOLUME = np.random.default_rng(1).integers(0, 4, (3, 5, 7)).astype(np.uint8)


def test_reads_class_ids(tmp_path: Path) -> None:
    write_png(tmp_path / "m.png", LABELS)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", shape=(20, 24)), LABELS)


def test_class_ids_saved_as_grey_colour(tmp_path: Path) -> None:
    write_png(tmp_path / "m.png", np.dstack([LABELS] * 3))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), LABELS)


def test_an_unknown_class(tmp_path: Path) -> None:
    write_png(tmp_path / "m.png", np.where(LABELS == 3, 7, LABELS).astype(np.uint8))
    with pytest.raises(MaskError, match=r"^A mask holds the unknown class 7: .*/m\.png; use class ids 0 to 3\.$"):
        read_mask(tmp_path / "m.png")


def test_another_size_than_the_image(tmp_path: Path) -> None:
    write_png(tmp_path / "m.png", LABELS)
    sentence = r"^A mask has another size than its image \(mask 24×20, image 20×24\): .*/m\.png; export them at one size\.$"
    with pytest.raises(MaskError, match=sentence):
        read_mask(tmp_path / "m.png", shape=(24, 20))


def test_a_damaged_mask_says_that_it_is_the_mask(tmp_path: Path) -> None:
    (tmp_path / "m.png").touch()
    with pytest.raises(MaskError, match=r"^Mask: The picture is empty: .*/m\.png; export the slice again as PNG\.$"):
        read_mask(tmp_path / "m.png")


def test_a_mask_of_16_bits(tmp_path: Path) -> None:
    write_png(tmp_path / "m.png", LABELS.astype(np.uint16))
    with pytest.raises(MaskError, match=r"^A mask has 16 bits a pixel: .*/m\.png; export class ids as one channel of 8 bits\.$"):
        read_mask(tmp_path / "m.png")


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_faint_colours_are_never_rounded_to_background(tmp_path: Path, channel: int) -> None:
    colours = np.zeros((20, 24, 3), np.uint8)
    colours[..., channel] = LABELS > 0
    write_png(tmp_path / "m.png", colours)
    with pytest.raises(MaskError, match=r"^A mask is in colour: .*/m\.png; export class ids as one channel of 8 bits\.$"):
        read_mask(tmp_path / "m.png")


def test_run_lengths_by_hand() -> None:
    # 3 rows of 4 pixels, counted from 1, row by row: 2, 3, then 8, 9, 10.
    expected = [[0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]]
    np.testing.assert_array_equal(decode_rle("2 2 8 3", (3, 4)), np.array(expected, bool))
    assert encode_rle(np.array(expected)) == "2 2 8 3"


def test_no_run_lengths_is_no_pixel() -> None:
    assert not decode_rle("", (3, 4)).any()
    assert encode_rle(np.zeros((3, 4))) == ""


def test_the_whole_slice_is_one_run() -> None:
    assert decode_rle("1 12", (3, 4)).all()
    assert encode_rle(np.ones((3, 4))) == "1 12"


def test_runs_that_overlap_count_once() -> None:
    assert decode_rle("1 3 2 3", (3, 4)).sum() == 4


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_run_lengths_round_trip(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_rle(encode_rle(mask), mask.shape), mask)


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_run_lengths_agree_with_counting_pixels(mask: np.ndarray) -> None:
    words = [int(word) for word in encode_rle(mask).split()]
    pixels = [start + step for start, length in zip(words[::2], words[1::2], strict=True) for step in range(length)]
    assert pixels == (np.flatnonzero(mask) + 1).tolist()


@pytest.mark.parametrize("runs", ["1", "1 2 3", "0 3", "-1 3", "1 0", "1 13", "12 2", "13 1", "2 9223372036854775807"])
def test_runs_that_do_not_fit(runs: str) -> None:
    with pytest.raises(
        MaskError, match=rf"^Run lengths do not fit the slice: {runs}; use pairs of start and length inside 4×3 pixels\.$"
    ):
        decode_rle(runs, (3, 4))


@pytest.mark.parametrize("runs", ["a b", "1.5 2", "1,2", "99999999999999999999 1"])
def test_runs_that_are_no_numbers(runs: str) -> None:
    with pytest.raises(MaskError, match=rf"^Run lengths hold something that is no number: {runs}; correct the table\.$"):
        decode_rle(runs, (3, 4))


def test_where_organs_overlap_the_smaller_wins_and_contested_pixels_are_counted() -> None:
    large = np.array([[1, 1, 1, 1, 0, 0]], bool)
    small = np.array([[0, 0, 1, 1, 1, 0]], bool)
    labels, contested = merge_organs({1: small, 3: large})
    np.testing.assert_array_equal(labels, [[3, 3, 1, 1, 1, 0]])
    assert contested == 2
    np.testing.assert_array_equal(merge_organs({1: large, 3: small})[0], [[1, 1, 3, 3, 3, 0]])


def test_of_equal_organs_the_lower_class_wins() -> None:
    labels, contested = merge_organs({3: np.array([[1, 1, 0]], bool), 2: np.array([[0, 1, 1]], bool)})
    np.testing.assert_array_equal(labels, [[3, 2, 2]])
    assert contested == 1


def test_three_claims_are_one_contested_pixel() -> None:
    labels, contested = merge_organs(
        {1: np.array([[1, 1, 1]], bool), 2: np.array([[1, 1, 0]], bool), 3: np.array([[1, 0, 0]], bool)}
    )
    np.testing.assert_array_equal(labels, [[3, 2, 1]])
    assert contested == 2


organ_masks = arrays(np.bool_, (3, 4, 5))


@given(organ_masks)
def test_overlaps_are_never_background_and_nothing_else_is_filled(masks: np.ndarray) -> None:
    labels, contested = merge_organs({i + 1: mask for i, mask in enumerate(masks)})
    np.testing.assert_array_equal(labels > 0, masks.any(axis=0))
    assert contested == (masks.sum(axis=0) > 1).sum()
    for class_id in (1, 2, 3):
        assert masks[class_id - 1][labels == class_id].all()


def test_volume_round_trip(tmp_path: Path) -> None:
    write_label_volume(tmp_path / "masks" / "a.npy.zst", VOLUME)
    read = read_label_volume(tmp_path / "masks" / "a.npy.zst")
    np.testing.assert_array_equal(read, VOLUME)
    assert read.dtype == np.uint8


@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(0, 3)))
def test_a_volume_packs_to_a_plain_npy_and_always_to_the_same_bytes(volume: np.ndarray) -> None:
    packed = pack_label_volume(volume)
    assert packed == pack_label_volume(np.asfortranarray(volume))
    np.testing.assert_array_equal(np.load(io.BytesIO(zstandard.decompress(packed))), volume)


def test_a_missing_volume(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"^A predicted mask is missing: .*/a\.npy\.zst; evaluate the run again\.$"):
        read_label_volume(tmp_path / "a.npy.zst")


def test_a_truncated_volume_is_damaged_wherever_it_is_cut(tmp_path: Path) -> None:
    packed = pack_label_volume(VOLUME)
    for length in range(len(packed)):
        (tmp_path / "a").write_bytes(packed[:length])
        with pytest.raises(MaskError, match=r"^A predicted mask is damaged: .*/a; evaluate the run again\.$"):
            read_label_volume(tmp_path / "a")


def test_no_changed_byte_goes_unseen(tmp_path: Path) -> None:
    packed = pack_label_volume(VOLUME)
    for position in range(len(packed)):
        changed = bytearray(packed)
        changed[position] ^= 0x01
        (tmp_path / "a").write_bytes(changed)
        try:
            np.testing.assert_array_equal(read_label_volume(tmp_path / "a"), VOLUME)  # a bit without a meaning
        except MaskError:
            continue


def pack_any(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return zstandard.compress(buffer.getvalue())


class Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_inside_a_volume_is_refused_and_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(tmp_path / "proof")))  # noqa: S301 - shows that the trap works
    assert (tmp_path / "proof").exists()
    (tmp_path / "a").write_bytes(pack_any(np.array([[[Trap(trap)]]], object), allow_pickle=True))
    with pytest.raises(MaskError, match="A predicted mask is damaged"):
        read_label_volume(tmp_path / "a")
    assert not trap.exists()


@pytest.mark.parametrize("array", [VOLUME[0], VOLUME.astype(float), VOLUME.astype(np.int8) - 1, np.full((1, 1, 1), np.nan)])
def test_what_is_no_label_volume(tmp_path: Path, array: np.ndarray) -> None:
    (tmp_path / "a").write_bytes(pack_any(array))
    with pytest.raises(MaskError, match=r"^A predicted mask is no volume: .*/a; evaluate the run again\.$"):
        read_label_volume(tmp_path / "a")


def test_an_unknown_class_in_a_volume(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack_any(VOLUME + np.uint8(3)))
    with pytest.raises(MaskError, match=r"^A mask holds the unknown class 6"):
        read_label_volume(tmp_path / "a")


def test_a_header_that_claims_more_than_memory(tmp_path: Path) -> None:
    raw = zstandard.decompress(pack_any(VOLUME))
    claim = raw.replace(b"(3, 5, 7), }          ", b"(90000, 90000, 9000), }"[:22].ljust(22))
    (tmp_path / "a").write_bytes(zstandard.compress(claim))
    with pytest.raises(MaskError, match="A predicted mask is damaged"):
        read_label_volume(tmp_path / "a")


def test_a_frame_that_claims_more_than_memory(tmp_path: Path) -> None:
    frame = bytes.fromhex("28b52ffd") + bytes([0xE0]) + (10**13).to_bytes(8, "little") + b"\x01\x00\x00"
    (tmp_path / "a").write_bytes(frame)
    with pytest.raises(MaskError, match="A predicted mask is damaged"):
        read_label_volume(tmp_path / "a")
