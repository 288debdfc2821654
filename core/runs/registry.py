"""The registry of training runs and evaluations, read from disk; a damaged one is listed with what is wrong."""

import filecmp
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pandas as pd

from core.data.grid import Grid, Spacing, stored_spacing
from core.data.index import DatasetIndex, load_index
from core.data.leakage import LeakBadge, LeakKind, leak_badge
from core.data.manifest import FILE_NAME
from core.data.scan import Scan, are_partial
from core.errors import GutCheckError, WorkspaceError
from core.metrics.geometry import SLICES_MISSING
from core.metrics.tables import ALL_ORGANS_RULE, over_all_organs
from core.runs.evaluation_checks import check_summary
from core.runs.status import ACTIVE, DIED, RunStatus, State, is_working, read_status, write_status
from core.storage.files import read_json
from core.storage.workspace import CARRIED_RUN, DEMO_NAME, EvaluationPaths, RunPaths, Workspace, names_demo

__all__ = [
    "ACTIVE", "DIED", "Evaluation", "Run", "RunStatus", "State", "badge_for", "find_run", "is_working", "list_runs", "open_run",
    "read_status", "write_status",
]  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run, as ``evaluation.json`` describes it."""

    run: str
    name: str
    paths: EvaluationPaths
    summary: Mapping[str, Any]

    @property
    def facts(self) -> Mapping[str, Mapping[str, Any]]:
        """Patient, hashes, slice numbers and geometry by scan; read from the file where the summary was left without them.

        Raises:
            WorkspaceError: the file is missing or damaged by now.
        """
        return self.summary["scans"] if "scans" in self.summary else _read_facts(self.paths, _modified(self.paths.summary))

    def without_facts(self) -> "Evaluation":
        """The same, to be kept and shared: thousands of scans' facts are then read when they are asked for."""
        return replace(self, summary=MappingProxyType({key: self.summary[key] for key in self.summary if key != "scans"}))

    @property
    def dataset_root(self) -> Path:
        """Where the data set was; in a workspace that was copied or moved, its own of the same name and ``dataset.json``."""
        stated = Path(self.summary["dataset"]["root"])
        own = self.paths.root.parents[3] / "datasets" / stated.name
        if own == stated or not own.is_dir():
            return stated
        return own if not stated.is_dir() or _is_copy(own, stated) else stated

    @property
    def split(self) -> str:
        return str(self.summary["split"])

    @property
    def is_external(self) -> bool:
        """Whether another tool drew the label maps (``evaluate masks``): nothing was trained here."""
        return bool(self.summary.get("external"))

    @property
    def extent(self) -> str:
        """Over how much was measured, for people; scans of which nothing is known along z are counted apart."""
        summary = self.summary
        partial = summary.get("partial_count", len(summary.get("without_distances", {}).get(SLICES_MISSING, ())))
        apart = f", {partial:,} of them partial (one slice alone, or slices missing)" if partial else ""
        return f"{_plural(summary['scan_count'], 'scan')} of {_plural(summary['patient_count'], 'patient')}{apart}"

    @property
    def badge(self) -> LeakBadge:
        content = self.summary["leak"]
        if content["kind"] not in get_args(LeakKind):
            raise KeyError(content["kind"])
        return LeakBadge(content["kind"], int(content["leaked"]), int(content["patients"]))

    def scan_facts(self, scan: str) -> dict[str, Any]:
        """Hashes, slice numbers and geometry of one evaluated scan.

        Raises:
            WorkspaceError: the evaluation has no such scan.
        """
        facts = self.facts.get(scan)
        if facts is None:
            what = f"The evaluation {self.name} of {self.run} has no such scan"
            raise WorkspaceError(what, value=scan, todo="choose one of its scans")
        return dict(facts)

    def find_scan(self, scan: str) -> Scan:
        """An evaluated scan in its data set.

        Raises:
            DatasetError: the data set is gone or damaged, or has no such scan.
        """
        return load_index(self.dataset_root).scan(self.split, scan)

    @property
    def partial_scans(self) -> list[str]:
        """Scans of one slice or with gaps, see `core.data.scan.Scan.is_partial`; older files tell it by their slices' numbers."""
        known = self.facts.items()
        return [scan for scan, facts in known if facts.get("partial", are_partial(facts.get("slice_numbers", (0, 1))))]

    @property
    def crosswise_scans(self) -> list[str]:
        """Scans whose slices are known not to follow each other from head to foot: coronal and sagittal stacks."""
        found = {scan: facts.get("affine") for scan, facts in self.facts.items()}
        leads = {scan: Grid(affine).orientation for scan, affine in found.items() if affine}
        return [scan for scan, orientation in leads.items() if orientation and orientation[0] not in "IS"]

    def stored_spacing(self, scan: str, size: Sequence[int]) -> Spacing | None:
        """Spacing of an evaluated scan's pictures as they are stored, see `core.data.grid.stored_spacing`.

        Args:
            size: (height, width) as stored.

        Raises:
            WorkspaceError: the evaluation has no such scan.
        """
        facts = self.scan_facts(scan)
        return stored_spacing(facts.get("spacing_mm"), facts.get("native_size"), size)

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

    def slices(self, columns: list[str] | None = None) -> pd.DataFrame:
        """``slices.parquet``, see `core.metrics.tables.slice_rows`.

        Args:
            columns: those to read; all by default.

        Raises:
            WorkspaceError: missing or damaged.
        """
        return _read_table(self.paths.slices, columns)


