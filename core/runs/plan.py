"""Everything that is wrong with a run, or worth a warning, before it is started: all of it at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.config import TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.data.leakage import LeakBadge, leak_badge
from core.errors import GutCheckError, WorkspaceError
from core.runs.jobs.queue import gpus
from core.runs.registry import find_run
from core.runs.settings import RunSettings, read_settings
from core.storage.files import check_free_space
from core.storage.workspace import Workspace, model_folder

PARAMETERS = {"b0": 3_700_000, "b1": 13_700_000, "b2": 27_400_000, "b3": 47_200_000, "b4": 64_000_000, "b5": 84_600_000}
"""Of SegFormer's sizes, rounded; see `core.model.segformer`."""
BYTES = 4
COPIES_KEPT = 8
"""Of the weights on disk: the best and the last checkpoint with AdamW's two averages each, model/ and model.onnx."""
SPARE_BYTES = 1_000_000_000
SLOW_ON_A_PROCESSOR = ("b2", "b3", "b4", "b5")


@dataclass(frozen=True)
class RunPlan:
    """A run that somebody is about to start."""

    settings: RunSettings | None
    """Nothing where they cannot be read."""
    problems: tuple[str, ...]
    """Sentences; with any of them the run would fail."""
    warnings: tuple[str, ...]
    """Sentences; the run would go on, and somebody should know."""
    leak: LeakBadge
    """What its scores on the validation split will carry."""
    disk_bytes: int
    """What it will write, roughly."""


def plan_run(workspace: Workspace, name: str, dataset: Path, recipe: Path | None, changes: Mapping[str, object]) -> RunPlan:
    """Look at a run before it is started; reads the data set's folder, not its pictures."""
    problems: list[str] = []
    warnings: list[str] = []
    settings = index = None
    try:
        settings = read_settings(recipe, changes)
    except GutCheckError as error:
        problems.append(str(error))
    try:
        if workspace.run(name).root.exists():
            problems.append(f"There is a run of this name already: {name}; choose another name.")
    except GutCheckError as error:
        problems.append(str(error))
    try:
        index = load_index(dataset)
        empty = [split for split in ("train", "valid") if not _count(index, split)]
        problems += [f"The data set has no {split} split: {dataset}; prepare it again." for split in empty]
        index.check_names()
    except GutCheckError as error:
        problems.append(str(error))
    leak = leak_badge(index.patients("train"), index.patients("valid")) if index else LeakBadge("unknown")
    needed = _disk_bytes(settings, index) if settings else 0
    if leak.kind == "leaked":
        warnings.append(f"The scores will carry the badge {leak.text}: patients of the training split are validated on.")
    if settings:
        problems += _model_problems(settings.training.model)
        warnings += _machine_warnings(settings.training)
    try:
        check_free_space(workspace.root, needed, spare=SPARE_BYTES, todo="free some space")
    except WorkspaceError as error:
        problems.append(str(error))
    return RunPlan(settings, tuple(problems), tuple(warnings), leak, needed)


def _count(index: DatasetIndex, split: str) -> int:
    return sum(len(scan.slices) for scan in index.splits.get(split, ()))


def _model_problems(model: str) -> list[str]:
    folder = Path(model_folder(model))
    # Whatever else is no short name is a hub's, and only the hub can tell.
    missing = folder.is_absolute() and not (folder / "model.safetensors").is_file()
    return [f"The model's folder has no model.safetensors: {model}; choose a run with a model."] if missing else []


def _machine_warnings(training: TrainingConfig) -> list[str]:
    warnings = []
    if training.model in SLOW_ON_A_PROCESSOR and not gpus() and training.accelerator in ("auto", "cpu"):
        warnings.append(f"There is no GPU here, and {training.model} takes seconds a slice on a processor; b0 is the quickest.")
    if training.tracker == "wandb" and not os.environ.get("WANDB_API_KEY"):
        warnings.append("WANDB_API_KEY is not set: Weights & Biases keeps the run offline, in its folder.")
    return warnings


def _disk_bytes(settings: RunSettings, index: DatasetIndex | None) -> int:
    training = settings.training
    folder = Path(model_folder(training.model)) / "model.safetensors"
    weights = folder.stat().st_size if folder.is_file() else PARAMETERS.get(training.model, PARAMETERS["b4"]) * BYTES
    slices = _count(index, "train") + _count(index, "valid") if index else 0
    cache = slices * settings.input_recipe.image_size**2 * 2 if training.cache else 0
    return weights * (COPIES_KEPT + (2 if training.ema_decay else 0)) + cache


def model_of(workspace: Workspace, run: str) -> str:
    """The folder to give as ``model`` so that a run starts from another's weights.

    Raises:
        WorkspaceError: there is no such run, or it has no model.
    """
    found = find_run(workspace, run)
    if not found.has_model:
        raise WorkspaceError("The run has no model to start from", value=run, todo="choose a finished one")
    return str(found.paths.model)
