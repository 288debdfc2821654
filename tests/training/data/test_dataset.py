"""Slices as tensors, and what happens to those that cannot be read."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import ArchiveConfig, InferenceConfig, InputRecipe, InputWindow, SplitConfig, TrainingConfig
from core.data.images import FULL_8BIT, Window, model_window, volume_window
from core.data.index import DatasetIndex, load_index
from core.data.prepare.pairs import prepare_pairs
from core.errors import DatasetError
from core.model.predictor import Predictor
from tests.conftest import write_pairs
from training.data.checks import check_slices
from training.data.datamodule import MedicalSegmentationDataModule
from training.data.dataset import MedicalDataset, Unreadable, collate, scan_windows
from training.data.order import Draw


def _dataset(index: DatasetIndex, recipe: InputRecipe, split: str = "train") -> MedicalDataset:
    slices = [each for scan in index.scans(split) for each in scan.slices]
    return MedicalDataset(slices=slices, windows=scan_windows(index.scans(split)), recipe=recipe)


def test_item_has_the_promised_shapes(tiny_index: DatasetIndex):
    dataset = _dataset(tiny_index, InputRecipe(image_size=96))
    item = dataset[0]
    assert len(dataset) == 18
    assert item["image"].shape == (3, 96, 96)
    assert item["image"].dtype == torch.float32
    assert item["mask"].shape == (96, 96)
    assert item["mask"].dtype == torch.int64


def test_image_is_normalised_as_the_predictor_does(tiny_index: DatasetIndex, recipe: InputRecipe):
    dataset = _dataset(tiny_index, recipe)
    image, _ = dataset.slices[0].read()
    pixels = torch.from_numpy(image).float() / 255
    item = dataset[0]
    for channel in range(3):
        wanted = (pixels - recipe.mean[channel]) / recipe.std[channel]
        assert torch.allclose(item["image"][channel], wanted, atol=1e-6)


def test_deep_pictures_are_windowed_by_their_scan(tmp_path: Path, recipe: InputRecipe):
    source = write_pairs(tmp_path / "deep", patients=2, slices=3, dtype=np.uint16)
    prepare_pairs(source, tmp_path / "set", split=SplitConfig())
    index = load_index(tmp_path / "set")
    scan = index.scans("train")[0]
    window = scan_windows([scan])[scan.id]
    assert window == volume_window(scan.read_image())
    dataset = MedicalDataset(slices=scan.slices, windows={scan.id: window}, recipe=recipe)
    assert np.array_equal(dataset.planes.image(0), window.apply(scan.read_image()[0]))


def test_eight_bit_scans_are_taken_as_they_are(tiny_index: DatasetIndex, recipe: InputRecipe):
    assert set(scan_windows(tiny_index.scans("train")).values()) == {FULL_8BIT}
    scan = tiny_index.scans("train")[0]
    dataset = MedicalDataset(slices=scan.slices, windows={}, recipe=recipe)
    assert np.array_equal(dataset.read(0)[0], np.dstack([scan.read_image()[0]] * 3))


def test_window_is_applied(tiny_index: DatasetIndex, recipe: InputRecipe):
    scan = tiny_index.scans("train")[0]
    dataset = MedicalDataset(slices=scan.slices, windows={scan.id: Window(254, 255)}, recipe=recipe)
    assert dataset.read(0)[0].max() == 0


def test_unreadable_slice_travels_as_data(own_dataset: Path, recipe: InputRecipe, damage: Callable[[Path], Path]):
    dataset = _dataset(load_index(own_dataset), recipe)
    path = damage(dataset.slices[1].image)
    item = dataset[1]
    assert isinstance(item, Unreadable)
    assert path.name in item.value
    assert collate([dataset[0], item]) is item


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_slice_is_raised_in_the_training_process(
    own_dataset: Path, recipe: InputRecipe, tiny_training: TrainingConfig, damage: Callable[[Path], Path], workers: int
):
    index = load_index(own_dataset)
    data = MedicalSegmentationDataModule(index, training=replace(tiny_training, workers=workers, cache=False), recipe=recipe)
    data.setup()
    path = damage(index.scans("valid")[0].slices[0].mask)
    with pytest.raises(DatasetError, match=path.name):
        data.on_before_batch_transfer(next(iter(data.val_dataloader())), 0)


def test_same_seed_same_order(tiny_index: DatasetIndex, recipe: InputRecipe, tiny_training: TrainingConfig):
    batches = []
    for seed in (1, 1, 2):
        data = MedicalSegmentationDataModule(tiny_index, training=replace(tiny_training, seed=seed), recipe=recipe)
        data.prepare_data()
        data.setup()
        batches.append(next(iter(data.train_dataloader()))["mask"])
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_validation_is_neither_shuffled_nor_changed(tiny_index: DatasetIndex, recipe: InputRecipe, tiny_training: TrainingConfig):
    data = MedicalSegmentationDataModule(tiny_index, training=tiny_training, recipe=recipe)
    data.setup()
    batch = next(iter(data.val_dataloader()))
    assert np.array_equal(batch["mask"].numpy(), tiny_index.scans("valid")[0].read_labels())


def test_arguments_are_named():
    with pytest.raises(TypeError, match="positional argument"):
        MedicalDataset([], InputRecipe())  # type: ignore[misc]


@pytest.mark.parametrize(("stride", "window", "dtype"), [(1, "none", np.uint16), (2, "scan", np.uint8), (0, "scan", np.uint8)])
def test_training_shows_the_network_what_prediction_shows_it(tmp_path: Path, stride: int, window: InputWindow, dtype: type):
    """Pictures of another size than the network's, windowed by their scan, with a gap in the numbers: every step counts."""
    source = write_pairs(tmp_path / "pairs", patients=2, slices=7, dtype=dtype)
    for kind in ("images", "masks"):
        (source / kind / "case1_day0_slice_0004.png").unlink()
    prepare_pairs(source, tmp_path / "set", split=SplitConfig(valid_patients=("case2",)))
    recipe = InputRecipe(image_size=96, context_stride=stride, window=window)
    index = load_index(tmp_path / "set")
    scan = index.scans("train")[0]
    predictor = Predictor(torch.nn.Identity(), recipe, InferenceConfig(device="cpu"))
    volume, numbers = scan.read_image(), [each.name.number for each in scan.slices]
    assert model_window(volume, window) == volume_window(volume) != FULL_8BIT
    shown = shown_by(predictor, volume, numbers)
    assert len({plane.tobytes() for plane in shown[1]}) == (3 if stride else 1)
    for cache in (False, True):
        training = TrainingConfig(workers=0, cache=cache)
        data = MedicalSegmentationDataModule(index, training=training, recipe=recipe)
        data.setup()
        dataset = data.datasets["train"]
        for number, wanted in enumerate(shown):
            image, _ = dataset.read(number)
            planes = image.transpose(2, 0, 1) if image.ndim == 3 else image[None]
            # From files a slice alone is in three equal channels, as in the course.
            np.testing.assert_array_equal(planes, np.broadcast_to(wanted, planes.shape))


