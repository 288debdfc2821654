"""Recording a run as it goes: state, heartbeat, scores per epoch; and ending it when asked to."""

import math
import signal
import threading
import time
from typing import Any

import pytorch_lightning as pl

from core.config import TrainingConfig
from core.labels import ORGANS
from training.module import MONITOR
from training.record import MetricsFile, RunLog, StatusFile

SCORES = (
    "train_loss",
    "train_f1_with_background",
    "valid_loss",
    "valid_f1_with_background",
    MONITOR,
    *(f"valid_dice_{organ.name}" for organ in ORGANS),
)
COLUMNS = ("epoch", "step", "seconds", *SCORES)


class RunRecorder(pl.Callback):  # type: ignore[misc]
    """Writes ``status.json`` and ``metrics.csv``, and stops the training on request or at a limit."""

    def __init__(self, status: StatusFile, metrics: MetricsFile, training: TrainingConfig, log: RunLog) -> None:
        self.status, self.metrics, self.training = status, metrics, training
        # Not ``log``: Lightning gives its callbacks a method of that name.
        self.run_log = log
        self.stopped_by = ""
        """``request`` or ``signal`` once somebody asked to stop."""
        self._started = self._epoch_started = time.monotonic()
        self._batches_done = 0

    # Beginning and end

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()
        self.status.write()
        # Here rather than before: Lightning sets its own handlers first, and puts the earlier ones back at the end.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_signal)
            signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self.stopped_by == "signal":
            raise KeyboardInterrupt
        self.stopped_by = "signal"

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = time.monotonic()

    # Every batch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._batches_done += 1
        self._obey(trainer)
        limit = self.training.max_steps
        if limit is not None and trainer.global_step >= limit:
            # Not Lightning's own ``max_steps``, which ends without the validation that chooses a checkpoint.
            trainer.should_stop = True
        self.status.beat(step=trainer.global_step, remaining_s=self._remaining_s(trainer))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._obey(trainer)
        self.status.beat()

    def _obey(self, trainer: pl.Trainer) -> None:
        if not self.stopped_by and self.status.paths.stop_request.exists():
            self.stopped_by = "request"
        if self.stopped_by and not trainer.should_stop:
            self.run_log.say("Stopping after this step, as asked; what is validated so far is kept.")
            self.status.write(state="stopping", step=trainer.global_step, remaining_s=None)
        if self.stopped_by:
            trainer.should_stop = True
            # Lightning would validate a last time, which may take longer than whoever asked wants to wait.
            trainer.limit_val_batches = 0

    def _remaining_s(self, trainer: pl.Trainer) -> float | None:
        spent = time.monotonic() - self._started
        batches = float(trainer.num_training_batches) * self.training.epochs
        total = min(batches, self.training.max_steps or math.inf)
        left = spent / self._batches_done * max(total - self._batches_done, 0)
        if self.training.max_minutes is not None:
            left = min(left, max(self.training.max_minutes * 60 - spent, 0))
        return left if math.isfinite(left) else None

    # Every epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.stopped_by:
            return
        row = self._row(trainer)
        self.metrics.add({key: "" if _undefined(value) else value for key, value in row.items()})
        if self.training.max_minutes is not None and time.monotonic() - self._started >= self.training.max_minutes * 60:
            self.run_log.say(f"The limit of {self.training.max_minutes:g} minutes is reached.")
            trainer.should_stop = True
        remaining_s = 0.0 if trainer.should_stop else self._remaining_s(trainer)
        self.status.write(epoch=row["epoch"], step=trainer.global_step, remaining_s=remaining_s)
        self.run_log.say(_line(row, self.training.epochs, remaining_s))

    def _row(self, trainer: pl.Trainer) -> dict[str, Any]:
        scores = {name: float(trainer.callback_metrics[name]) for name in SCORES if name in trainer.callback_metrics}
        seconds = round(time.monotonic() - self._epoch_started, 2)
        return {"epoch": trainer.current_epoch + 1, "step": trainer.global_step, "seconds": seconds} | scores


def _undefined(value: float) -> bool:
    return math.isnan(value)


def _line(row: dict[str, Any], epochs: int, remaining_s: float | None) -> str:
    """One epoch for people."""

    def score(name: str) -> str:
        value = row.get(name, math.nan)
        return "–" if math.isnan(value) else f"{value:.3f}"

    organs = ", ".join(f"{organ.title.lower()} {score(f'valid_dice_{organ.name}')}" for organ in ORGANS)
    left = "" if remaining_s is None else f", about {remaining_s / 60:.0f} min left"
    return (
        f"Epoch {row['epoch']}/{epochs}: loss {score('train_loss')}, validation loss {score('valid_loss')}, "
        f"organs' F1 {score(MONITOR)} ({organs}), F1 with background {score('valid_f1_with_background')}; "
        f"{row['seconds']:.0f} s{left}"
    )
