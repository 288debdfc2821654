"""Where losses and scores go as they come, beside the run's own metrics.csv: CSV, TensorBoard or Weights & Biases."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from core.config import InputRecipe, TrainingConfig
from core.errors import ConfigError
from core.runs.settings import RunSettings
from core.storage.workspace import RunPaths
from training.run.ranks import is_first

WANDB_PROJECT = "gutcheck"
FOLDER = "tracker"
PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}


def check_tracker(training: TrainingConfig) -> None:
    """Check that the tracker's library is here.

    Raises:
        ConfigError: it is not installed.
    """
    package = PACKAGES.get(training.tracker)
    if package is not None and find_spec(package) is None:
        todo = f"pip install {package}, or choose another --tracker"
        raise ConfigError("The tracker's library is not installed", value=training.tracker, todo=todo)


def build_tracker(paths: RunPaths, training: TrainingConfig, recipe: InputRecipe) -> list[Logger]:
    """The tracker that the settings name, told the settings; none where they name none.

    Raises:
        ConfigError: its library is not installed.
    """
    check_tracker(training)
    if training.tracker == "none":
        return []
    folder = paths.root / FOLDER
    if training.tracker == "csv":
        tracker: Logger = CSVLogger(str(folder), name="")
    elif training.tracker == "tensorboard":
        tracker = TensorBoardLogger(str(folder), name="")
    else:
        tracker = _wandb(paths.root.name, folder)
    if is_first():
        tracker.log_hyperparams(RunSettings(training, recipe).plain())
    return [tracker]


def wandb_mode() -> str:
    """``WANDB_MODE`` if it is set; else online with a ``WANDB_API_KEY``, and offline without: it never asks for one."""
    return os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")


def offline_sentence(training: TrainingConfig) -> str:
    """What to say of a tracker that stays offline for want of a key; empty for the others."""
    if training.tracker != "wandb" or wandb_mode() != "offline":
        return ""
    return "Weights & Biases keeps the run offline, in tracker/: there is no WANDB_API_KEY (`wandb sync` sends it later)."


def _wandb(name: str, folder: Path) -> Logger:
    if wandb_mode() != "online":
        # Its reports of its own errors go to a host of theirs whatever the mode; read when it is first imported.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
    # Neither the command line nor the host's name: both may tell where the data lies.
    settings = wandb.Settings(silent=True, console="off", x_disable_meta=True, x_disable_stats=True, disable_git=True)
    options: dict[str, Any] = {"mode": wandb_mode(), "settings": settings, "resume": "allow"}
    return WandbLogger(name=name, id=name, project=WANDB_PROJECT, save_dir=str(folder), log_model=False, **options)


def finish(trackers: list[Logger], result: dict[str, float]) -> None:
    """Close the trackers; a W&B run's summary gets the validation result of the checkpoint that was kept."""
    for tracker in trackers:
        if isinstance(tracker, WandbLogger) and is_first():
            import wandb

            tracker.experiment.summary.update(result)
            wandb.finish()
