"""What the commands share: whether a result will be seen where it is written, the workspace of the next one, printed JSON."""

import json
import shlex
from typing import Any

from core.errors import WorkspaceError
from core.runs.registry import Run
from core.storage.workspace import Workspace


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


def option_of(workspace: Workspace) -> str:
    """What a command that is to be run next needs to work in this workspace."""
    return "" if workspace == Workspace.locate() else f" --workspace {shlex.quote(str(workspace.root))}"


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))
