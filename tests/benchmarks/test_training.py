"""Training steps on a GPU: slices a second and memory, the course's loop beside ours, in one run.

``GUTCHECK_BENCH_DATA=DATASET`` measures on a data set of one's own; without a CUDA device there is nothing to measure.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from transformers import SegformerForSemanticSegmentation

from core.config import PhantomConfig, SplitConfig, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.data.prepare.phantoms import prepare_phantom
from core.model.segformer import architecture
from core.storage.workspace import RunPaths
from tests.benchmarks.course import RECIPE, SIDE, CourseDataset, CourseModule
from training.data.cache import build_cache
from training.data.datamodule import MedicalSegmentationDataModule, start_worker
from training.model.module import MedicalSegmentationModel
from training.run.trainer import build_trainer, quiet

WARM_UP_STEPS, SECONDS = 25, 12.0
WORKERS = min(os.cpu_count() or 1, 14)
PEAK_FLOPS = float(os.environ.get("GUTCHECK_BENCH_PEAK_TFLOPS", "989")) * 1e12
"""Dense half-precision rate by the card's data sheet; the default is the H100's and the H200's (SXM)."""

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.timeout(580),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("default"),  # another version of torch or of Lightning says other things
]


@dataclass
class Pace(pl.Callback):  # type: ignore[misc]
    """Counts slices from the end of the warm-up on, then stops the training."""

    slices: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    started: float = 0.0

    def __hash__(self) -> int:
        return id(self)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == WARM_UP_STEPS:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self.started = time.perf_counter()
        elif self.started and not self.seconds:
            self.slices += len(batch["mask"] if isinstance(batch, dict) else batch[1])
            if time.perf_counter() - self.started > SECONDS:
                torch.cuda.synchronize()
                self.seconds, self.peak_bytes = time.perf_counter() - self.started, torch.cuda.max_memory_allocated()
                trainer.should_stop = True

    @property
    def slices_per_s(self) -> float:
        return self.slices / self.seconds


class SameBatch:
    """One batch again and again: what the loop does when it never waits for a loader."""

    def __init__(self, batch: Any, steps: int = 100_000) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Any:
        return (self.batch for _ in range(self.steps))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    own = os.environ.get("GUTCHECK_BENCH_DATA")
    if own:
        return load_index(Path(own))
    root = tmp_path_factory.mktemp("bench") / "phantoms"
    prepare_phantom(root, config=PhantomConfig(patients=8, slices=60, size=266), split=SplitConfig(valid_fraction=0.25))
    return load_index(root)


def network(size: str) -> SegformerForSemanticSegmentation:
    torch.manual_seed(0)
    return SegformerForSemanticSegmentation(architecture(size))


def course_pace(index: DatasetIndex, size: str, batch: int, *, same: bool) -> Pace:
    """The course's trainer: mixed precision, a progress bar's values each step, no callbacks of ours."""
    slices = [each for scan in index.scans("train") for each in scan.slices]
    files = CourseDataset([each.image for each in slices], [each.mask for each in slices])
    loader: Any = DataLoader(
        files, batch, shuffle=True, num_workers=WORKERS, pin_memory=True, persistent_workers=True, worker_init_fn=start_worker
    )
    if same:
        loader = SameBatch(next(iter(loader)))
    pace = Pace()
    trainer = pl.Trainer(
        accelerator="gpu", devices=1, precision="16-mixed", max_epochs=10_000, callbacks=[pace], logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False, num_sanity_val_steps=0,
    )  # fmt: skip
    with quiet():
        trainer.fit(CourseModule(network(size)), loader)
    return pace


def our_pace(index: DatasetIndex, size: str, batch: int, folder: Path, *, same: bool) -> Pace:
    training = TrainingConfig(model=size, batch_size=batch, workers=WORKERS, epochs=10_000, tracker="none", devices=1)
    data = MedicalSegmentationDataModule(index, training=training, recipe=RECIPE)
    data.prepare_data()
    data.setup()
    pace = Pace()
    trainer = build_trainer(training, RunPaths(folder), [pace])
    trainer.callbacks = [each for each in trainer.callbacks if not isinstance(each, ModelCheckpoint)]
    trainer.limit_val_batches = 0
    if same:
        once = next(iter(data.train_dataloader()))
        data.train_dataloader = lambda: SameBatch(once)  # type: ignore[method-assign,assignment,return-value]
    model = MedicalSegmentationModel.of(network(size), recipe=RECIPE, training=training)
    with quiet():
        trainer.fit(model, datamodule=data)
    return pace


def training_flops(size: str) -> float:
    """Of one slice: three times the way forwards, which torch's own counter counts (its count of the way back takes depthwise
    convolutions for full ones)."""
    model = network(size).cuda().eval()
    images = torch.randn(2, 3, SIDE, SIDE, device="cuda")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(pixel_values=images)
    return 3 * counter.get_total_flops() / len(images)


@pytest.mark.parametrize(("size", "batch"), [("b0", 8), ("b0", 64), ("b4", 8), ("b4", 64)])
def test_training_beside_the_course_s(index: DatasetIndex, size: str, batch: int, tmp_path: Path) -> None:
    build_cache(index, SIDE)
    sides: dict[str, Callable[[bool], Pace]] = {
        "course": lambda same: course_pace(index, size, batch, same=same),
        "ours": lambda same: our_pace(index, size, batch, tmp_path, same=same),
    }
    print(f"\n{torch.cuda.get_device_name()}, SegFormer {size} at {SIDE}×{SIDE}, batch {batch}, {WORKERS} loader processes")
    flops = training_flops(size)
    found = {}
    for name, measure in sides.items():
        loaded, same = measure(False), measure(True)
        found[name] = loaded.slices_per_s
        share = loaded.slices_per_s * flops / PEAK_FLOPS
        print(
            f"  {name}: {loaded.slices_per_s:,.0f} slices a second, peak {loaded.peak_bytes / 2**20:,.0f} MiB, "
            f"{share:.1%} of the card's peak; {same.slices_per_s:,.0f} a second where it never waits for a loader"
        )
    ratio = found["ours"] / found["course"]
    print(f"  ratio {ratio:.2f}; {flops / 1e9:.1f} GFLOP a slice")
    assert ratio > 0.9
