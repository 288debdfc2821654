"""What the Gradio demo does apart from Gradio: choose a model, read a picture, segment it. No torch until it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.config import InferenceConfig
from core.data.images import read_image, volume_window
from core.data.masks import LabelMap
from core.errors import ModelError, WorkspaceError
from core.runs import Run, find_run, list_runs, open_run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.predict import Predictor

DEMO_RUN = Path(__file__).resolve().parent.parent / "core" / "demo_run"
"""The small run that comes with the project."""
_MODEL_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be loaded, and what people should know of it."""

    name: str
    """The run's name, or that of the folder or file."""
    source: Path
    """A model folder or a ``.ckpt`` file."""
    trained_on: str | None = None
    """Name of the training data set; nothing where no manifest says."""
    synthetic: bool | None = None
    """True where the model saw phantoms only; nothing where no manifest says."""


def choose_model(workspace: Workspace, name: str | None = None) -> ModelChoice:
    """The model to demonstrate.

    Args:
        name: a run of the workspace, a run's folder, a model's folder or a ``.ckpt`` file; by default the newest
            finished run that has a model, else the run that comes with the project.

    Raises:
        WorkspaceError: there is no such run, or it has no model yet.
        ModelError: the checkpoint is missing, or nothing is trained and the project's own run is missing too.
    """
    if name is None:
        return _default_model(workspace)
    path = Path(name)
    if path.suffix == ".ckpt":
        return _checkpoint(path)
    if all((path / file).is_file() for file in _MODEL_FILES):
        return _model_folder(path.resolve())
    run = find_run(workspace, name)
    if not run.has_model:
        raise WorkspaceError("The run has no model yet", value=run.name, todo="wait until it has finished, or choose another")
    return _of_run(run, run.paths.model)


def _default_model(workspace: Workspace) -> ModelChoice:
    finished = (run for run in list_runs(workspace) if run.status and run.status.state == "finished" and run.has_model)
    run = next(finished, None) or open_run(DEMO_RUN)
    if not run.has_model:
        todo = "run: python -m training fit (or `make demo-weights` for the small one)"
        raise ModelError("There is no trained model here yet", value=workspace.root, todo=todo)
    return _of_run(run, run.paths.model)


def _checkpoint(path: Path) -> ModelChoice:
    if not path.is_file():
        raise ModelError("The checkpoint does not exist", value=path, todo="check the path, or train first")
    path = path.resolve()
    if path.parent.name != "checkpoints":
        return ModelChoice(path.name, path)
    run = open_run(path.parent.parent)
    return _of_run(run, path, name=f"{run.name}, {path.name}")


def _model_folder(path: Path) -> ModelChoice:
    return _of_run(open_run(path.parent), path) if path.name == "model" else ModelChoice(path.name, path)


def _of_run(run: Run, source: Path, *, name: str | None = None) -> ModelChoice:
    data = (run.manifest() or {}).get("dataset")
    stated = data if isinstance(data, dict) else {}
    trained_on = str(stated["name"]) if "name" in stated else None
    synthetic = bool(stated["synthetic"]) if "synthetic" in stated else None
    return ModelChoice(name or run.name, source, trained_on, synthetic)


@dataclass(frozen=True)
class Segmentation:
    """One segmented slice, at the picture's own size."""

    grey: NDArray[np.uint8]
    """(H, W) uint8: the slice under its display window, which is not always the one that the network sees."""
    label_map: LabelMap
    """(H, W) uint8 class ids."""


class Segmenter:
    """A chosen model that is loaded once, at first use or by `warm_up`, and predicts one picture at a time."""

    def __init__(self, choice: ModelChoice, config: InferenceConfig | None = None) -> None:
        self.choice, self.config = choice, config or InferenceConfig()
        self._predictor: Predictor | None = None
        self._lock = Lock()

    def warm_up(self) -> None:
        """Load the model, unless that is done.

        Raises:
            ModelError: see `core.model.load_model`.
        """
        with self._lock:
            self._load()

    def segment(self, path: Path) -> Segmentation:
        """Read and segment one picture.

        Raises:
            ImageError: see `core.data.images.read_image`.
            ModelError: see `core.model.load_model`.
        """
        image = read_image(path)
        with self._lock:
            label_map, _ = self._load().predict_slice(image)
        return Segmentation(volume_window(image).apply(image), label_map)

    def _load(self) -> Predictor:
        if self._predictor is None:
            from core.predict import Predictor

            self._predictor = Predictor.load(self.choice.source, self.config)
        return self._predictor


def displayed(path: Path) -> NDArray[np.uint8]:
    """The picture as a segmentation would show it: (H, W) uint8, windowed.

    Raises:
        ImageError: see `core.data.images.read_image`.
    """
    image = read_image(path)
    return volume_window(image).apply(image)
