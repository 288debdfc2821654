"""Training a run from a data set to an exported model, with everything it did on disk."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytorch_lightning as pl
import torch

from core.config import ArchiveConfig, InputRecipe, TrainingConfig
from core.data.index import SPLITS, DatasetIndex
from core.errors import GutCheckError
from core.model.segformer import build_model, load_checkpoint, save_model
from core.runs.jobs.ends import clear_partials
from core.runs.registry import State
from core.runs.status import stored_status, write_status
from core.storage.files import new_folder
from core.storage.locks import runs_locked
from core.storage.workspace import RunPaths
from training.data.datamodule import MedicalSegmentationDataModule, WatchWork, silent_work
from training.model.module import MONITOR, MedicalSegmentationModel
from training.model.optim import RatePlan
from training.run.callbacks import COLUMNS, RunRecorder
from training.run.checkpoints import RunCheckpoint, clear_leftovers
from training.run.failures import in_one_sentence
from training.run.learning import LearningPictures
from training.run.ranks import is_first
from training.run.record import (
    MetricsFile,
    RunLog,
    StatusFile,
    check_name_is_free,
    check_same_data,
    note_resumed,
    write_manifest,
    write_settings,
)
from training.run.resume import LastState, check_resumable, check_settings, read_last
from training.run.trackers import build_tracker, check_tracker, finish, offline_sentence
from training.run.trainer import Launch, build_trainer, quiet


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
    source: DatasetIndex | Path,
    paths: RunPaths,
    training: TrainingConfig,
    recipe: InputRecipe,
    *,
    archive: ArchiveConfig | None = None,
    resume: bool = False,
    watch: WatchWork = silent_work,
    launch: Launch | None = None,
) -> FitResult:
    """Train on a data set and fill the run's folder.

    Nothing is written before the data set has been checked and the model built. From then on ``status.json`` tells how
    the run stands, and how it ended, whatever ends it. ``paths.stop_request``, Ctrl-C and SIGTERM end it after the present
    step; the best checkpoint so far is then exported.

    Args:
        source: the data set; or its folder, which need not be there yet where ``archive`` says how to get it.
        archive: where the public data set comes from.
        resume: take up the run in ``paths`` after its last complete epoch; it ends where it would have otherwise.
        launch: for processes that a cluster engine has started.

    Raises:
        DatasetError, ImageError, MaskError: the data set cannot be used, or is not the resumed run's.
        ModelError, ConfigError: the model cannot be built; a setting is impossible here, or not the resumed run's; or memory
            ran out.
        WorkspaceError: there is a run of that name, or none to resume, or the disk refuses.
        KeyboardInterrupt: Ctrl-C or SIGTERM, once everything is in order.
    """
    last = _find_last(paths, training, recipe, resume=resume, queued=launch is not None)
    log = RunLog()
    status = StatusFile(paths, epochs=training.planned_epochs, before=last.status if last else None)
    with _recorded(status, log), in_one_sentence(paths.root, batch_size=training.batch_size), quiet():
        _settle(training)
        data = MedicalSegmentationDataModule(source, training=training, recipe=recipe, archive=archive, watch=watch)
        _check_data(data, paths, resume=resume)
        return _train(data, status, log, last, launch)


def _train(
    data: MedicalSegmentationDataModule, status: StatusFile, log: RunLog, last: LastState | None, launch: Launch | None
) -> FitResult:
    paths, index, training, recipe = status.paths, data.index, data.training, data.recipe
    metrics = MetricsFile(paths.metrics, COLUMNS, keep_epochs=last.epoch if last else 0)
    recorder, best = RunRecorder(status, metrics, training, log), RunCheckpoint(paths)
    trainer = build_trainer(training, paths, [recorder, best, LearningPictures(paths, recipe)], launch)
    model = _build(index, training, recipe, last=last, world=trainer.world_size, log=log)
    begin(status, log, index, training, recipe, last=last, queued=launch is not None)
    if offline := offline_sentence(training):
        log.say(offline)
    trainer.loggers = build_tracker(paths, training, recipe)
    if last is None or not last.ended:
        trainer.fit(model, datamodule=data, ckpt_path=last.checkpoint if last else None, weights_only=True)
    return _finish(recorder, _kept(best, last, paths), training, trainer, log)


def _settle(training: TrainingConfig) -> None:
    check_tracker(training)
    pl.seed_everything(training.seed, workers=True, verbose=False)
    if training.threads:
        torch.set_num_threads(training.threads)


def _check_data(data: MedicalSegmentationDataModule, paths: RunPaths, *, resume: bool) -> None:
    if is_first():
        data.prepare_data()
        if resume:
            check_same_data(paths, data.index)


def _find_last(paths: RunPaths, training: TrainingConfig, recipe: InputRecipe, *, resume: bool, queued: bool) -> LastState | None:
    if not resume:
        if is_first():
            check_name_is_free(paths)
        return None
    status = check_resumable(paths, queued=queued)
    check_settings(paths, training, recipe)
    return read_last(paths, status)


def _build(
    index: DatasetIndex, training: TrainingConfig, recipe: InputRecipe, *, last: LastState | None, world: int, log: RunLog
) -> MedicalSegmentationModel:
    if last is not None and last.module is not None:
        # Not built again by name: a local folder of weights may be gone, and the checkpoint has all of them.
        return MedicalSegmentationModel(**last.module)
    slices = sum(len(scan.slices) for scan in index.scans("train"))
    plan = RatePlan.of(training, slices=slices, world=world)
    network = build_model(training.model, notify=log.say)
    return MedicalSegmentationModel.of(network, recipe=recipe, training=training, plan=plan)


def begin(
    status: StatusFile,
    log: RunLog,
    index: DatasetIndex,
    training: TrainingConfig,
    recipe: InputRecipe,
    *,
    last: LastState | None = None,
    queued: bool = False,
) -> None:
    """Make the run's folder and write what is known before the first step; or open that of a run taken up again.

    Args:
        queued: see `training.run.resume.check_resumable`.

    Raises:
        WorkspaceError: somebody else has begun with it since this process looked, or the disk refuses.
    """
    paths = status.paths
    _take(status, last, queued=queued)
    log.open(paths.log)
    if not is_first():
        return
    log.say(f"Run: {paths.root}")
    if last is not None:
        clear_partials(paths)
        clear_leftovers(paths, last.best)
        paths.stop_request.unlink(missing_ok=True)
        note_resumed(paths, epoch=last.epoch)
        log.say(f"Resuming after {last.epoch} of {training.planned_epochs} epochs, step {last.step}.")
        return
    write_settings(paths, index, training, recipe)
    write_manifest(paths, index, training.seed)
    counts = ", ".join(f"{split} {sum(len(scan.slices) for scan in index.scans(split))} slices" for split in SPLITS)
    log.say(f"Training {training.model} at {recipe.image_size} pixels on {index.name} ({counts}).")


def _take(status: StatusFile, last: LastState | None, *, queued: bool) -> None:
    """Say that the run is this process's, if it is still nobody's: building the network took seconds."""
    now = {"epoch": last.epoch if last else 0, "step": last.step if last else 0}
    if not is_first():
        status.write(**now)
        return
    # Before the lock: whoever does not get it must not write its end into the folder of the one who has it.
    status.refused = True
    with runs_locked(status.paths.root.parent):
        if last is None:
            check_name_is_free(status.paths)
        else:
            check_resumable(status.paths, queued=queued)
        status.refused = False
        status.write(**now)


_Kept = tuple[Path | None, float | None]
"""The best checkpoint of a run, and its score."""


def _kept(best: RunCheckpoint, last: LastState | None, paths: RunPaths) -> _Kept:
    if best.best_model_path:
        return Path(best.best_model_path), None if best.best_model_score is None else float(best.best_model_score)
    if last is not None and last.best:
        return paths.checkpoints / last.best, last.score
    return None, None


def _finish(recorder: RunRecorder, kept: _Kept, training: TrainingConfig, trainer: pl.Trainer, log: RunLog) -> FitResult:
    status, (checkpoint, score) = recorder.status, kept
    state: State = "stopped" if recorder.stopped_by else "finished"
    if is_first():
        if checkpoint is not None:
            export(checkpoint, status.paths)
            if training.onnx and not recorder.stopped_by:
                status.write(remaining_s=None)
                export_for_cpu(status.paths, log)
        message = _message(recorder, checkpoint)
        finish(trainer.loggers, recorder.metrics.best_row(MONITOR))
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


def export_for_cpu(paths: RunPaths, log: RunLog) -> None:
    """Add ``model.onnx`` to an exported model; without it prediction is slower, so a failure is told and fails nothing."""
    from core.model.onnx_export import export_onnx

    log.say("Writing model.onnx, for prediction on a CPU.")
    try:
        export_onnx(paths.model)
    except Exception as error:  # the exporter's many kinds; the run itself has finished well
        log.say(f"There is no model.onnx ({type(error).__name__}); prediction uses torch.")


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
    # Whoever may not take up a run does not change what is said of it.
    refused = status.refused or (status.resumed and not status.written)
    if status.paths.root.is_dir() and status.status.state not in ("finished", "stopped") and not refused:
        # The disk may be what failed; the first error is then the one to show.
        with suppress(GutCheckError):
            status.write(state=state, remaining_s=None, message=message)


@contextmanager
def evaluation_recorded(paths: RunPaths) -> Iterator[None]:
    """What keeps a finished run from being evaluated is said in its status, and the traceback of an unknown error in its log."""
    try:
        yield
    except GutCheckError as error:
        _unevaluated(paths, str(error))
        raise
    except Exception as error:
        log = RunLog()
        with suppress(OSError):
            log.open(paths.log)
            log.note("Not evaluated.", trace=error)
        log.close()
        _unevaluated(paths, f"{type(error).__name__}; see train.log.")
        raise


def _unevaluated(paths: RunPaths, why: str) -> None:
    with suppress(GutCheckError):
        write_status(paths, replace(stored_status(paths), evaluation_failed=True, message=why))
