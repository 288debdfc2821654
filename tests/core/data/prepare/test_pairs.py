"""`prepare pairs`: files as they are, split by patient, nothing half-written."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from core.config import SplitConfig
from core.data.images import write_png
from core.data.index import load_index
from core.data.prepare.pairs import prepare_pairs
from core.errors import DatasetError, ImageError, MaskError, WorkspaceError

STEMS = [f"case{patient}_day{day}_slice_{number:04d}" for patient in range(1, 6) for day in (0, 3) for number in (1, 2)]
SPLIT = SplitConfig(0.4, seed=1)


@pytest.fixture
def source(tmp_path: Path, write_pairs) -> Path:
    return write_pairs(tmp_path / "source", STEMS)


def test_every_pair_arrives_unchanged(source: Path, tmp_path: Path) -> None:
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert made.slices == {"train": 12, "valid": 8}
    assert made.patients == {"train": 3, "valid": 2}
    for kind in ("images", "masks"):
        for path in (source / kind).iterdir():
            (copy,) = (tmp_path / "out").glob(f"*/{kind}/{path.name}")
            assert copy.read_bytes() == path.read_bytes()


def test_no_patient_is_in_both_splits(source: Path, tmp_path: Path) -> None:
    index = load_index(prepare_pairs(source, tmp_path / "out", split=SPLIT).root)
    assert not index.patients("train") & index.patients("valid")
    assert index.patients("train") | index.patients("valid") == {f"case{i}" for i in range(1, 6)}


def test_dataset_json(source: Path, tmp_path: Path) -> None:
    prepare_pairs(source, tmp_path / "out", split=SPLIT, name="mine", spacing_mm=(3.0, 1.5, 1.5))
    content = json.loads((tmp_path / "out" / "dataset.json").read_text())
    expected = {"name": "mine", "source": "pairs source", "split": "by patient, 40% for validation, seed 1", "synthetic": False}
    assert {key: content[key] for key in expected} == expected
    assert content["spacing_mm"] == [3.0, 1.5, 1.5]


def test_hashes_are_those_of_the_files(source: Path, tmp_path: Path) -> None:
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT)
    pictures = {path.relative_to(made.root).as_posix(): path for path in made.root.rglob("*.png")}
    assert made.manifest.files == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in pictures.items()}
    assert len(pictures) == 2 * len(STEMS)


def test_nothing_is_left_of_the_workshop(source: Path, tmp_path: Path) -> None:
    prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset.json", "train", "valid"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_the_same_seed_gives_the_same_data_set(source: Path, tmp_path: Path) -> None:
    first, again = (prepare_pairs(source, tmp_path / name, split=SPLIT, name="x") for name in ("a", "b"))
    assert first.manifest == again.manifest


def test_a_pattern_of_one_s_own(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", ["P1-1", "P1-2", "P2-1"])
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT, pattern=r"(?P<patient>P\d)-(?P<slice>\d)")
    index = load_index(made.root)
    assert index.patients("train") | index.patients("valid") == {"P1", "P2"}


def test_progress_counts_the_pairs(source: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    prepare_pairs(source, tmp_path / "out", split=SPLIT, progress=lambda done, total, what: calls.append((done, total)))
    assert calls == [(done, 20) for done in range(21)]


def test_a_bad_file_midway_leaves_nothing(source: Path, tmp_path: Path) -> None:
    (source / "images" / f"{STEMS[9]}.png").write_bytes(b"")
    with pytest.raises(ImageError, match=rf"^The picture is empty: .*{STEMS[9]}\.png; "):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_mask_of_another_size(source: Path, tmp_path: Path) -> None:
    write_png(source / "masks" / f"{STEMS[9]}.png", np.zeros((24, 20), np.uint8))
    with pytest.raises(MaskError, match="A mask has another size than its image"):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)


def test_one_patient_is_refused_and_leaves_nothing(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", STEMS[:4])
    with pytest.raises(DatasetError, match="two patients or more, but there is one: case1"):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_empty_folders(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", [])
    with pytest.raises(DatasetError, match=r"^The folder has no PNG pairs: .*/source; put slices in images/ and masks/\.$"):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)


def test_an_output_that_holds_something_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(WorkspaceError, match="The output folder already holds something"):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
