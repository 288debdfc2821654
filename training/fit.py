"""Training a run from a data set to an exported model, with everything it did on disk."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from core.config import DatasetConfig, TrainingConfig
from core.data.index import DatasetIndex
from core.errors import ConfigError, GutCheckError
from core.files import new_folder
from core.model import build_model, load_checkpoint, save_model
from core.runs import State
from core.workspace import RunPaths
from training.callbacks import COLUMNS, RunRecorder
from training.datamodule import MedicalSegmentationDataModule, WatchWork, unwatched
from training.module import MONITOR, MedicalSegmentationModel
from training.record import MetricsFile, RunLog, StatusFile, check_free, write_manifest, write_settings

CHECKPOINT_NAME = "epoch={epoch:03d}-loss={valid_loss:.4f}-f1={" + MONITOR + ":.4f}"


@dataclass(frozen=True)
class FitResult:
    """What a run came to."""

    paths: RunPaths
    state: State
    """``finished`` or ``stopped``."""
    checkpoint: Path | None
    """The best checkpoint; nothing where the run was stopped before its first validation."""
    score: float | None
    """Its mean Dice over organs, pooled over the validation pixels at the network's size."""


def fit(
    index: DatasetIndex,
    paths: RunPaths,
    training: TrainingConfig,
    recipe: DatasetConfig,
    *,
    watch: WatchWork = unwatched,
) -> FitResult:
    """Train on ``index`` and fill the run's folder.

    Nothing is written before the data set has been checked and the model built. From then on ``status.json`` tells how
    the run stands, and how it ended, whatever ends it. ``paths.stop_request``, Ctrl-C and SIGTERM end it after the present
    step; the best checkpoint so far is then exported.

    Raises:
        DatasetError, ImageError, MaskError: the data set cannot be used.
        ModelError: the model cannot be built.
        ConfigError: a setting that this machine cannot do.
        WorkspaceError: there is a run of that name, or the disk refuses.
        KeyboardInterrupt: Ctrl-C or SIGTERM, once everything is in order.
    """
    check_free(paths)
    log = RunLog()
    status = StatusFile(paths, epochs=training.epochs)
    with _recorded(status, log), _quiet():
        pl.seed_everything(training.seed, workers=True, verbose=False)
        if training.threads:
            torch.set_num_threads(training.threads)
        data = MedicalSegmentationDataModule(index, training=training, recipe=recipe, watch=watch)
        data.prepare_data()
        recorder = RunRecorder(status, MetricsFile(paths.metrics, COLUMNS), training, log)
        best = best_checkpoint(paths)
        trainer = build_trainer(training, paths, [recorder, best, *_progress_bar()])
        network = build_model(training.model, notify=log.say)
        model = MedicalSegmentationModel.of(network, recipe=recipe, training=training)
        start(status, log, index, training, recipe)
        run_trainer(trainer, model, data, training)
        return _finish(recorder, best, log)


def start(status: StatusFile, log: RunLog, index: DatasetIndex, training: TrainingConfig, recipe: DatasetConfig) -> None:
    """Make the run's folder and write what is known before the first step.

    Raises:
        WorkspaceError: the disk refuses.
    """
    status.write()
    log.open(status.paths.log)
    write_settings(status.paths, index, training, recipe)
    write_manifest(status.paths, index, training.seed)
    counts = ", ".join(f"{split} {sum(len(s.slices) for s in scans)} slices" for split, scans in index.splits.items())
    log.say(f"Run: {status.paths.root}")
    log.say(f"Training {training.model} at {recipe.image_size} pixels on {index.name} ({counts}).")


def best_checkpoint(paths: RunPaths) -> ModelCheckpoint:
    """Keeps the checkpoint with the best validation F1 over organs, and the last one."""
    return ModelCheckpoint(
        dirpath=paths.checkpoints,
        filename=CHECKPOINT_NAME,
        monitor=MONITOR,
        mode="max",
        save_top_k=1,
        save_last=True,
        auto_insert_metric_name=False,
        save_on_train_epoch_end=False,
    )


