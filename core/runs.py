"""The registry of training runs and evaluations, read from disk; a damaged one is listed with what is wrong."""

import os
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import psutil

from core.data.index import DatasetIndex
from core.data.leakage import LeakBadge, leak_badge
from core.errors import GutCheckError, WorkspaceError
from core.files import read_json, write_json
from core.workspace import EvaluationPaths, RunPaths, Workspace

State = Literal["queued", "running", "stopping", "finished", "failed", "stopped"]
ACTIVE: tuple[State, ...] = ("queued", "running", "stopping")
DIED = "The training process ended without a word; see the log."
HEARTBEAT_LIMIT_S = 120.0
"""A run whose process is gone, or silent for longer than this on another machine, counts as failed."""


@dataclass(frozen=True)
class RunStatus:
    """``status.json``: where a run stands."""

    state: State
    pid: int | None = None
    started_at: float | None = None
    """Seconds since 1970."""
    process_created_at: float | None = None
    """When the process with that id was created; a recycled id has another time."""
    heartbeat_at: float | None = None
    """Seconds since 1970 of the last sign of life."""
    epoch: int = 0
    """Epochs completed."""
    epochs: int = 0
    step: int = 0
    """Optimiser steps completed."""
    remaining_s: float | None = None
    """Estimated seconds to the end."""
    message: str = ""
    """One sentence for people; on a failure, the reason."""


def read_status(run: RunPaths) -> RunStatus:
    """The run's state, corrected for a process that died without a word.

    Raises:
        WorkspaceError: ``status.json`` is missing or damaged.
    """
    content = read_json(run.status)
    try:
        known = {field.name for field in fields(RunStatus)}
        status = _checked(RunStatus(**{key: value for key, value in content.items() if key in known}))
    except (TypeError, AttributeError, ValueError) as error:
        raise WorkspaceError("status.json is not as expected", value=run.status, todo="start the run again") from error
    if status.state in ACTIVE and not _alive(status):
        return replace(status, state="failed", remaining_s=None, message=DIED)
    return status


def _checked(status: RunStatus) -> RunStatus:
    numbers = (status.pid, status.started_at, status.process_created_at, status.heartbeat_at, status.remaining_s)
    if not all(number is None or isinstance(number, int | float) for number in numbers):
        raise TypeError("a time or process id is no number")
    if status.state not in get_args(State) or (status.pid is not None and status.pid < 1):
        raise ValueError("an impossible state or process id")
    return status


def is_working(status: RunStatus) -> bool:
    """Whether the run's process is still at work: training, or evaluating what it has trained."""
    return status.state in ACTIVE or (status.pid is not None and _alive(status))


