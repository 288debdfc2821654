"""The training and validation slices of a data set, as Lightning wants them."""

import signal
from collections.abc import Callable
from typing import Any

import cv2
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, get_worker_info

from core.config import DatasetConfig, TrainingConfig
from core.data.index import SPLITS, DatasetIndex, Scan
from core.errors import DatasetError
from core.progress import Progress, silent
from training.augmentation import reseed, training_transform
from training.checks import check_slices
from training.dataset import MedicalDataset, Unreadable, collate, scan_windows

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
            transform=training_transform(self.training.seed) if split == "train" else None,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled and augmented; the order depends on the seed alone."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """In the order of the index, as it is."""
        return self._loader("valid", shuffle=False)

    def _loader(self, split: str, *, shuffle: bool) -> DataLoader[Any]:
        workers = self.training.workers
        return DataLoader(
            self.datasets[split],
            batch_size=self.training.batch_size,
            shuffle=shuffle,
            generator=torch.Generator().manual_seed(self.training.seed),
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


def start_worker(worker: int) -> None:
    """Set up a loader process."""
    # Ctrl-C reaches the whole process group; the training process stops its loaders itself, after the present step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One process is one core's worth of loading; OpenCV's own threads would compete with the training.
    cv2.setNumThreads(0)
    info = get_worker_info()
    if info is not None and isinstance(info.dataset, MedicalDataset):
        reseed(info.dataset.transform, info.seed)