def build_trainer(training: TrainingConfig, paths: RunPaths, callbacks: list[Callback]) -> pl.Trainer:
    """Lightning's trainer for this machine; mixed precision only on CUDA (bf16 on a CPU is many times slower).

    Raises:
        ConfigError: this machine has no such accelerator.
    """
    on_cuda = training.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    try:
        return pl.Trainer(
            accelerator=training.accelerator,
            # Several devices need run folders that only the first process writes.
            devices=1,
            precision="16-mixed" if on_cuda else "32-true",
            max_epochs=training.epochs,
            callbacks=callbacks,
            default_root_dir=paths.root,
            logger=False,
            log_every_n_steps=10,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=any(isinstance(callback, TQDMProgressBar) for callback in callbacks),
        )
    except (MisconfigurationException, ValueError) as error:
        todo = "use one of: auto, cpu, gpu, mps"
        raise ConfigError("This machine has no such accelerator", value=training.accelerator, todo=todo) from error


def run_trainer(
    trainer: pl.Trainer, model: MedicalSegmentationModel, data: MedicalSegmentationDataModule, training: TrainingConfig
) -> None:
    """Train.

    Raises:
        ConfigError: the device's memory is too small for the batch.
    """
    try:
        trainer.fit(model, datamodule=data)
    except torch.OutOfMemoryError as error:
        todo = "lower --batch_size or --image_size"
        raise ConfigError("The device's memory is too small for this batch_size", value=training.batch_size, todo=todo) from error


def _finish(recorder: RunRecorder, best: ModelCheckpoint, log: RunLog) -> FitResult:
    status = recorder.status
    checkpoint = Path(best.best_model_path) if best.best_model_path else None
    score = None if best.best_model_score is None else float(best.best_model_score)
    if checkpoint is not None:
        export(checkpoint, status.paths)
    state: State = "stopped" if recorder.stopped_by else "finished"
    message = _message(recorder, checkpoint)
    status.write(state=state, remaining_s=None, message=message)
    status.paths.stop_request.unlink(missing_ok=True)
    log.note(message)
    if recorder.stopped_by == "signal":
        raise KeyboardInterrupt
    return FitResult(status.paths, state, checkpoint, score)


def _message(recorder: RunRecorder, checkpoint: Path | None) -> str:
    if not recorder.stopped_by:
        return "Finished."
    return "Stopped as asked." if checkpoint else "Stopped as asked, before the first validation: no model was kept."


def export(checkpoint: Path, paths: RunPaths, *, half: bool = False) -> None:
    """Write the network of a checkpoint as ``model/``, whole.

    Raises:
        ModelError: the checkpoint cannot be read.
        WorkspaceError: the disk refuses.
    """
    network, recipe = load_checkpoint(checkpoint)
    with new_folder(paths.model, replace=True) as folder:
        save_model(network, folder, recipe, half=half)


def _progress_bar() -> list[Callback]:
    # In a file a bar is noise, and Lightning draws on standard output; the line per epoch says enough.
    return [TQDMProgressBar(leave=False)] if sys.stdout.isatty() and sys.stderr.isatty() else []


@contextmanager
def _recorded(status: StatusFile, log: RunLog) -> Iterator[None]:
    """Whatever ends the block, the run's state says so; a run whose folder was never made leaves none."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        # Lightning turns a Ctrl-C into SystemExit.
        _close(status, "stopped", "Stopped by Ctrl-C or a signal.")
        raise KeyboardInterrupt from end
    except GutCheckError as error:
        # Only the kind goes to the log: the sentence may name a file, and so a patient.
        log.note(f"Failed: {type(error).__name__}; status.json says why.")
        _close(status, "failed", str(error))
        raise
    except Exception as error:
        log.note("Failed.", trace=error)
        _close(status, "failed", f"The training failed: {type(error).__name__}; see train.log.")
        raise
    finally:
        log.close()


def _close(status: StatusFile, state: State, message: str) -> None:
    if status.paths.root.is_dir() and status.status.state not in ("finished", "stopped"):
        # The disk may be what failed; the first error is then the one to show.
        with suppress(GutCheckError):
            status.write(state=state, remaining_s=None, message=message)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the library messages that say nothing here, each for its reason; put signal handlers back at the end."""
    lightning = logging.getLogger("pytorch_lightning")
    level, handlers = lightning.level, _signal_handlers()
    # Its information is about devices found and unused, and offers of other products.
    lightning.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # How many loader processes to use is the person's setting, already one a core by default.
        warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
        # Training on the CPU beside a GPU is a choice, too.
        warnings.filterwarnings("ignore", message=r".*available but not used.*")
        # Lightning 2.6 uses a class of torch 2.13 that a later torch drops; nothing here can change that.
        warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated.*", category=FutureWarning)
        try:
            yield
        finally:
            lightning.setLevel(level)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _signal_handlers() -> dict[int, Callable[..., object] | int | None]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
