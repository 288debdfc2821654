"""How long a run will take and how much memory, from a few of its own steps."""

import statistics
import sys
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from core.config import InputRecipe, TrainingConfig
from core.data.index import DatasetIndex
from core.model.segformer import build_model
from core.storage.workspace import RunPaths
from training.data.datamodule import MedicalSegmentationDataModule, WatchWork, silent_work
from training.model.module import MedicalSegmentationModel
from training.run.trainer import build_trainer, quiet

TRAIN_BATCHES = 5
VALID_BATCHES = 3


@dataclass(frozen=True)
class Estimate:
    """What a run will probably need."""

    seconds_per_step: float
    """Median over a few steps, the first left out."""
    seconds_per_epoch: float
    """Training and validation."""
    epochs: int
    """That it will make, `max_minutes` considered."""
    total_s: float
    peak_bytes: int
    """Largest memory in use: the GPU's where there is one, else this process's."""
    memory_bytes: int
    """What the GPU or the machine has."""
    device: str
    """Such as ``cpu`` or ``cuda``."""


class _Clock(pl.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {"train": [], "valid": []}
        self.device = "cpu"

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.device = trainer.strategy.root_device.type
        if self.device == "cuda":
            torch.cuda.synchronize()
        self.times["train"].append(time.perf_counter())

    def on_validation_batch_end(self, *_: Any) -> None:
        self.times["valid"].append(time.perf_counter())

    def pace_s(self, kind: str, otherwise: float) -> float:
        """Median seconds between two batches."""
        times = self.times[kind]
        return statistics.median([later - earlier for earlier, later in pairwise(times)] or [otherwise])


def estimate(index: DatasetIndex, training: TrainingConfig, recipe: InputRecipe, *, watch: WatchWork = silent_work) -> Estimate:
    """Train for a few steps and validate a few batches, in a folder that is thrown away.

    The data set's cache is built if it is not there, since the run would build it too.

    Raises: see `training.run.fit.fit`.
    """
    short = replace(training, epochs=1, max_steps=None, max_minutes=None, tracker="none", patience=None, schedule="none")
    clock = _Clock()
    with TemporaryDirectory() as scratch, quiet():
        if training.threads:
            torch.set_num_threads(training.threads)
        data = MedicalSegmentationDataModule(index, training=training, recipe=recipe, watch=watch)
        data.prepare_data()
        model = MedicalSegmentationModel.of(build_model(training.model, notify=lambda text: None), recipe=recipe, training=short)
        trainer = build_trainer(short, RunPaths(Path(scratch)), [clock])
        trainer.callbacks = [each for each in trainer.callbacks if not isinstance(each, ModelCheckpoint)]
        trainer.limit_train_batches, trainer.limit_val_batches = TRAIN_BATCHES, VALID_BATCHES
        trainer.fit(model, datamodule=data)
        batches = {split: -(-len(data.datasets[split]) // (training.batch_size * trainer.world_size)) for split in data.datasets}
    return _extrapolate(clock, batches, training)


def _extrapolate(clock: _Clock, batches: dict[str, int], training: TrainingConfig) -> Estimate:
    step = clock.pace_s("train", 0.0)
    epoch = batches["train"] * step + batches["valid"] * clock.pace_s("valid", step)
    epochs, total = training.planned_epochs, epoch * training.planned_epochs
    if training.max_steps is not None:
        epochs = min(epochs, -(-training.max_steps * training.accumulate // batches["train"]))
        total = epochs * epoch
    if training.max_minutes is not None and total > training.max_minutes * 60:
        # A run ends after the epoch in which its minutes are up.
        epochs = max(-(-int(training.max_minutes * 60) // max(int(epoch), 1)), 1)
        total = epochs * epoch
    peak, there = _memory(clock.device)
    return Estimate(step * training.accumulate, epoch, epochs, total, peak, there, clock.device)


def _memory(device: str) -> tuple[int, int]:
    if device == "cuda":
        return torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    return _peak_memory(), psutil.virtual_memory().total


def _peak_memory() -> int:
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
