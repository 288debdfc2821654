"""The workshop that every `prepare` shares."""

from pathlib import Path

import pytest

from core.data.manifest import DatasetManifest
from core.data.prepare.writer import DatasetWriter, writing_dataset
from core.errors import DatasetError


def add(writer: DatasetWriter, stem: str, patient: str, *, annotated: bool = True) -> None:
    writer.add(stem, patient, image_png=b"i" + stem.encode(), mask_png=b"m" + stem.encode(), annotated=annotated)


def test_slices_are_dealt_by_patient(tmp_path: Path) -> None:
    seen: list[dict[str, int]] = []

    def choose(counts: dict[str, int]) -> frozenset[str]:
        seen.append(counts)
        return frozenset({"b"})

    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), choose) as draft:
        add(draft.writer, "a1", "a")
        add(draft.writer, "b1", "b", annotated=False)
        add(draft.writer, "b2", "b")
    assert seen == [{"a": 1, "b": 1}]
    assert draft.result.patients == {"train": 1, "valid": 1}
    assert draft.result.slices == {"train": 1, "valid": 2}
    assert (tmp_path / "out/valid/masks/b2.png").read_bytes() == b"mb2"
    stems = ("train", "a1"), ("valid", "b1"), ("valid", "b2")
    assert set(draft.result.manifest.files) == {
        f"{split}/{kind}/{stem}.png" for split, stem in stems for kind in ("images", "masks")
    }


def test_a_patient_without_an_annotated_slice_counts_as_a_patient(tmp_path: Path) -> None:
    with writing_dataset(tmp_path / "out", DatasetManifest(name="x"), lambda _: frozenset({"b"})) as draft:
        add(draft.writer, "a1", "a")
        add(draft.writer, "b1", "b", annotated=False)
    assert draft.result.patients == {"train": 1, "valid": 1}


def test_two_slices_of_one_name(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path)
    add(writer, "a1", "a")
    with pytest.raises(DatasetError, match=r"^Two slices have one name: a1; remove one of them\.$"):
        add(writer, "a1", "b")


def test_a_split_that_cannot_be_drawn_leaves_nothing(tmp_path: Path) -> None:
    def refuse(_: dict[str, int]) -> frozenset[str]:
        raise DatasetError("No", todo="yes")

    with pytest.raises(DatasetError), writing_dataset(tmp_path / "out", DatasetManifest(name="x"), refuse) as draft:
        add(draft.writer, "a1", "a")
    assert list(tmp_path.iterdir()) == []
