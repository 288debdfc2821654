"""Which models the demo offers, and the few of them that are in memory. No Gradio; no torch until a model needs it."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from core.config import InferenceConfig, InputRecipe
from core.data.images import Window
from core.errors import ModelError, WorkspaceError
from core.runs.library import promoted
from core.runs.registry import Run, find_run, list_runs, open_run
from core.storage.workspace import CARRIED_RUN, Workspace

if TYPE_CHECKING:
    from core.data.masks import LabelMap
    from core.model.predictor import Predictor

KEPT_MODELS = 2
"""Models in memory at once: a b4 takes about 500 MB with what it computes in."""
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
    dataset: Path | None = None
    """Folder of the training data set; nothing where it is not on this machine."""

    @property
    def training_note(self) -> str:
        """What it was trained on, as the end of a sentence."""
        if self.synthetic is None:
            return "training data not recorded"
        if self.synthetic:
            return f"trained on synthetic phantoms only ({self.trained_on}); do not expect sensible outlines on real slices"
        return f"trained on {self.trained_on}"


def choose_model(workspace: Workspace, name: str | None = None) -> ModelChoice:
    """The model to demonstrate.

    Args:
        name: a run of the workspace, a run's folder, a model's folder or a ``.ckpt`` file; by default the run
            promoted last, else the newest finished one that has a model, else the one that comes with the project.

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


def offered_models(workspace: Workspace, name: str | None = None) -> list[ModelChoice]:
    """The models to choose from: the one that `choose_model` takes, then the workspace's other promoted and finished runs.

    Raises:
        WorkspaceError, ModelError: see `choose_model`.
    """
    first = choose_model(workspace, name)
    others = (_of_run(run, run.paths.model) for run in _ready(workspace))
    return [first, *(choice for choice in others if choice.source != first.source and choice.name != first.name)]


def _ready(workspace: Workspace) -> list[Run]:
    """Promoted runs, the last promoted first, then the other finished ones that have a model, the newest first."""
    first = promoted(workspace)
    finished = [run for run in list_runs(workspace) if run.status and run.status.state == "finished" and run.has_model]
    return first + [run for run in finished if run.name not in {other.name for other in first}]


def _default_model(workspace: Workspace) -> ModelChoice:
    run = next(iter(_ready(workspace)), None) or open_run(CARRIED_RUN)
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
    folder = Path(str(stated.get("root", "")))
    dataset = folder if folder.is_absolute() and folder.is_dir() else None
    return ModelChoice(name or run.name, source, trained_on, synthetic, dataset)


class ModelCache:
    """The models in memory, each loaded once; beyond a few, the one that was unused for longest goes.

    All predict in one thread, slice by slice in the order asked: two at once would be no faster on the same cores, and
    somebody's single slice need not wait for somebody else's whole scan.
    """

    def __init__(self, config: InferenceConfig | None = None, *, kept: int = KEPT_MODELS) -> None:
        self.config, self._limit = config or InferenceConfig(), kept
        self._predictors: OrderedDict[tuple[Path, int], Predictor] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="predict")

    def recipe(self, choice: ModelChoice) -> InputRecipe:
        """The model's input recipe; loads it unless that is done.

        Raises:
            ModelError: see `core.model.segformer.load_model`.
        """
        return self._worker.submit(self._open, choice).result().recipe

    def predict(
        self,
        choice: ModelChoice,
        image: NDArray[Any],
        window: Window | None = None,
        *,
        between: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ) -> tuple[LabelMap, LabelMap]:
        """Label map and confidence of one slice, see `core.model.predictor.Predictor.predict_slice`.

        Raises:
            ModelError: see `core.model.segformer.load_model`.
        """
        return self._worker.submit(lambda: self._open(choice).predict_slice(image, window, between=between)).result()

    def _open(self, choice: ModelChoice) -> Predictor:
        from core.model.predictor import Predictor

        key = (choice.source, _changed_at(choice.source))
        if key not in self._predictors:
            # Before, not after: two large models at once are what the limit is there to prevent.
            while len(self._predictors) >= self._limit:
                self._predictors.popitem(last=False)
            self._predictors[key] = Predictor.load(choice.source, self.config)
        self._predictors.move_to_end(key)
        return self._predictors[key]


def _changed_at(source: Path) -> int:
    """When a model's weights were last written, in ns: those of a run that was trained again are loaded again."""
    weights = source / "model.safetensors" if source.is_dir() else source
    try:
        return weights.stat().st_mtime_ns
    except OSError:
        return 0


@dataclass(frozen=True)
class Segmenter:
    """A model together with the cache that it is loaded into."""

    choice: ModelChoice
    model_cache: ModelCache = field(default_factory=ModelCache)
