"""The same steps on the real sample slices, where they lie beside the project; no file of theirs is part of it."""

import csv
from pathlib import Path

import numpy as np
import pytest

from core.config import SplitConfig
from core.data.images import read_image
from core.data.index import load_index
from core.data.masks import decode_rle, encode_rle, read_mask
from core.data.prepare.kaggle import prepare_kaggle
from core.data.prepare.pairs import prepare_pairs
from core.labels import ORGANS

SAMPLES = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the real samples are not here: {SAMPLES}")


def runs_by_slice(table: Path) -> dict[str, dict[str, str]]:
    runs: dict[str, dict[str, str]] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            runs.setdefault(row["id"], {})[row["class"]] = row["segmentation"]
    return runs


def decode(text: str, height: int, width: int) -> np.ndarray:
    """Run lengths once more, pixel by pixel."""
    flat = np.zeros(height * width, bool)
    for start, length in zip(*[iter(map(int, text.split()))] * 2, strict=True):
        flat[start - 1 : start - 1 + length] = True
    return flat.reshape(height, width)


def merged(runs: dict[str, str], height: int, width: int) -> tuple[np.ndarray, int]:
    """The smaller organ wins: draw the larger first; and count the pixels with several claims."""
    masks = [(organ.id, decode(runs.get(organ.name, ""), height, width)) for organ in ORGANS]
    labels = np.zeros((height, width), np.uint8)
    for class_id, mask in sorted(masks, key=lambda each: each[1].sum(), reverse=True):
        labels[mask] = class_id
    return labels, int((sum(mask.astype(int) for _, mask in masks) > 1).sum())


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kaggle") / "uw"
    prepare_kaggle(SAMPLES / "uwm-kaggle-sample", out, split=SplitConfig(valid_fraction=0.34))
    return out


def test_kaggle_masks_equal_an_independent_decoding(kaggle: Path) -> None:
    paths = sorted(kaggle.glob("*/masks/*.png"))
    runs = runs_by_slice(SAMPLES / "uwm-kaggle-sample" / "train.csv")
    contested = 0
    assert {path.stem for path in paths} == runs.keys()
    assert len(paths) == 18
    for path in paths:
        labels = read_mask(path)
        expected, clashes = merged(runs[path.stem], *labels.shape)
        np.testing.assert_array_equal(labels, expected)
        contested += clashes
    assert load_index(kaggle).manifest.contested_pixels == contested


def test_kaggle_scans_stay_at_16_bits_with_their_geometry(kaggle: Path) -> None:
    index = load_index(kaggle)
    scans = [scan for split in ("train", "valid") for scan in index.scans(split)]
    assert {scan.patient for scan in scans} == {"case33", "case89", "case102"}
    assert not index.patients("train") & index.patients("valid")
    for scan in scans:
        image = read_image(scan.slices[0].image)
        assert image.dtype == np.uint16
        assert scan.info.native_size == image.shape
        assert scan.info.spacing_mm == (3.0, 1.5, 1.5)


def test_pairs_are_split_by_patient(tmp_path: Path) -> None:
    made = prepare_pairs(SAMPLES / "uwm-pairs", tmp_path / "pairs", split=SplitConfig())
    index = load_index(made.root)
    assert sum(made.slices.values()) == 324
    assert not index.patients("train") & index.patients("valid")
    assert len(index.patients("train") | index.patients("valid")) == sum(made.patients.values())
    assert sum(len(scan.slices) for split in ("train", "valid") for scan in index.scans(split)) == 324


def test_every_real_run_length_row_comes_back_word_for_word() -> None:
    rows = 0
    with (SAMPLES / "uwm-rle-22-case-days.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["segmentation"]:
                width, height = map(int, row["image_path"].rsplit("/", 1)[1].split("_")[2:4])
                assert encode_rle(decode_rle(row["segmentation"], (height, width))) == row["segmentation"]
                rows += 1
    assert rows > 1000
