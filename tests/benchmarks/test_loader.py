"""Slices a second: the course's loading and augmentation as the course writes it, beside ours; one worker, same slices.

``make bench`` measures on phantoms; ``GUTCHECK_BENCH_DATA=DATASET`` on a data set of one's own.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from core.config import DatasetConfig, PhantomConfig, SplitConfig, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.data.prepare.phantoms import prepare_phantom
from training.augmentation import albumentations
from training.cache import build_cache
from training.datamodule import MedicalSegmentationDataModule, start_worker
from training.dataset import to_network

SIDE, BATCH = 288, 8
SECONDS = 8.0
"""Each side is measured so long, in turns."""
TURNS = 3
RECIPE = DatasetConfig(image_size=SIDE)


class CourseDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The course's ``MedicalDataset``: colour pictures, channels reversed and then resized, albumentations to the end."""

    def __init__(self, images: list[Path], masks: list[Path]) -> None:
        self.images, self.masks = images, masks
        self.transforms = albumentations.Compose(
            [
                albumentations.HorizontalFlip(p=0.5),
                albumentations.VerticalFlip(p=0.5),
                # ShiftScaleRotate in the library's present words.
                albumentations.Affine(
                    translate_percent=(-0.12, 0.12), scale=(0.88, 1.12), rotate=(-15, 15), keep_ratio=True, p=0.5
                ),
                albumentations.RandomBrightnessContrast(p=0.5),
                albumentations.CoarseDropout(
                    num_holes_range=(5, 8),
                    hole_height_range=(0.05, 0.05),
                    hole_width_range=(0.05, 0.05),
                    fill=0,
                    fill_mask=0,
                    p=0.5,
                ),
                albumentations.Normalize(mean=RECIPE.mean, std=RECIPE.std),
                albumentations.pytorch.ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    @staticmethod
    def load_file(path: Path, *, depth: int) -> np.ndarray:
        file = cv2.imread(str(path), depth)
        if depth == cv2.IMREAD_COLOR:
            file = file[:, :, ::-1]
        return cv2.resize(file, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = self.load_file(self.images[index], depth=cv2.IMREAD_COLOR)
        mask = self.load_file(self.masks[index], depth=cv2.IMREAD_GRAYSCALE)
        changed = self.transforms(image=image, mask=mask)
        return changed["image"], changed["mask"].to(torch.long)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    own = os.environ.get("GUTCHECK_BENCH_DATA")
    if own:
        return load_index(Path(own))
    root = tmp_path_factory.mktemp("bench") / "phantoms"
    # The public set's slices, in number of pixels: 266 squared.
    prepare_phantom(root, config=PhantomConfig(patients=4, slices=60, size=266), split=SplitConfig(valid_fraction=0.25))
    return load_index(root)


def slices_per_s(epoch: Callable[[], Iterator[Any]], seconds: float, count: Callable[[Any], int]) -> float:
    """Measured from the first batch on, over as many epochs as it takes; the start of the worker is not in it."""
    found = epoch()
    next(found)
    seen, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        batch = next(found, None)
        if batch is None:
            found = epoch()
        else:
            seen += count(batch)
    return seen / (time.perf_counter() - started)


@pytest.mark.benchmark
def test_the_cached_loader_beside_the_course_s(index: DatasetIndex) -> None:
    torch.set_num_threads(1)
    started = time.perf_counter()
    build_cache(index, SIDE)
    build_s = time.perf_counter() - started
    data = MedicalSegmentationDataModule(index, training=TrainingConfig(workers=1, batch_size=BATCH), recipe=RECIPE)
    data.setup()
    ours = data.train_dataloader()
    slices = data.datasets["train"].slices
    files = CourseDataset([each.image for each in slices], [each.mask for each in slices])
    course = DataLoader(
        files, BATCH, shuffle=True, num_workers=1, persistent_workers=True, worker_init_fn=start_worker, drop_last=True
    )
    rates: dict[str, list[float]] = {"course": [], "ours": [], "ours, normalised on this CPU": []}
    for _ in range(TURNS):
        rates["course"].append(slices_per_s(lambda: iter(course), SECONDS, lambda batch: len(batch[0])))
        rates["ours"].append(slices_per_s(lambda: iter(ours), SECONDS, lambda batch: len(batch["image"])))
        on_cpu = slices_per_s(lambda: (to_network(batch, RECIPE) for batch in ours), SECONDS, lambda batch: len(batch["image"]))
        rates["ours, normalised on this CPU"].append(on_cpu)
    middle = {name: float(np.median(found)) for name, found in rates.items()}
    count = sum(len(scan.slices) for scans in index.splits.values() for scan in scans)
    ratio = middle["ours"] / middle["course"]
    print(
        f"\n{index.name}: {len(slices)} training slices at {SIDE}×{SIDE}, one worker, median of {TURNS} turns of {SECONDS:.0f} s"
    )
    for name, rate in middle.items():
        print(f"  {name}: {rate:,.0f} slices a second ({min(rates[name]):,.0f} to {max(rates[name]):,.0f})")
    print(f"  ratio {ratio:.1f}; the cache of {count} slices was built in {build_s:.1f} s ({count / build_s:,.0f} a second)")
    assert ratio > 3