class _Shown(Exception):
    """Carries what the network would have been shown."""


def shown_by(predictor: Predictor, volume: np.ndarray, numbers: list[int]) -> np.ndarray:
    """What the prediction of a scan shows the network, in one batch of all slices."""

    def best(planes: np.ndarray) -> None:
        raise _Shown(planes)

    predictor.engine.best = best  # type: ignore[method-assign, assignment]
    with pytest.raises(_Shown) as caught:
        predictor.predict_scan(volume, numbers=numbers)
    planes: np.ndarray = caught.value.args[0]
    assert len(planes) == len(volume)
    return planes


def test_augmentation_is_a_function_of_seed_epoch_and_position(tiny_index: DatasetIndex, tiny_training: TrainingConfig, recipe):
    data = MedicalSegmentationDataModule(tiny_index, training=tiny_training, recipe=recipe)
    data.setup()
    dataset = data.datasets["train"]
    first, again = dataset[Draw(3, 1, 5)]["image"], dataset[Draw(3, 1, 5)]["image"]
    assert torch.equal(first, again)
    changed = [dataset[draw]["image"] for draw in (Draw(3, 2, 5), Draw(3, 1, 6), Draw(3, 4, 5), Draw(3, 1, 9))]
    assert not all(torch.equal(first, other) for other in changed)
    dataset.set_epoch(1)
    assert torch.equal(dataset[5]["image"], dataset[Draw(5, 1, 5)]["image"])


def test_the_number_of_loader_processes_changes_nothing(tiny_index: DatasetIndex, tiny_training: TrainingConfig, recipe):
    epochs: list[list[torch.Tensor]] = []
    for workers in (0, 2):
        training = replace(tiny_training, workers=workers, batch_size=4)
        data = MedicalSegmentationDataModule(tiny_index, training=training, recipe=recipe)
        data.setup()
        loader = data.train_dataloader()
        for epoch in (0, 1):
            loader.sampler.set_epoch(epoch)
            epochs.append([batch["image"] for batch in loader])
    for one, two in ((epochs[0], epochs[2]), (epochs[1], epochs[3])):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(epochs[0][0], epochs[1][0])


def test_a_missing_data_set_is_fetched_by_prepare_data(tmp_path: Path, own_dataset: Path, tiny_training: TrainingConfig, recipe):
    """Rank zero fetches, the others do not."""
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", own_dataset)
    root, config = tmp_path / "fetched", ArchiveConfig(archive=archive)
    data = MedicalSegmentationDataModule(root, training=tiny_training, recipe=recipe, archive=config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_RANK", "1")
        data.prepare_data()
        assert not root.exists()
    data.prepare_data()
    data.setup()
    assert len(data.datasets["train"]) == 18
    assert data.index.manifest.split == "as it came"


def test_check_names_all_bad_files(own_dataset: Path, damage: Callable[[Path], Path]):
    scans = load_index(own_dataset).scans("train")
    first, second = damage(scans[0].slices[0].image), damage(scans[1].slices[2].mask)
    with pytest.raises(DatasetError, match=f"2 slices cannot be used.*{first.name}.*{second.name}"):
        check_slices(scans)
