"""Slices a second: the course's loading and augmentation as the course writes it, beside ours; one worker, same slices.

``make bench`` measures on phantoms; ``GUTCHECK_BENCH_DATA=DATASET`` on a data set of one's own.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from core.config import PhantomConfig, SplitConfig, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.data.prepare.phantoms import prepare_phantom
from tests.benchmarks.course import RECIPE, SIDE, CourseDataset
from training.data.cache import build_cache
from training.data.datamodule import MedicalSegmentationDataModule, start_worker
from training.data.dataset import to_network

BATCH = 8
SECONDS = 8.0
"""Each side is measured so long, in turns."""
TURNS = 3


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
