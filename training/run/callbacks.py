"""Recording a run as it goes: state, heartbeat, scores per epoch; and ending it when asked to."""

import math
import signal
import threading
import time
from typing import Any

import pytorch_lightning as pl

from core.config import TrainingConfig
from core.labels import ORGANS
from training.model.module import MONITOR
from training.model.optim import epochs_in
from training.run.record import MetricsFile, RunLog, StatusFile

SCORES = (
    "train_loss",
    "train_f1_with_background",
    "valid_loss",
    "valid_f1_with_background",
    MONITOR,
    *(f"valid_dice_{organ.name}" for organ in ORGANS),
)
COLUMNS = ("epoch", "step", "seconds", "learning_rate", *SCORES, "valid_slices")
LOG_EVERY = 10
"""Steps between two lines of a log."""


class RunRecorder(pl.Callback):  # type: ignore[misc]
    """Writes ``status.json`` and ``metrics.csv``, and stops the training on request or at a limit."""

    def __init__(self, status: StatusFile, metrics: MetricsFile, training: TrainingConfig, log: RunLog) -> None:
        self.status, self.metrics, self.training = status, metrics, training
        # Not ``log``: Lightning gives its callbacks a method of that name.
        self.run_log = log
        self.stopped_by = ""
        """``request`` or ``signal`` once somebody asked to stop."""
        self._started = self._epoch_started = time.monotonic()
        self._spent_before_s = 0.0
        self._epochs_before = self._batches_done = 0
        self._rate = math.nan
        self._validated = False
        self._ended = False
        self._end_step: int | None = None

    # Beginning and end

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()
        self._epochs_before = trainer.current_epoch
        pl_module.end_step = self._end_step
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
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self._validated = False

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run has to know: minutes used up, where they will end, and whether only the export was left to do."""
        return {"spent_s": self._spent_s(), "end_step": self._end_step, "ended": self._ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._spent_before_s = float(state_dict["spent_s"])
        self._end_step = state_dict.get("end_step")

    def _spent_s(self) -> float:
        return self._spent_before_s + time.monotonic() - self._started

    # Every batch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._batches_done += 1
        # Several processes have to agree, which takes them a moment.
        if trainer.world_size == 1 or batch_idx % LOG_EVERY == 0:
            self._obey(trainer)
        if trainer.global_step % LOG_EVERY == 0 and (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            loss = float(trainer.callback_metrics.get("step_loss", math.nan))
            self.run_log.note(f"Step {trainer.global_step}: loss {loss:.4f}")
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
        # The processes of a validation go at their own pace and cannot agree on anything.
        if trainer.world_size == 1:
            self._obey(trainer)
        self.status.beat()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = True

    def _obey(self, trainer: pl.Trainer) -> None:
        if not self.stopped_by and self.status.paths.stop_request.exists():
            self.stopped_by = "request"
        if _any_process(trainer, bool(self.stopped_by)) and not self.stopped_by:
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
        per_epoch = float(trainer.num_training_batches)
        total = min(per_epoch * self.training.planned_epochs, (self.training.max_steps or math.inf) * self.training.accumulate)
        done = per_epoch * self._epochs_before + self._batches_done
        left = spent / self._batches_done * max(total - done, 0)
        if self.training.max_minutes is not None:
            left = min(left, max(self.training.max_minutes * 60 - self._spent_s(), 0))
        return left if math.isfinite(left) else None

    # Every epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # An epoch that was broken off leaves nothing: it is replayed whole where the run is resumed.
        if not self._validated:
            return
        row = self._row(trainer)
        self.metrics.add({key: "" if math.isnan(value) else value for key, value in row.items()})
        if _any_process(trainer, self._out_of_time()):
            self.run_log.say(f"The limit of {self.training.max_minutes:g} minutes is reached.")
            trainer.should_stop = True
        pl_module.end_step = self._end_step = self._expected_end(trainer, epochs=row["epoch"])
        self._ended = (trainer.should_stop and not self.stopped_by) or row["epoch"] >= self.training.planned_epochs
        remaining_s = 0.0 if trainer.should_stop else self._remaining_s(trainer)
        self.status.write(epoch=row["epoch"], step=trainer.global_step, remaining_s=remaining_s)
        self.run_log.say(_line(row, self.training.planned_epochs, remaining_s))

    def _out_of_time(self) -> bool:
        return self.training.max_minutes is not None and self._spent_s() >= self.training.max_minutes * 60

    def _expected_end(self, trainer: pl.Trainer, *, epochs: int) -> int | None:
        """Steps after which the minutes will be up: found once an epoch, so that a resumed run has the same learning rates."""
        if self.training.max_minutes is None:
            return None
        expected = epochs_in(self.training.max_minutes * 60, spent_s=self._spent_s(), epochs=epochs)
        # The processes' clocks differ, and their learning rates must not.
        return int(trainer.strategy.broadcast(trainer.global_step // epochs * expected))

    def _row(self, trainer: pl.Trainer) -> dict[str, Any]:
        found = trainer.callback_metrics
        scores = {name: float(found[name]) for name in SCORES if name in found}
        seconds = round(time.monotonic() - self._epoch_started, 2)
        facts = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step, "seconds": seconds}
        return facts | {"learning_rate": self._rate} | scores | {"valid_slices": int(found["valid_slices"])}


def _any_process(trainer: pl.Trainer, answer: bool) -> bool:
    """Whether one of the training processes says yes."""
    return answer if trainer.world_size == 1 else bool(trainer.strategy.reduce_boolean_decision(answer, all=False))


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
