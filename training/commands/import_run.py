"""``import``: bring a run that was exported elsewhere into a workspace."""

from collections.abc import Sequence
from pathlib import Path

from core.cli.options import Parser
from core.runs.library import import_run
from core.storage.workspace import Workspace


def parser() -> Parser:
    """The options of ``import``."""
    made = Parser(
        "python -m training import", "Bring a run that was exported elsewhere here, of any size; every file is checked."
    )
    made.add_argument("source", type=str, help="the zip that an export wrote")
    made.add_argument("--name", type=str | None, default=None, help="the run's name here; by default the zip's")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    return made


def main(words: Sequence[str]) -> None:
    """Run the command; see `core.runs.library.import_run` for what it raises."""
    options = parser().read(words)
    archive = Path(options["source"])
    name = options["name"] or archive.name.removesuffix(".zip")
    print(f"Run: {import_run(Workspace.locate(options['workspace']), archive, name).root}")
