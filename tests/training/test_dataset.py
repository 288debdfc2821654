"""Slices as tensors, and what happens to those that cannot be read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import DatasetConfig, SplitConfig, TrainingConfig
from core.data.images import FULL_8BIT, Window, volume_window
from core.data.index import DatasetIndex, load_index
from core.data.prepare.pairs import prepare_pairs
from core.errors import DatasetError
from tests.conftest import write_pairs
from training.checks import check_slices
from training.datamodule import MedicalSegmentationDataModule
from training.dataset import MedicalDataset, Unreadable, collate, scan_windows


def _dataset(index: DatasetIndex, recipe: DatasetConfig, split: str = "train") -> MedicalDataset:
    slices = [each for scan in index.scans(split) for each in scan.slices]
    return MedicalDataset(slices=slices, windows=scan_windows(index.scans(split)), recipe=recipe)


def test_item_has_the_promised_shapes(tiny_index: DatasetIndex):
    dataset = _dataset(tiny_index, DatasetConfig(image_size=96))
    item = dataset[0]
    assert len(dataset) == 18
    assert item["image"].shape == (3, 96, 96)
    assert item["image"].dtype == torch.float32
    assert item["mask"].shape == (96, 96)
    assert item["mask"].dtype == torch.int64


def test_image_is_normalised_as_the_predictor_does(tiny_index: DatasetIndex, recipe: DatasetConfig):
    dataset = _dataset(tiny_index, recipe)
    image, _ = dataset.slices[0].read()
    pixels = torch.from_numpy(image).float() / 255
    item = dataset[0]
    for channel in range(3):
        wanted = (pixels - recipe.mean[channel]) / recipe.std[channel]
        assert torch.allclose(item["image"][channel], wanted, atol=1e-6)


def test_deep_pictures_are_windowed_by_their_scan(tmp_path: Path, recipe: DatasetConfig):
    source = write_pairs(tmp_path / "deep", patients=2, slices=3, dtype=np.uint16)
    prepare_pairs(source, tmp_path / "set", split=SplitConfig())
    index = load_index(tmp_path / "set")
    scan = index.scans("train")[0]
    window = scan_windows([scan])[scan.id]
    assert window == volume_window(scan.read_image())
    dataset = MedicalDataset(slices=scan.slices, windows={scan.id: window}, recipe=recipe)
    assert np.array_equal(dataset.read(0)[0], window.apply(scan.read_image()[0]))


def test_eight_bit_scans_are_taken_as_they_are(tiny_index: DatasetIndex, recipe: DatasetConfig):
    assert set(scan_windows(tiny_index.scans("train")).values()) == {FULL_8BIT}
    scan = tiny_index.scans("train")[0]
    dataset = MedicalDataset(slices=scan.slices, windows={}, recipe=recipe)
    assert np.array_equal(dataset.read(0)[0], scan.read_image()[0])


def test_window_is_applied(tiny_index: DatasetIndex, recipe: DatasetConfig):
    scan = tiny_index.scans("train")[0]
    dataset = MedicalDataset(slices=scan.slices, windows={scan.id: Window(254, 255)}, recipe=recipe)
    assert dataset.read(0)[0].max() == 0


def test_unreadable_slice_travels_as_data(own_dataset: Path, recipe: DatasetConfig, damage: Callable[[Path], Path]):
    dataset = _dataset(load_index(own_dataset), recipe)
    path = damage(dataset.slices[1].image)
    item = dataset[1]
    assert isinstance(item, Unreadable)
    assert path.name in item.value
    assert collate([dataset[0], item]) is item


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_slice_is_raised_in_the_training_process(
    own_dataset: Path, recipe: DatasetConfig, tiny_training: TrainingConfig, damage: Callable[[Path], Path], workers: int
):
    index = load_index(own_dataset)
    data = MedicalSegmentationDataModule(index, training=replace(tiny_training, workers=workers), recipe=recipe)
    data.setup()
    path = damage(index.scans("valid")[0].slices[0].mask)
    with pytest.raises(DatasetError, match=path.name):
        data.on_before_batch_transfer(next(iter(data.val_dataloader())), 0)


def test_same_seed_same_order(tiny_index: DatasetIndex, recipe: DatasetConfig, tiny_training: TrainingConfig):
    batches = []
    for seed in (1, 1, 2):
        data = MedicalSegmentationDataModule(tiny_index, training=replace(tiny_training, seed=seed), recipe=recipe)
        data.prepare_data()
        data.setup()
        batches.append(next(iter(data.train_dataloader()))["mask"])
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_validation_is_neither_shuffled_nor_changed(
    tiny_index: DatasetIndex, recipe: DatasetConfig, tiny_training: TrainingConfig
):
    data = MedicalSegmentationDataModule(tiny_index, training=tiny_training, recipe=recipe)
    data.setup()
    batch = next(iter(data.val_dataloader()))
    assert np.array_equal(batch["mask"].numpy(), tiny_index.scans("valid")[0].read_labels())


def test_check_names_all_bad_files(own_dataset: Path, damage: Callable[[Path], Path]):
    scans = load_index(own_dataset).scans("train")
    first, second = damage(scans[0].slices[0].image), damage(scans[1].slices[2].mask)
    with pytest.raises(DatasetError, match=f"2 slices cannot be used.*{first.name}.*{second.name}"):
        check_slices(scans)
