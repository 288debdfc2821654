"""The training and validation slices of a data set, as Lightning wants them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from core.cli.progress import ReportProgress, silent
from core.config import ArchiveConfig, InputRecipe, TrainingConfig
from core.data.index import SPLITS, DatasetIndex, load_index
from core.data.prepare.uw_madison import prepare_uw_madison
from core.data.scan import Scan
from core.errors import DatasetError
from training.data.augmentation import training_transform
from training.data.balance import BalancedSampler, organs_shown
from training.data.cache import Cache, build_cache, open_cache
from training.data.checks import check_slices
from training.data.dataset import MedicalDataset, Unreadable, collate, scan_windows, to_network
from training.data.fast_augmentation import FastTransform
from training.data.order import SeededSampler

WatchWork = Callable[[str], ReportProgress]
"""Told the name of a piece of long work; gives what the work reports its progress to."""


def silent_work(work: str) -> ReportProgress:
    """Report nothing."""
    return silent


class MedicalSegmentationDataModule(pl.LightningDataModule):  # type: ignore[misc]
    """Loaders over the two splits of a data set.

    On the device, batches are ``image`` (B, 3, S, S) float32 and ``mask`` (B, S, S) int64.
    """

    def __init__(
        self,
        data: DatasetIndex | Path,
        *,
        training: TrainingConfig,
        recipe: InputRecipe,
        archive: ArchiveConfig | None = None,
        watch: WatchWork = silent_work,
    ) -> None:
        """
        Args:
            data: a data set; or the folder of one, which need not be there yet.
            archive: where the public data set comes from if that folder is not there.
            watch: gives long work its progress bar.
        """
        super().__init__()
        self.root = data if isinstance(data, Path) else data.root
        self.training, self.recipe, self.archive, self.watch = training, recipe, archive, watch
        self.datasets: dict[str, MedicalDataset] = {}
        self._index = None if isinstance(data, Path) else data
        self._checked = False

    @property
    def index(self) -> DatasetIndex:
        """The data set.

        Raises:
            DatasetError: it is not there, or its files do not fit together.
        """
        self._index = self._index or load_index(self.root)
        return self._index

    def prepare_data(self) -> None:
        """Fetch the data set if it is not there, check every file once, and build the cache; in one process of the machine.

        Raises:
            DatasetError: it cannot be had, a split is empty, or files or names cannot be used; they are named.
            WorkspaceError: the disk is too full or refuses.
        """
        if self._checked or _local_rank():
            return
        if self.archive is not None and not self.root.exists():
            prepare_uw_madison(self.root, config=self.archive, progress=self.watch("Fetching the data set"))
        self.index.check_names()
        scans = [scan for split in SPLITS for scan in self.index.scans(split)]
        wanted = self.recipe.image_size, self.recipe.window
        if not self.training.cache:
            check_slices(scans, progress=self.watch("Checking files"))
        elif open_cache(self.index, *wanted, progress=self.watch("Checking the cache")) is None:
            check_slices(scans, progress=self.watch("Checking files"))
            build_cache(self.index, *wanted, workers=self.training.workers, progress=self.watch("Building the cache"))
        self._checked = True

    def setup(self, stage: str | None = None) -> None:
        """Open the cache; without one, find each scan's grey window here, so that loader processes read no volumes."""
        if self.datasets:
            return
        cache = self._cache() if self.training.cache else None
        self.datasets = {split: self._dataset(split, self.index.scans(split), cache) for split in SPLITS}

    def _cache(self) -> Cache:
        wanted = self.recipe.image_size, self.recipe.window
        return open_cache(self.index, *wanted, check=not (self._checked or _local_rank())) or build_cache(self.index, *wanted)

    def _dataset(self, split: str, scans: tuple[Scan, ...], cache: Cache | None) -> MedicalDataset:
        slices = [each for scan in scans for each in scan.slices]
        return MedicalDataset(
            slices=slices,
            windows=None if cache else scan_windows(scans, self.recipe.window, progress=self.watch(f"Windows of {split}")),
            cached=cache.planes(slices) if cache else None,
            recipe=self.recipe,
            transform=self._transform() if split == "train" else None,
            seed=self.training.seed,
        )

    def _transform(self) -> Any:
        make: Callable[..., Any] = FastTransform if self.training.cache else training_transform
        return make(holes_clear_mask=self.training.holes_clear_mask)

    def train_dataloader(self) -> DataLoader[Any]:
        """Augmented, in an order of its own each epoch; both depend on (seed, epoch, position) alone."""
        sampler = self._train_sampler()
        if self.trainer is not None:
            # A resumed run begins in the middle, and loader processes fetch before Lightning names the epoch.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)
        return self._loader("train", sampler)

    def _train_sampler(self) -> SeededSampler:
        dataset, seed, (rank, world) = self.datasets["train"], self.training.seed, self._place()
        if not self.training.balanced:
            return SeededSampler(len(dataset), seed=seed, rank=rank, world=world)
        shown = organs_shown(dataset.planes, len(dataset), progress=self.watch("Slices with organs"))
        return BalancedSampler(shown, seed=seed, rank=rank, world=world)

    def val_dataloader(self) -> DataLoader[Any]:
        """In the order of the index, as it is; of several processes each takes a share, and no slice comes twice."""
        (rank, world), count = self._place(), len(self.datasets["valid"])
        return self._loader("valid", SeededSampler(count, seed=0, shuffle=False, rank=rank, world=world, even=False))

    def _place(self) -> tuple[int, int]:
        """Which training process this is, and of how many."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _loader(self, split: str, sampler: SeededSampler) -> DataLoader[Any]:
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


def _local_rank() -> int:
    """Which process of this machine it is, in Lightning's words; 0 where there is one."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def start_worker(worker: int) -> None:
    """Set up a loader process."""
    # Ctrl-C, and SIGTERM from a scheduler, reach the whole process group; the training process stops its loaders itself,
    # after the present step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # One process is one core's worth of loading; OpenCV's own threads would compete with the training.
    cv2.setNumThreads(0)
