"""Taking up a run that was stopped or killed, from its last complete epoch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from core.config import InputRecipe, TrainingConfig
from core.errors import ConfigError, ModelError, WorkspaceError
from core.runs.registry import RunStatus, is_working, read_status
from core.runs.settings import RunSettings
from core.storage.workspace import RunPaths
from training.run.ranks import is_first

FREE = ("workers", "threads", "onnx")
"""Settings that may differ, since they change how fast a run goes, or what is made of it after, and not where it goes."""


@dataclass(frozen=True)
class LastState:
    """What the last complete epoch of a run left behind."""

    checkpoint: Path | None
    """Nothing where the run ended before its first epoch did: it then starts over, with the same numbers."""
    status: RunStatus
    epoch: int = 0
    """Epochs complete."""
    step: int = 0
    best: str = ""
    """File name of the best checkpoint."""
    score: float | None = None
    """Its score."""
    ended: bool = False
    """Nothing is left to train: only the export was missing."""
    module: Mapping[str, Any] | None = None
    """Arguments of the `MedicalSegmentationModel` that was saved."""


def check_resumable(paths: RunPaths, *, queued: bool = False) -> RunStatus:
    """The status of a run that may be taken up.

    Args:
        queued: it may be by this process although another, which is not its parent, has queued it.

    Raises:
        WorkspaceError: there is no such run, it is finished, imported, or still going.
    """
    if not paths.config.exists() or not paths.manifest.exists():
        raise WorkspaceError("There is no run to resume", value=paths.root, todo="check the name, or start a new run")
    status = read_status(paths)
    if status.state == "finished":
        raise WorkspaceError("The run has finished already", value=paths.root, todo="evaluate it, or start a new run")
    if status.imported:
        todo = "start a new run with --model and its model folder"
        raise WorkspaceError("A run that was imported has no checkpoint to go on from", value=paths.root, todo=todo)
    ours = status.local_pid in (os.getpid(), os.getppid()) or (queued and status.state == "queued")
    if is_first() and is_working(status) and not ours:
        raise WorkspaceError("The run is still going", value=f"{paths.root}, process {status.pid}", todo="wait, or stop it first")
    return status


def check_settings(paths: RunPaths, training: TrainingConfig, recipe: InputRecipe) -> None:
    """Check that a run is taken up with the settings that it began with.

    Raises:
        ConfigError: some differ; they are named, with both values.
        WorkspaceError: ``config.yaml`` is damaged.
    """
    before = read_config(paths)
    pairs = [*_differences(before.training, training), *_differences(before.input_recipe, recipe)]
    if pairs:
        todo = "leave them out to resume, or start a new run"
        raise ConfigError("A run is resumed with its own settings", value="; ".join(pairs), todo=todo)


def _differences(before: Any, now: Any) -> list[str]:
    names = [field.name for field in fields(now) if field.name not in FREE]
    changed = [name for name in names if getattr(before, name) != getattr(now, name)]
    return [f"{name} was {getattr(before, name)}, not {getattr(now, name)}" for name in changed]


def read_config(paths: RunPaths) -> RunSettings:
    """The settings in a run's ``config.yaml``; those that it lacks have their defaults.

    Raises:
        WorkspaceError: the file is damaged.
    """
    try:
        return RunSettings.of(yaml.safe_load(paths.config.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError, ConfigError) as error:
        raise WorkspaceError("config.yaml is not as expected", value=paths.config, todo="start a new run") from error


def read_last(paths: RunPaths, status: RunStatus) -> LastState:
    """What ``last.ckpt`` holds.

    Raises:
        ModelError: it is damaged, or of another version.
    """
    from core.model.segformer import read_checkpoint
    from training.run.checkpoints import LAST

    path = paths.checkpoints / LAST
    if not path.exists():
        return LastState(None, status)
    content = read_checkpoint(path)
    try:
        recorder, best = content["callbacks"]["RunRecorder"], _state_of(content, "RunCheckpoint")
        return LastState(
            path,
            status,
            epoch=int(content["epoch"]) + 1,
            step=int(content["global_step"]),
            best=str(best["best_model_path"]),
            score=float(best["best_model_score"]),
            ended=bool(recorder["ended"]),
            module=dict(content["hyper_parameters"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        todo = "start a new run; its best checkpoint can be its model"
        raise ModelError("The checkpoint cannot be resumed from", value=path, todo=todo) from error


def _state_of(content: dict[str, Any], callback: str) -> dict[str, Any]:
    # Lightning adds the arguments to the name of its own callbacks' state.
    return next(state for key, state in content["callbacks"].items() if key.startswith(callback))
