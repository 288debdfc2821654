"""``export``: write a run as one zip for another workspace."""

from collections.abc import Sequence
from pathlib import Path

from core.cli.options import Parser
from core.runs.library import export_run
from core.storage.workspace import Workspace


def parser() -> Parser:
    """The options of ``export``."""
    made = Parser(
        "python -m training export", "Write a run that has ended as one zip: model, settings, curves, log, evaluations."
    )
    made.add_argument("--run", required=True, type=str, help="a run's name in the workspace")
    made.add_argument("--out", required=True, type=str, help="the zip; must be new")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    return made


def main(words: Sequence[str]) -> None:
    """Run the command; see `core.runs.library.export_run` for what it raises."""
    options = parser().read(words)
    archive = Path(options["out"])
    size = export_run(Workspace.locate(options["workspace"]), options["run"], archive)
    print(f"Archive: {archive.resolve()} ({size / 1e6:,.0f} MB)")
