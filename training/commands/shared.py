"""What the commands share: whether a result will be seen where it is written, the workspace of the next one, printed JSON."""

import json
import shlex
from typing import Any

from core.errors import WorkspaceError
from core.runs.library import copy_demo_run
from core.runs.registry import Run
from core.storage.workspace import CARRIED_RUN, Workspace


def check_home(run: Run, workspace: Workspace, *, stated: bool) -> None:
    """Check that what is written into a run's folder shows where somebody will look for it; see `at_home` for the embedded one.

    Args:
        stated: whether the workspace was named on the command line.

    Raises:
        WorkspaceError: the run lies in no workspace, or in another one than the one that was named.
    """
    folder = run.paths.root.resolve()
    here = folder == CARRIED_RUN or folder.parent == workspace.runs.resolve()
    if here or (folder.parent.name == workspace.runs.name and not stated):
        return
    todo = "bring it there (python -m training export, then import)"
    todo += f", or name its own: --workspace {folder.parents[1]}" if folder.parent.name == workspace.runs.name else ""
    what = "The run is in no workspace" if folder.parent.name != workspace.runs.name else "The run is in another workspace"
    raise WorkspaceError(f"{what}, so no page would show its scores", value=folder, todo=todo)


def at_home(run: Run, workspace: Workspace) -> Run:
    """The run; its copy in the workspace where it is the embedded one, into whose folder nothing is written."""
    return copy_demo_run(workspace) if run.paths.root.resolve() == CARRIED_RUN else run


def option_of(workspace: Workspace) -> str:
    """What a command that is to be run next needs to work in this workspace."""
    return "" if workspace == Workspace.locate() else f" --workspace {shlex.quote(str(workspace.root))}"


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))
