"""Lightning's trainer for this machine, with the callbacks that the settings ask for."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor, TQDMProgressBar
from pytorch_lightning.plugins.environments import ClusterEnvironment
from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from core.config import TrainingConfig
from core.errors import ConfigError
from core.storage.workspace import RunPaths
from training.model.module import MONITOR
from training.model.optim import MovingAverage
from training.run.callbacks import LOG_EVERY
from training.run.checkpoints import WholeFiles
from training.run.ranks import is_first


@dataclass(frozen=True)
class Launch:
    """How training processes work together that neither Lightning nor torchrun nor SLURM has started."""

    strategy: Strategy
    environment: ClusterEnvironment
    """Tells each process which it is."""


def build_trainer(
    training: TrainingConfig, paths: RunPaths, callbacks: list[Callback], launch: Launch | None = None
) -> pl.Trainer:
    """Lightning's trainer for this machine; mixed precision only on CUDA (bf16 on a CPU is many times slower).

    Args:
        launch: takes the place of ``devices``, ``num_nodes`` and ``strategy``.

    Raises:
        ConfigError: this machine has no such accelerator or devices, or there is no such strategy.
    """
    on_cuda = training.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    bar = progress_bar()
    try:
        return pl.Trainer(
            accelerator=training.accelerator,
            devices="auto" if launch else training.devices,
            num_nodes=1 if launch else training.num_nodes,
            strategy=launch.strategy if launch else training.strategy,
            # The loaders share the slices out themselves: Lightning's way would validate some of them twice.
            use_distributed_sampler=False,
            precision="16-mixed" if on_cuda else "32-true",
            max_epochs=training.planned_epochs,
            accumulate_grad_batches=training.accumulate,
            gradient_clip_val=training.clip_norm,
            callbacks=[*optional_callbacks(training), *callbacks, *bar],
            plugins=[WholeFiles(), *([launch.environment] if launch else [])],
            default_root_dir=paths.root,
            logger=False,
            log_every_n_steps=LOG_EVERY,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=bool(bar),
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        settings = {"accelerator": training.accelerator, "devices": training.devices, "strategy": training.strategy}
        value = ", ".join(str(value) for name, value in settings.items() if name == "accelerator" or value != "auto")
        todo = "use one of: auto, cpu, gpu, mps, with the devices that are there, and strategy auto or ddp"
        raise ConfigError("This machine has no such accelerator", value=value, todo=todo) from error


def optional_callbacks(training: TrainingConfig) -> list[Callback]:
    """Averaging, early stopping and the trackers' learning rate, where the settings ask for them."""
    wanted: list[Callback] = []
    if training.ema_decay is not None:
        wanted.append(MovingAverage(training.ema_decay))
    if training.patience is not None:
        # An undefined score (no organ in the reference, none predicted) is no better than the best, and no reason to stop;
        # and a run that is stopped in its first epoch has none yet.
        wanted.append(EarlyStopping(MONITOR, mode="max", patience=training.patience, check_finite=False, strict=False))
    if training.tracker != "none":
        wanted.append(LearningRateMonitor("epoch"))
    return wanted


def progress_bar() -> list[Callback]:
    """A bar on a terminal. In a file it is noise, and Lightning draws on standard output; the line per epoch says enough."""
    return [TQDMProgressBar(leave=False)] if is_first() and sys.stdout.isatty() and sys.stderr.isatty() else []


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the library messages that say nothing here, each for its reason; put signal handlers back at the end.

    Until Lightning runs, SIGTERM ends the block as Ctrl-C does, so that the run's state can be told.
    """
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels, handlers = [logger.level for logger in loggers], _signal_handlers()
    # Its information is about devices found and unused, and offers of other products.
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    if handlers:
        signal.signal(signal.SIGTERM, _interrupt)
    with warnings.catch_warnings():
        # How many loader processes to use is the person's setting, already one a core by default.
        warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
        # Training on the CPU beside a GPU is a choice, too.
        warnings.filterwarnings("ignore", message=r".*available but not used.*")
        # Lightning 2.6 uses a class of torch 2.13 that a later torch drops; nothing here can change that.
        warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated.*", category=FutureWarning)
        # A resumed run goes on in the folder that it began.
        warnings.filterwarnings("ignore", message=r".*Checkpoint directory .* is not empty.*")
        # Depthwise convolutions are laid out as they are; torch says itself that it is no error.
        warnings.filterwarnings("ignore", message=r".*Grad strides do not match bucket view strides.*")
        # A small data set has fewer steps in an epoch than lie between two lines of a log.
        warnings.filterwarnings("ignore", message=r".*smaller than the logging interval.*")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _signal_handlers() -> dict[int, Callable[..., object] | int | None]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
