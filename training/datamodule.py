"""The training and validation slices of a data set, as Lightning wants them."""

import signal
from collections.abc import Callable
from typing import Any

import cv2
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from core.config import DatasetConfig, TrainingConfig
from core.data.index import SPLITS, DatasetIndex, Scan
from core.errors import DatasetError
from core.progress import Progress, silent
from training.augmentation import training_transform
from training.checks import check_slices
from training.dataset import MedicalDataset, Unreadable, collate, scan_windows, to_network
from training.order import SeededSampler

WatchWork = Callable[[str], Progress]
"""Told the name of a piece of long work; gives what the work reports its progress to."""


def unwatched(work: str) -> Progress:
    """Report nothing."""
    return silent


class MedicalSegmentationDataModule(pl.LightningDataModule):  # type: ignore[misc]
    """Loaders over the two splits of a data set; batches are ``image`` (B, 3, S, S) float32 and ``mask`` (B, S, S) int64."""

    def __init__(
        self, index: DatasetIndex, *, training: TrainingConfig, recipe: DatasetConfig, watch: WatchWork = unwatched
    ) -> None:
        super().__init__()
        self.index, self.training, self.recipe, self.watch = index, training, recipe, watch
        self.datasets: dict[str, MedicalDataset] = {}
        self._checked = False

    def prepare_data(self) -> None:
        """Check every file once.

        Raises:
            DatasetError: a split is empty, or files cannot be used; they are named.
        """
        scans = [scan for split in SPLITS for scan in self.index.scans(split)]
        if not self._checked:
            check_slices(scans, progress=self.watch("Checking files"))
        self._checked = True

    def setup(self, stage: str | None = None) -> None:
        """Find each scan's grey window in this process, so that loader processes read no volumes."""
        for split in SPLITS:
            if split not in self.datasets:
                self.datasets[split] = self._dataset(split, self.index.scans(split))

    def _dataset(self, split: str, scans: tuple[Scan, ...]) -> MedicalDataset:
        return MedicalDataset(
            slices=[each for scan in scans for each in scan.slices],
            windows=scan_windows(scans, progress=self.watch(f"Windows of {split}")),
            recipe=self.recipe,
            transform=training_transform(holes_clear_mask=self.training.holes_clear_mask) if split == "train" else None,
            seed=self.training.seed,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Augmented, in an order of its own each epoch; both depend on (seed, epoch, position) alone."""
        return self._loader("train", SeededSampler(len(self.datasets["train"]), seed=self.training.seed))

    def val_dataloader(self) -> DataLoader[Any]:
        """In the order of the index, as it is."""
        return self._loader("valid")

    def _loader(self, split: str, sampler: SeededSampler | None = None) -> DataLoader[Any]:
        workers = self.training.workers
        return DataLoader(
            self.datasets[split],
            batch_size=self.training.batch_size,
            sampler=sampler,
            num_workers=workers,
            worker_init_fn=start_worker,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
        )

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Raise here, in the training process, what a loader process could not.

        Raises:
            DatasetError: a slice of the batch could not be read.
        """
        if isinstance(batch, Unreadable):
            raise DatasetError(batch.what, value=batch.value, todo=batch.todo)
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Normalise on the device what came from the cache as bytes."""
        return to_network(batch, self.recipe) if batch["image"].dtype == torch.uint8 else batch


def start_worker(worker: int) -> None:
    """Set up a loader process."""
    # Ctrl-C reaches the whole process group; the training process stops its loaders itself, after the present step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One process is one core's worth of loading; OpenCV's own threads would compete with the training.
    cv2.setNumThreads(0)
