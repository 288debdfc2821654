"""The workshop that every `prepare` shares."""

from pathlib import Path

import pytest

from core.config import SplitConfig
from core.data.manifest import DatasetManifest
from core.data.prepare.writer import DatasetWriter, writing_dataset
from core.errors import DatasetError


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