def _alive(status: RunStatus) -> bool:
    if status.pid is None:
        return status.heartbeat_at is None or time.time() - status.heartbeat_at < HEARTBEAT_LIMIT_S
    try:
        process = psutil.Process(status.pid)
        same = status.process_created_at is None or abs(process.create_time() - status.process_created_at) < 2
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def write_status(run: RunPaths, status: RunStatus) -> None:
    """Write ``status.json`` whole, with the present time as heartbeat."""
    write_json(run.status, asdict(replace(status, heartbeat_at=time.time())))


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run, as ``evaluation.json`` describes it."""

    run: str
    name: str
    paths: EvaluationPaths
    summary: dict[str, Any]

    @property
    def dataset_root(self) -> Path:
        return Path(self.summary["dataset"]["root"])

    @property
    def split(self) -> str:
        return str(self.summary["split"])

    @property
    def badge(self) -> LeakBadge:
        content = self.summary["leak"]
        return LeakBadge(content["kind"], content["leaked"], content["patients"])

    def scan_facts(self, scan: str) -> dict[str, Any]:
        """Hashes, slice numbers and geometry of one evaluated scan.

        Raises:
            WorkspaceError: the evaluation has no such scan.
        """
        facts = self.summary["scans"].get(scan)
        if facts is None:
            raise WorkspaceError(
                f"The evaluation {self.name} of {self.run} has no such scan", value=scan, todo="choose one from Cases"
            )
        return dict(facts)

    def scans(self) -> pd.DataFrame:
        """``scans.parquet``, see `core.metrics.tables.scan_rows`.

        Raises:
            WorkspaceError: missing or damaged.
        """
        return _read_table(self.paths.scans)

    def errors(self) -> pd.DataFrame:
        """``errors.parquet``: connected regions of disagreement, see `core.metrics.regions.regions_frame`.

        Raises:
            WorkspaceError: missing or damaged.
        """
        return _read_table(self.paths.errors)

    def slices(self) -> pd.DataFrame:
        """``slices.parquet``, see `core.metrics.tables.slice_rows`.

        Raises:
            WorkspaceError: missing or damaged.
        """
        return _read_table(self.paths.slices)


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            "A table of the evaluation is missing or damaged", value=path, todo="evaluate the run again"
        ) from error


@dataclass(frozen=True)
class Run:
    """One run of the registry."""

    name: str
    paths: RunPaths
    status: RunStatus | None
    problem: str = ""
    """What is wrong with its files; empty where nothing is."""

    @property
    def has_model(self) -> bool:
        return (self.paths.model / "model.safetensors").is_file()

    def manifest(self) -> dict[str, Any] | None:
        """The training manifest; ``None`` where it is missing or damaged."""
        try:
            content = read_json(self.paths.manifest)
        except WorkspaceError:
            return None
        return content if isinstance(content, dict) else None

    def metrics(self) -> pd.DataFrame:
        """``metrics.csv``, one row an epoch; empty where nothing was logged yet."""
        try:
            return pd.read_csv(self.paths.metrics)
        except (OSError, ValueError):
            return pd.DataFrame()

    def evaluations(self) -> list[Evaluation]:
        """The evaluations that can be read, by name."""
        folders = sorted(self.paths.evaluations.glob("[!.]*/evaluation.json"))
        found = [_read_evaluation(self.name, EvaluationPaths(path.parent)) for path in folders]
        return [evaluation for evaluation in found if evaluation is not None]

    def evaluation(self, name: str) -> Evaluation:
        """One evaluation.

        Raises:
            WorkspaceError: it is not there, or cannot be read.
        """
        found = _read_evaluation(self.name, self.paths.evaluation(name))
        if found is None:
            raise WorkspaceError(f"Run {self.name} has no such evaluation", value=name, todo="run: python -m training evaluate")
        return found


def _read_evaluation(run: str, paths: EvaluationPaths) -> Evaluation | None:
    try:
        summary = read_json(paths.summary)
        evaluation = Evaluation(run, paths.root.name, paths, summary)
        # Touch what every page needs, so that a damaged file is left out here rather than crash a page.
        evaluation.badge, evaluation.dataset_root, evaluation.split, summary["macro_dice"]
        summary["scans"].keys(), summary["organs"].keys()
    except (WorkspaceError, KeyError, TypeError, AttributeError):
        return None
    return evaluation


def list_runs(workspace: Workspace) -> list[Run]:
    """All runs of the workspace, newest first."""
    folders = [path for path in workspace.runs.glob("[!.]*") if path.is_dir()] if workspace.runs.is_dir() else []
    runs = [open_run(folder) for folder in folders]
    return sorted(runs, key=lambda run: ((run.status.started_at or 0) if run.status else 0, run.name), reverse=True)


def open_run(folder: Path) -> Run:
    """The run in a folder, with its problem where its status cannot be read."""
    paths = RunPaths(folder)
    try:
        return Run(folder.name, paths, read_status(paths))
    except GutCheckError as error:
        return Run(folder.name, paths, None, str(error))


def find_run(workspace: Workspace, name: str) -> Run:
    """A run by its name in the workspace, or by the path of its folder.

    Raises:
        WorkspaceError: there is none; the runs that exist are named.
    """
    folder = Path(name)
    if not os.path.isdir(folder / "model"):
        folder = workspace.run(name).root if "/" not in name else folder
    if not os.path.isdir(folder):
        have = ", ".join(run.name for run in list_runs(workspace)[:5]) or "none yet; run: python -m training fit"
        raise WorkspaceError("There is no such run", value=name, todo=f"runs here: {have}")
    return open_run(folder.resolve())


def badge_for(manifest: dict[str, Any] | None, index: DatasetIndex, split: str) -> LeakBadge:
    """The leak badge of a score on a split by a run with this training manifest.

    It is ``unknown`` where the manifest is missing, or where a name on either side tells no patient.
    """
    try:
        train = manifest["splits"]["train"] if manifest else {}
        stated = None if train.get("unparsed") else train["patients"]
    except (KeyError, TypeError, AttributeError):
        stated = None
    known = isinstance(stated, list) and not index.unparsed(split)
    return leak_badge(stated if known else None, index.patients(split))
