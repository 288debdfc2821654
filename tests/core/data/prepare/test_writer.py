"""The workshop that every `prepare` shares."""

from pathlib import Path

import numpy as np
import pytest

from core.config import SplitConfig
from core.data.grid import Grid
from core.data.index import load_index
from core.data.manifest import DatasetManifest, ScanInfo
from core.data.prepare.writer import DatasetWriter, add_volume, writing_dataset
from core.data.readers.label_files import PATTERN
from core.data.volume import GreyScale, LabelVolume, Volume
from core.errors import DatasetError, MaskError


def add(writer: DatasetWriter, stem: str, patient: str, *, annotated: bool = True) -> None:
    writer.add(stem, patient, image_png=b"i" + stem.encode(), mask_png=b"m" + stem.encode(), annotated=annotated)


HOLD_OUT_B = SplitConfig(valid_patients=("b",))


def test_slices_are_dealt_by_patient(tmp_path: Path) -> None:
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), HOLD_OUT_B) as draft:
        add(draft.writer, "a1", "a")
        add(draft.writer, "b1", "b", annotated=False)
        add(draft.writer, "b2", "b")
    assert draft.result.manifest.split == "by patient, held out b"
    assert draft.result.patients == {"train": 1, "valid": 1}
    assert draft.result.slices == {"train": 1, "valid": 2}
    assert (tmp_path / "out/valid/masks/b2.png").read_bytes() == b"mb2"
    stems = ("train", "a1"), ("valid", "b1"), ("valid", "b2")
    assert set(draft.result.manifest.files) == {
        f"{split}/{kind}/{stem}.png" for split, stem in stems for kind in ("images", "masks")
    }


def test_a_patient_without_an_annotated_slice_counts_as_a_patient(tmp_path: Path) -> None:
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), HOLD_OUT_B) as draft:
        add(draft.writer, "a1", "a")
        add(draft.writer, "b1", "b", annotated=False)
    assert draft.result.patients == {"train": 1, "valid": 1}


def test_two_slices_of_one_name(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path)
    add(writer, "a1", "a")
    with pytest.raises(DatasetError, match=r"^Two slices have one name: a1; remove one of them\.$"):
        add(writer, "a1", "b")


def test_a_split_that_cannot_be_drawn_leaves_nothing(tmp_path: Path) -> None:
    manifest = DatasetManifest(name="x")
    with pytest.raises(DatasetError, match="two patients"), writing_dataset(tmp_path / "out", manifest, SplitConfig()) as draft:
        add(draft.writer, "a1", "a")
    assert list(tmp_path.iterdir()) == []


def test_by_slice_every_patient_is_on_both_sides(tmp_path: Path) -> None:
    split = SplitConfig(split_by="slice", valid_fraction=0.2)
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), split) as draft:
        for patient in "ab":
            for number in range(10):
                add(draft.writer, f"{patient}{number}", patient)
    assert draft.result.patients == {"train": 2, "valid": 2}
    assert draft.result.slices == {"train": 16, "valid": 4}
    assert draft.result.manifest.split == (
        "by slice, shuffled inside each patient as the course does, 20% for validation, seed 42: patients are on both sides"
    )


def test_slices_without_a_mask_are_a_split_of_their_own_and_take_no_part_in_the_draw(tmp_path: Path) -> None:
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), HOLD_OUT_B) as draft:
        add(draft.writer, "a1", "a")
        add(draft.writer, "b1", "b")
        draft.writer.add("c1", "c", image_png=b"ic1", mask_png=None)
        draft.scans["c1"] = ScanInfo(patient="c")
    assert draft.result.patients == {"train": 1, "valid": 1, "unlabelled": 1}
    assert draft.result.slices == {"train": 1, "valid": 1, "unlabelled": 1}
    assert [path.name for path in (tmp_path / "out/unlabelled").iterdir()] == ["images"]
    index = load_index(tmp_path / "out")
    assert [(scan.id, scan.patient, scan.has_reference) for scan in index.scans("unlabelled")] == [("c1", "c", False)]


def test_a_data_set_may_have_no_reference_at_all(tmp_path: Path) -> None:
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), SplitConfig()) as draft:
        draft.writer.add("c1", "c", image_png=b"ic1", mask_png=None)
    assert draft.result.patients == {"unlabelled": 1}
    assert draft.result.manifest.split == "not divided: no scan has a reference"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset.json", "unlabelled"]


GRID = Grid.of(np.array([[0, 0, 1.5, 4], [0, 2.0, 0, 5], [-3.0, 0, 0, 6], [0, 0, 0, 1]]), "by hand")


def test_a_volume_is_written_as_slices_with_what_is_known_of_it(tmp_path: Path) -> None:
    pixels = np.arange(2 * 16 * 20, dtype=np.uint16).reshape(2, 16, 20)
    labels = np.zeros((2, 16, 20), np.uint8)
    labels[1, 3, 4] = 2
    volume = Volume(pixels, GRID, GreyScale(0.5, -3.0), ("a note",))
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x", pattern=PATTERN), HOLD_OUT_B) as draft:
        add_volume(draft, "one", "a", volume, LabelVolume(labels, GRID, notes=("labels' note",), contested_pixels=7))
        add_volume(draft, "two", "b", volume, LabelVolume(labels, GRID))
        add_volume(draft, "three", "b", volume, None)
    index = load_index(tmp_path / "out")
    (scan,) = index.scans("train")
    assert (scan.id, scan.patient, [each.name.stem for each in scan.slices]) == ("one", "a", ["one_slice_0001", "one_slice_0002"])
    assert np.array_equal(scan.read_image(), pixels)
    assert np.array_equal(scan.read_labels(), labels)
    info = scan.info
    assert (info.affine, info.spacing_mm, info.geometry) == (GRID.affine, (3.0, 2.0, 1.5), "by hand")
    assert (info.grey, info.notes, info.contested_pixels) == (GreyScale(0.5, -3.0), ("a note", "labels' note"), 7)
    assert index.scans("unlabelled")[0].patient == "b"


def test_labels_of_another_size_and_a_second_scan_of_one_name_are_refused(tmp_path: Path) -> None:
    volume = Volume(np.zeros((2, 16, 20), np.uint8), GRID)
    other = LabelVolume(np.zeros((2, 20, 16), np.uint8), GRID)
    said = r"^Image and labels of a scan differ in size \(2×16×20 and 2×20×16\): one; export them on one grid\.$"
    with pytest.raises(MaskError, match=said), writing_dataset(tmp_path / "out", DatasetManifest(name="x"), None) as draft:
        add_volume(draft, "one", "a", volume, other)
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), None) as draft:
        add_volume(draft, "one", "a", volume, None)
        with pytest.raises(DatasetError, match=r"^Two scans have one name: one; rename one of them\.$"):
            add_volume(draft, "one", "a", volume, None)
