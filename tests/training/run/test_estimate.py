"""How long a run will take, and the picture of learning."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from core.config import InputRecipe, TrainingConfig
from core.data.index import DatasetIndex
from core.runs.registry import Run
from core.storage.workspace import RunPaths
from training.__main__ import main
from training.run.estimate import _Clock, _extrapolate, estimate
from training.run.learning import TILE_PX, TILES, LearningPictures, grey_of


def paced(step_s: float, valid_s: float) -> _Clock:
    """A clock whose fourth step was held up."""
    clock = _Clock()
    steps = [step_s * n for n in range(3)] + [7 + step_s * n for n in range(3, 6)]
    clock.times = {"train": steps, "valid": [100 + valid_s * n for n in range(3)]}
    return clock


def test_time_by_hand():
    training = TrainingConfig(epochs=10, accumulate=2)
    # 100 batches of 2 s and 20 of 0.5 s are 210 s an epoch; a step is two batches.
    found = _extrapolate(paced(2.0, 0.5), {"train": 100, "valid": 20}, training)
    assert (found.seconds_per_step, found.seconds_per_epoch, found.epochs, found.total_s) == (4.0, 210.0, 10, 2100.0)


def test_the_limit_ends_with_an_epoch():
    # 10 minutes are reached in the third epoch of 210 s.
    found = _extrapolate(paced(2.0, 0.5), {"train": 100, "valid": 20}, TrainingConfig(epochs=10, max_minutes=10))
    assert (found.epochs, found.total_s) == (3, 630.0)


def test_a_limit_of_steps():
    found = _extrapolate(paced(2.0, 0.5), {"train": 100, "valid": 20}, TrainingConfig(epochs=10, max_steps=150))
    assert (found.epochs, found.total_s) == (2, 420.0)


@pytest.mark.slow
def test_real_steps_leave_no_run(
    tiny_index: DatasetIndex, tiny_training: TrainingConfig, recipe: InputRecipe, capsys: pytest.CaptureFixture[str]
):
    found = estimate(tiny_index, replace(tiny_training, epochs=4), recipe)
    assert 0 < found.seconds_per_step < found.seconds_per_epoch < found.total_s
    assert found.epochs == 4
    assert 1e8 < found.peak_bytes < found.memory_bytes
    left = {path.name for path in tiny_index.root.iterdir()} - {".cache"}
    assert left == {"dataset.json", "train", "valid"}
    words = [f"--{name}={getattr(tiny_training, name)}" for name in ("model", "batch_size", "workers", "accelerator", "threads")]
    main(["estimate", "--data", str(tiny_index.root), f"--image_size={recipe.image_size}", "--epochs=2", "--json", *words])
    assert json.loads(capsys.readouterr().out)["epochs"] == 2


def test_a_picture_of_learning_an_epoch(tiny_run: Run):
    names = sorted(path.name for path in tiny_run.paths.learning.iterdir())
    assert names == ["epoch-001.png", "epoch-002.png", "reference.png"]
    picture = cv2.imread(str(tiny_run.paths.learning / "reference.png"))
    assert picture.shape[0] == TILE_PX
    assert picture.shape[1] % TILE_PX == 0
    assert 1 <= picture.shape[1] // TILE_PX <= TILES
    # The reference has organs, and so colour.
    assert (picture.max(axis=2) != picture.min(axis=2)).any()


def test_the_picture_is_the_slice_that_the_network_sees():
    recipe = InputRecipe(image_size=32)
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 32)).astype(np.uint8)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (recipe.mean, recipe.std))
    images = (torch.from_numpy(grey)[:, None].repeat(1, 3, 1, 1) / 255 - mean) / std
    assert (grey_of(images, recipe) == grey).all()


def test_a_full_disk_ends_no_run(tmp_path: Path):
    (tmp_path / "learning").write_text("a file where the folder should be")
    recipe = InputRecipe(image_size=32)
    pictures = LearningPictures(RunPaths(tmp_path), recipe)
    trainer = SimpleNamespace(val_dataloaders=SimpleNamespace(sampler=range(2)), current_epoch=0)
    batch = {"image": torch.zeros(2, 3, 32, 32), "mask": torch.ones(2, 32, 32, dtype=torch.long)}
    pictures.on_validation_batch_end(trainer, None, None, batch, 0)
    pictures.on_validation_epoch_end(trainer, lambda images: torch.zeros(len(images), 4, 32, 32))
    assert (tmp_path / "learning").is_file()
