"""Every cache of the dashboard, each bounded; keys hold the file's time, so that a new evaluation is seen at once."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.reviews import ReviewStore
from core.runs import Evaluation, Run, list_runs
from core.workspace import EvaluationPaths, Workspace


def evaluations(workspace: Workspace) -> list[Evaluation]:
    """Every evaluation of the workspace, those of the newest run first."""
    found: list[Evaluation] = []
    for run in list_runs(workspace):
        found += _evaluations_of(run.name, str(run.paths.root), _stamp(run))
    return found


def _stamp(run: Run) -> tuple[tuple[str, int], ...]:
    files = sorted(run.paths.evaluations.glob("[!.]*/evaluation.json"))
    return tuple((path.parent.name, path.stat().st_mtime_ns) for path in files)


@st.cache_data(max_entries=200, show_spinner=False)
def _evaluations_of(name: str, root: str, stamp: tuple[tuple[str, int], ...]) -> list[Evaluation]:
    from core.runs import open_run

    return open_run(Path(root)).evaluations() if stamp else []


def scans(evaluation: Evaluation) -> pd.DataFrame:
    """The scan table of an evaluation. Raises: see `core.runs.Evaluation.scans`."""
    return _scans(str(evaluation.paths.root), evaluation.run, evaluation.summary["created_at"])


@st.cache_data(max_entries=50, show_spinner=False)
def _scans(root: str, run: str, created_at: str) -> pd.DataFrame:
    return Evaluation(run, Path(root).name, EvaluationPaths(Path(root)), {}).scans()


@st.cache_resource(max_entries=4, show_spinner=False, on_release=ReviewStore.close)
def store(database: Path) -> ReviewStore:
    """The review store of a workspace. Raises: see `core.reviews.ReviewStore.open`."""
    return ReviewStore.open(database)
