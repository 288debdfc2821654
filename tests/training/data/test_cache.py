"""The cache: the same slices as from the files, rebuilt whenever they are not."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import InputRecipe, InputWindow, SplitConfig, TrainingConfig
from core.data.images import read_image, write_png
from core.data.index import DatasetIndex, load_index
from core.data.manifest import hash_files
from core.data.prepare.pairs import prepare_pairs
from core.errors import DatasetError, ImageError, WorkspaceError
from core.storage import files
from tests.conftest import write_pairs
from training.data.cache import build_cache, cache_folder, open_cache
from training.data.datamodule import MedicalSegmentationDataModule

SIDE = 96


@pytest.fixture
def index(own_dataset: Path) -> DatasetIndex:
    return load_index(own_dataset)


def module(index: DatasetIndex, training: TrainingConfig, *, cache: bool, recipe: InputRecipe) -> MedicalSegmentationDataModule:
    data = MedicalSegmentationDataModule(index, training=replace(training, cache=cache), recipe=recipe)
    data.prepare_data()
    data.setup()
    return data


@pytest.mark.parametrize(("stride", "window"), [(0, "none"), (1, "none"), (1, "scan")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("split_by", ["patient", "slice"])
def test_the_network_sees_the_same_with_and_without(
    tmp_path: Path, tiny_training: TrainingConfig, stride: int, window: InputWindow, dtype: type, split_by: str
):
    """Training and validation batches before augmentation and after the normalisation on the device."""
    prepare_pairs(write_pairs(tmp_path / "pairs", dtype=dtype), tmp_path / "set", split=SplitConfig(split_by=split_by))
    index, recipe = load_index(tmp_path / "set"), InputRecipe(image_size=SIDE, context_stride=stride, window=window)
    plain, cached = (module(index, tiny_training, cache=on, recipe=recipe) for on in (False, True))
    for data in (plain, cached):
        data.datasets["train"].transform = None
    for loader in ("train_dataloader", "val_dataloader"):
        for wanted, found in zip(getattr(plain, loader)(), getattr(cached, loader)(), strict=True):
            assert found["image"].dtype == found["mask"].dtype == torch.uint8
            assert found["image"].shape[1] == (3 if stride else 1)
            on_device = cached.on_after_batch_transfer(found, 0)
            # Values of 5 at most (1 / 0.224), after a division, a difference and a division: three roundings each way.
            torch.testing.assert_close(on_device["image"], wanted["image"], atol=2 * 3 * 5 * 2**-24, rtol=0)
            assert torch.equal(on_device["mask"], wanted["mask"])
            assert plain.on_after_batch_transfer(wanted, 0) is wanted


def test_a_cache_that_holds_is_not_built_again(index: DatasetIndex, tiny_training: TrainingConfig, recipe: InputRecipe):
    folder = cache_folder(index, recipe.image_size)
    module(index, tiny_training, cache=True, recipe=recipe)
    before = (folder / "images.npy").stat()
    module(index, tiny_training, cache=True, recipe=recipe)
    assert (folder / "images.npy").stat().st_ino == before.st_ino
    assert sorted(path.name for path in folder.iterdir()) == ["images.npy", "index.json", "masks.npy"]


def some_image(index: DatasetIndex) -> Path:
    return index.scans("train")[0].slices[0].image


def change_picture(index: DatasetIndex) -> None:
    path = some_image(index)
    write_png(path, 255 - read_image(path))


def change_manifest(index: DatasetIndex) -> None:
    path = index.root / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"licence": "other"}))


def change_array(index: DatasetIndex) -> None:
    path = cache_folder(index, SIDE) / "masks.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut_array(index: DatasetIndex) -> None:
    path = cache_folder(index, SIDE) / "images.npy"
    path.write_bytes(path.read_bytes()[:-1000])


def break_index(index: DatasetIndex) -> None:
    (cache_folder(index, SIDE) / "index.json").write_text("[1]")


def remove_slice(index: DatasetIndex) -> None:
    each = index.scans("train")[0].slices[0]
    each.image.unlink()
    each.mask.unlink()


@pytest.mark.parametrize("change", [change_picture, change_manifest, change_array, cut_array, break_index, remove_slice])
def test_a_cache_that_no_longer_holds_is_noticed_and_built_anew(index: DatasetIndex, change: Callable[[DatasetIndex], None]):
    build_cache(index, SIDE)
    assert open_cache(index, SIDE) is not None
    change(index)
    index = load_index(index.root)
    assert open_cache(index, SIDE) is None
    build_cache(index, SIDE)
    assert open_cache(index, SIDE) is not None


def test_a_file_touched_but_equal_is_hashed_and_accepted(index: DatasetIndex):
    build_cache(index, SIDE)
    os.utime(some_image(index), (1, 1))
    assert open_cache(index, SIDE) is not None


def test_a_slice_that_cannot_be_read_leaves_no_cache(index: DatasetIndex, damage: Callable[[Path], Path]):
    path = damage(some_image(index))
    with pytest.raises(ImageError, match=path.name):
        build_cache(index, SIDE)
    assert list((index.root / ".cache").iterdir()) == []


def test_prepare_data_names_all_bad_files_first(index: DatasetIndex, tiny_training, recipe, damage: Callable[[Path], Path]):
    first, second = (damage(scan.slices[0].image) for scan in index.scans("train")[:2])
    with pytest.raises(DatasetError, match=f"2 slices cannot be used.*{first.name}.*{second.name}"):
        module(index, tiny_training, cache=True, recipe=recipe)


def test_a_full_disk(index: DatasetIndex, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "SPARE_BYTES", 2**62)
    with pytest.raises(WorkspaceError, match=r"^The disk is too full: .* GB free in .*, or use --cache=false\.$"):
        build_cache(index, SIDE)


def test_a_data_set_that_cannot_be_written(index: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    build_cache(index, SIDE)
    assert not (index.root / ".cache").exists()
    assert open_cache(index, SIDE).folder.is_relative_to(tmp_path / "own" / "gutcheck")


def test_loader_processes_map_the_arrays_instead_of_copying_them(index: DatasetIndex):
    planes = build_cache(index, SIDE).planes(index.scans("valid")[0].slices)
    packed = pickle.dumps(planes)
    assert len(packed) < 2000
    again = pickle.loads(packed)  # noqa: S301 - our own bytes
    assert isinstance(again.images, np.memmap)
    np.testing.assert_array_equal(again.image(2), planes.image(2))


def test_the_data_set_s_hashes_leave_the_cache_out(index: DatasetIndex):
    before = hash_files(index.root)
    build_cache(index, SIDE)
    assert hash_files(index.root) == before


def test_each_window_has_a_cache_of_its_own(index: DatasetIndex):
    plain, windowed = (build_cache(index, SIDE, window) for window in ("none", "scan"))
    assert plain.folder.name == "96"
    assert windowed.folder.name == "96-scan"
    slices = index.scans("train")[0].slices
    seen = [cache.planes(slices).image(0) for cache in (plain, windowed)]
    assert not np.array_equal(*seen)
    assert open_cache(index, SIDE).folder == plain.folder
    assert open_cache(index, SIDE, "scan").folder == windowed.folder