def _read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, columns=columns)
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

    def damaged_evaluations(self) -> list[str]:
        """The names of those that cannot be read."""
        stored = {path.parent.name for path in self.paths.evaluations.glob("[!.]*/evaluation.json")}
        return sorted(stored - {evaluation.name for evaluation in self.evaluations()})

    def evaluation(self, name: str) -> Evaluation:
        """One evaluation.

        Raises:
            WorkspaceError: it is not there, or cannot be read.
        """
        found = _read_evaluation(self.name, self.paths.evaluation(name))
        if found is None:
            have = ", ".join(each.name for each in self.evaluations()[:5]) or "none yet; run: python -m training evaluate"
            raise WorkspaceError(f"Run {self.name} has no such evaluation", value=name, todo=f"evaluations here: {have}")
        return found


def _is_copy(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one / FILE_NAME, other / FILE_NAME, shallow=False)
    except OSError:
        return False


def _read_evaluation(run: str, paths: EvaluationPaths) -> Evaluation | None:
    try:
        summary = read_json(paths.summary)
        evaluation = Evaluation(run, paths.root.name, paths, summary)
        # A damaged file is left out here rather than crash a page.
        check_summary(summary)
        evaluation.dataset_root.is_dir()  # a name that no folder can have raises here
        return evaluation if "all_organs" in summary else replace(evaluation, summary=_with_all_organs(evaluation))
    except (WorkspaceError, KeyError, TypeError, ValueError, AttributeError):
        return None


@lru_cache(maxsize=16)
def _read_facts(paths: EvaluationPaths, modified: int) -> Mapping[str, Mapping[str, Any]]:
    evaluation = _read_evaluation("", paths)
    if evaluation is None:
        raise WorkspaceError("The evaluation is missing or damaged", value=paths.summary, todo="evaluate the run again")
    return MappingProxyType(evaluation.summary["scans"])


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _with_all_organs(evaluation: Evaluation) -> dict[str, Any]:
    """The summary of a file that is older than `over_all_organs`: its own headline was the mean of the organs' means.

    Where the scan table cannot be read there is no headline; pages that need the table say so.
    """
    try:
        found = over_all_organs(evaluation.scans())
    except (WorkspaceError, KeyError):
        found = over_all_organs(pd.DataFrame(columns=["patient", "scan", "outcome", "dice"]))
    conventions = evaluation.summary.get("conventions", {}) | {"all_organs": ALL_ORGANS_RULE}
    return dict(evaluation.summary) | {"all_organs": found, "conventions": conventions}


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
    """A run by its name in the workspace, or by the path of its folder; ``demo`` is the embedded one where none has that name.

    >>> find_run(Workspace(Path("/nowhere")), "demo").has_model
    True

    Raises:
        WorkspaceError: there is none; the runs that exist are named.
    """
    folder = Path(name)
    if not os.path.isdir(folder / "model"):
        folder = workspace.run(name).root if "/" not in name else folder
    if os.path.isdir(folder):
        return open_run(folder.resolve())
    if names_demo(name):
        return demo_run()
    raise _no_such_run(workspace, name)


def demo_run() -> Run:
    """The run that ships with the project, named ``demo``; it has no model where it is missing."""
    return replace(open_run(CARRIED_RUN), name=DEMO_NAME)


def find_evaluation(workspace: Workspace, *, run: str, evaluation: str, scan: str | None = None) -> Evaluation:
    """An evaluation by names alone, which lead nowhere out of the workspace.

    Args:
        scan: one that it must have.

    Raises:
        WorkspaceError: a name that can be none, or of something that is not there.
    """
    folder = workspace.run(run).root
    if not folder.is_dir():
        raise _no_such_run(workspace, run)
    found = open_run(folder).evaluation(evaluation)
    if scan is not None:
        found.scan_facts(scan)
    return found


def _no_such_run(workspace: Workspace, name: str) -> WorkspaceError:
    have = ", ".join(run.name for run in list_runs(workspace)[:5]) or "none yet; run: python -m training fit"
    return WorkspaceError("There is no such run", value=name, todo=f"runs here: {have}")


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


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
