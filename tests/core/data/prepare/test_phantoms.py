"""`prepare phantom`: a small synthetic data set that loads, is split by patient and says that it is synthetic."""

from pathlib import Path
from typing import Any

import pytest

from core.config import PhantomConfig, SplitConfig
from core.data.index import DatasetIndex, load_index
from core.data.prepare import phantoms
from core.data.prepare.phantoms import DEPTH_MM, WIDTH_MM, prepare_phantom

SMALL = PhantomConfig(patients=3, slices=8, size=48)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    out = tmp_path_factory.mktemp("phantoms") / "tiny"
    prepare_phantom(out, config=SMALL, split=SplitConfig(0.34))
    return load_index(out)


def test_every_second_patient_has_two_days(index: DatasetIndex) -> None:
    scans = sorted(scan.id for split in ("train", "valid") for scan in index.scans(split))
    assert scans == ["phantom001_day0", "phantom002_day0", "phantom002_day7", "phantom003_day0"]


def test_split_by_patient(index: DatasetIndex) -> None:
    assert not index.patients("train") & index.patients("valid")
    assert len(index.patients("valid")) == 1


def test_it_says_what_it_is(index: DatasetIndex) -> None:
    manifest = index.manifest
    assert manifest.synthetic
    assert (manifest.source, manifest.licence) == ("synthetic phantoms, seed 42", "public domain (CC0)")
    assert manifest.spacing_mm == pytest.approx((DEPTH_MM / 8, WIDTH_MM / 48, WIDTH_MM / 48))
    assert manifest.scan_info("phantom001_day0").spacing_mm == manifest.spacing_mm


def test_scans_have_the_size_asked_for_and_organs(index: DatasetIndex) -> None:
    scan = index.scans("train")[0]
    assert scan.read_image().shape == (8, 48, 48)
    assert scan.read_labels().any()
    assert [each.name.number for each in scan.slices] == list(range(1, 9))


def test_another_first_patient_means_another_anatomy(index: DatasetIndex, tmp_path: Path) -> None:
    other = PhantomConfig(patients=2, first_patient=5, slices=8, size=48)
    made = prepare_phantom(tmp_path / "out", config=other, split=SplitConfig())
    assert made.patients == {"train": 1, "valid": 1}
    assert not set(made.manifest.files.values()) & set(index.manifest.files.values()) - _empty_masks(index)


def _empty_masks(index: DatasetIndex) -> set[str]:
    return {digest for path, digest in index.manifest.files.items() if "/masks/" in path}


def test_a_failure_midway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = phantoms.make_scan

    def fail_on_the_second(patient: int, day: int, **options: Any) -> Any:
        if patient == 2:
            raise KeyboardInterrupt
        return make(patient, day, **options)

    monkeypatch.setattr(phantoms, "make_scan", fail_on_the_second)
    with pytest.raises(KeyboardInterrupt):
        prepare_phantom(tmp_path / "out", config=SMALL, split=SplitConfig())
    assert list(tmp_path.iterdir()) == []
