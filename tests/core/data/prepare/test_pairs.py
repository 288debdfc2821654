"""`prepare pairs`: files as they are, split by patient, nothing half-written."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.config import SplitConfig
from core.data.images import write_png
from core.data.index import load_index
from core.data.masks import read_mask
from core.data.prepare.pairs import prepare_pairs
from core.data.prepare.patients import PatientRule
from core.data.readers.label_files import LabelTable
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
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT, patients=PatientRule(r"(?P<patient>P\d)-(?P<slice>\d)"))
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


def test_names_that_tell_no_patient(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", ["a_1", "a_2", "b_1"])
    with pytest.raises(DatasetError, match=r"^3 of 3 names tell no patient: a_1, a_2, b_1; say whose they are: --patients"):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert not (tmp_path / "out").exists()
    rule = PatientRule(stated={"a_1": "a", "a_2": "a", "b_1": "b"})
    index = load_index(prepare_pairs(source, tmp_path / "stated", split=SPLIT, patients=rule).root)
    assert index.patients("train") | index.patients("valid") == {"a", "b"}
    assert not index.patients("train") & index.patients("valid")
    assert index.unparsed("train") + index.unparsed("valid") == 0
    index = load_index(prepare_pairs(source, tmp_path / "each", split=SPLIT, patients=PatientRule(one_a_file=True)).root)
    assert index.patients("train") | index.patients("valid") == {"a_1", "a_2", "b_1"}
    assert index.unparsed("train") + index.unparsed("valid") == 0


def test_names_that_no_file_can_have_everywhere_are_changed(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", ["Jürgen (1)_001", "Jürgen (1)_002", "Zoë_001", "con_001"])
    rule = PatientRule(r"(?P<patient>[^_]+)_(?P<slice>\d+)")
    made = prepare_pairs(source, tmp_path / "the set", split=SPLIT, patients=rule)
    index = load_index(made.root)
    assert index.name == "the_set"
    scans = {scan.id: scan for split in ("train", "valid") for scan in index.scans(split)}
    assert {name: (scan.patient, len(scan.slices)) for name, scan in scans.items()} == {
        "Jurgen_1": ("Jürgen (1)", 2),
        "Zoe": ("Zoë", 1),
        "con_": ("con", 1),
    }
    assert made.manifest.notes[0] == "The data set's name could not be a file's on every system: the set is now the_set."
    assert made.manifest.notes[1].startswith("Names of 3 scans could not be a file's on every system: Jürgen (1) is now")


def test_a_mac_s_names_pair_up_with_others(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", ["Ju\u0308rgen_1", "b_1"])
    (source / "masks/Ju\u0308rgen_1.png").rename(source / "masks/J\u00fcrgen_1.PNG")
    (source / "images/._b_1.png").write_bytes(b"a Mac's")
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT, patients=PatientRule(one_a_file=True))
    assert made.patients == {"train": 1, "valid": 1}


def test_slices_of_a_scan_that_differ(source: Path, tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        write_png(source / kind / "case3_day0_slice_0002.png", np.zeros((40, 60), np.uint8))
    with pytest.raises(DatasetError, match=r"^The slices of scan case3_day0 differ: .*60×40 pixels of 8 bits"):
        prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert not (tmp_path / "out").exists()


def test_without_a_folder_of_masks_no_picture_has_a_reference(source: Path, tmp_path: Path) -> None:
    shutil.rmtree(source / "masks")
    (source / "images/no-patient.png").write_bytes((source / "images/case1_day0_slice_0001.png").read_bytes())
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert made.slices == {"unlabelled": 21}
    index = load_index(made.root)
    with pytest.raises(DatasetError, match=r"^The data set has no references: .*; train and score on one with masks"):
        index.scans("train")
    with pytest.raises(DatasetError, match=r"^The split has no references to score against: unlabelled; use --split train"):
        index.with_reference("unlabelled")


def test_labels_of_another_table(source: Path, tmp_path: Path) -> None:
    for path in (source / "masks").iterdir():
        write_png(path, np.uint8(40) * (read_mask(path) > 0))
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT, labels=LabelTable.parse("40=small_bowel"))
    found = {int(value) for path in made.root.glob("*/masks/*") for value in np.unique(read_mask(path))}
    assert found == {0, 2}


def test_scans_with_gaps_are_said_to_be_partial(tmp_path: Path, write_pairs) -> None:
    source = write_pairs(tmp_path / "source", [f"case{i}_day0_slice_{n:04d}" for i in (1, 2) for n in (1, 2, 4)])
    made = prepare_pairs(source, tmp_path / "out", split=SPLIT)
    assert made.manifest.notes == (
        "2 of 2 scans are partial, single slices or with gaps: they have no volume and no distances.",
        "Every slice shows an organ: those without were probably left out, and what a model draws on them is not scored.",
    )
