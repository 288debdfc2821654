"""What the commands share: finding a data set, showing progress, the line of printed JSON."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core.cli.progress import ReportProgress
from core.errors import DatasetError, WorkspaceError
from core.runs.registry import Run
from core.storage.workspace import Workspace, check_name

QUIET_S = 10.0
"""Where standard error is no terminal, work shorter than this shows no bar, and longer work a line this often."""

LARGE = 10_000_000


def find_dataset(workspace: Workspace, name: str) -> Path:
    """A data set's folder: a path, or a name in the workspace.

    Raises:
        DatasetError: there is neither.
    """
    if Path(name).is_dir():
        return Path(name)
    if "/" not in name and (workspace.datasets / name).is_dir():
        return workspace.dataset(check_name(name, "data set"))
    have = sorted(path.name for path in workspace.datasets.glob("[!.]*")) if workspace.datasets.is_dir() else []
    todo = f"use a folder, or one of {', '.join(have[:5])}" if have else "check the path, or run: python -m training prepare"
    raise DatasetError("There is no such data set", value=name, todo=todo)


def check_home(run: Run, workspace: Workspace, *, stated: bool) -> None:
    """Check that what is written into a run's folder shows where somebody will look for it.

    Args:
        stated: whether the workspace was named on the command line.

    Raises:
        WorkspaceError: the run lies in no workspace, or in another one than the one that was named.
    """
    folder = run.paths.root.resolve()
    here = folder.parent == workspace.runs.resolve()
    if here or (folder.parent.name == workspace.runs.name and not stated):
        return
    todo = "bring it there (python -m training export, then import)"
    todo += f", or name its own: --workspace {folder.parents[1]}" if folder.parent.name == workspace.runs.name else ""
    what = "The run is in no workspace" if folder.parent.name != workspace.runs.name else "The run is in another workspace"
    raise WorkspaceError(f"{what}, so no page would show its scores", value=folder, todo=todo)


@contextmanager
def progress_bar(title: str) -> Iterator[ReportProgress]:
    """A bar on standard error, gone when the block ends; work in several parts gets one after the other."""
    shown = sys.stderr.isatty()
    pause_s = {"delay": 0 if shown else QUIET_S, "mininterval": 0.1 if shown else QUIET_S}

    def new_bar() -> Any:
        return tqdm(desc=title, file=sys.stderr, leave=False, **pause_s)

    bar = new_bar()

    def report(done: int, total: int, what: str) -> None:
        nonlocal bar
        if done < bar.n:
            bar.close()
            bar = new_bar()
        # Bytes: 1.20G/2.40G rather than ten digits each.
        bar.total, bar.unit_scale = total, total > LARGE
        bar.update(done - bar.n)
        if done >= total:
            # At once rather than when the block ends: what is printed next would run into the bar.
            bar.close()

    try:
        yield report
    finally:
        bar.close()


def going_on(title: str, done: int, total: int) -> str:
    """A bar's title, with how much an attempt that was cut off had done."""
    return f"{title}, {min(done, total)} of {total} taken over" if done else title


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))
