"""Where everything that is produced lies on disk: paths and the rule for names, nothing else."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import WorkspaceError

ENVIRONMENT_VARIABLE = "GUTCHECK_WORKSPACE"
PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where ``python -m training`` can be run from."""
CARRIED_RUN = PROJECT_ROOT / "core" / "demo" / "run"
"""The run that ships with the project: a b0 trained on phantoms by ``make demo-weights``."""
DEMO_NAME = "demo"
"""What commands call the embedded run, and its model."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,119}")


def check_name(name: str, kind: str = "name") -> str:
    """Return ``name`` if it can be a file name and never leads out of its folder.

    Raises:
        WorkspaceError: it is empty, over 120 characters, or has others than letters, digits, ``_ . + -``.
    """
    if not is_name(name):
        raise WorkspaceError(f"This is no {kind}", value=name[:130], todo="use letters, digits, _ . + - (at most 120)")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` takes it."""
    return _NAME.fullmatch(name) is not None


def names_demo(name: str) -> bool:
    """Whether a run's or model's name means the embedded one: ``demo``, or the path where it lay in older versions."""
    parts = Path(name).parts
    return name == DEMO_NAME or parts[-2:] == ("core", "demo_run") or parts[-3:] == ("core", "demo_run", "model")


def model_folder(name: str) -> str:
    """What ``--model`` names: as it is, but the embedded model's folder for ``demo`` where there is no folder of that name."""
    return str(CARRIED_RUN / "model") if names_demo(name) and not os.path.isdir(name) else name


@dataclass(frozen=True)
class EvaluationPaths:
    """One evaluation of a run: the scores and the predicted masks of one split."""

    root: Path

    @property
    def summary(self) -> Path:
        return self.root / "evaluation.json"

    @property
    def slices(self) -> Path:
        return self.root / "slices.parquet"

    @property
    def scans(self) -> Path:
        return self.root / "scans.parquet"

    @property
    def errors(self) -> Path:
        return self.root / "errors.parquet"

    def mask(self, scan: str) -> Path:
        return self.root / "masks" / f"{check_name(scan, 'scan')}.npy.zst"


@dataclass(frozen=True)
class RunPaths:
    """One training run."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"

    @property
    def status(self) -> Path:
        return self.root / "status.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.csv"

    @property
    def log(self) -> Path:
        return self.root / "train.log"

    @property
    def output(self) -> Path:
        """What a run that the dashboard started printed, errors before the log was open among it."""
        return self.root / "output.log"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def learning(self) -> Path:
        """A few validation slices as outlined after each epoch: ``reference.png``, ``epoch-NNN.png``."""
        return self.root / "learning"

    @property
    def stop_request(self) -> Path:
        return self.root / "stop"

    @property
    def stop_now(self) -> Path:
        """Whoever kills the training says so here, so that it does not read as a crash."""
        return self.root / "stop-now"

    @property
    def job(self) -> Path:
        """How a run that the dashboard queued is to be started."""
        return self.root / "job.json"

    @property
    def claim(self) -> Path:
        """The machine's places that a run of the queue has taken."""
        return self.root / "claim.json"

    @property
    def about(self) -> Path:
        """What people say of a run: title, notes, tags, promotion."""
        return self.root / "about.json"

    @property
    def evaluations(self) -> Path:
        return self.root / "evaluations"

    def evaluation(self, name: str) -> EvaluationPaths:
        return EvaluationPaths(self.evaluations / check_name(name, "evaluation"))


@dataclass(frozen=True)
class Workspace:
    """The folder that holds data sets, runs and reviews."""

    root: Path

    @classmethod
    def locate(cls, folder: str | Path | None = None) -> "Workspace":
        """The workspace given, else the one that ``GUTCHECK_WORKSPACE`` names, else ``./workspace``."""
        return cls(Path(folder or os.environ.get(ENVIRONMENT_VARIABLE) or "workspace").resolve())

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def trash(self) -> Path:
        """Deleted runs, to be put back or removed by hand."""
        return self.root / "trash"

    @property
    def reviews_db(self) -> Path:
        return self.root / "reviews.db"

    @property
    def corrections(self) -> Path:
        """Masks that readers corrected, named by their hash."""
        return self.root / "corrections"

    def dataset(self, name: str) -> Path:
        return self.datasets / check_name(name, "data set")

    def run(self, name: str) -> RunPaths:
        return RunPaths(self.runs / check_name(name, "run"))
