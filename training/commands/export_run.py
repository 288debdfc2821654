"""``export``: write a run as one zip for another workspace, or with ``--what`` its label maps for other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.cli.options import Parser
from core.data.writers.scan_files import FileFormat
from core.errors import ConfigError
from core.reviews.scan_files import What
from core.runs.library import export_run
from core.storage.workspace import Workspace

ONLY_WITH_WHAT = ("evaluation", "data", "format", "scan", "reader", "source", "key")


def parser() -> Parser:
    """The options of ``export``."""
    about = "Write a run that has ended as one zip: model, settings, curves, log, evaluations. With --what: label maps as files."
    made = Parser("python -m training export", about)
    made.add_argument("--run", type=str | None, default=None, help="a run's name in the workspace")
    made.add_argument("--out", required=True, type=str, help="the zip, or with --what a folder; must be new")
    made.add_argument("--what", type=What | None, default=None, help="the label maps to write, in place of the run")
    made.add_argument("--evaluation", type=str | None, default=None, help="--what: of this evaluation, such as phantoms-valid")
    made.add_argument(
        "--data", type=str | None, default=None, help="--what reference: of this data set (folder or name), in place of a run's"
    )
    made.add_argument("--format", type=FileFormat | None, default=None, help="--what: the kind of file")
    made.add_argument("--scan", type=str, default="", help="--what: these scans only, separated by commas")
    made.add_argument("--reader", type=str | None, default=None, help="--what correction: of this reader")
    made.add_argument(
        "--source", type=str | None, default=None, help="DICOM: folder of the original series, whose patient and study are copied"
    )
    made.add_argument("--key", type=str | None, default=None, help="DICOM: key file that turns pseudonyms into patient IDs again")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    return made


def main(words: Sequence[str]) -> None:
    """Run the command; see `core.runs.library.export_run` and `training.commands.export_scans` for what it raises."""
    options = parser().read(words)
    if options["what"] is not None:
        from training.commands.export_scans import export_scans

        export_scans(options)
        return
    _check(options)
    archive = Path(options["out"])
    size = export_run(Workspace.locate(options["workspace"]), options["run"], archive)
    if options["json"]:
        from training.commands.shared import print_json

        print_json({"archive": str(archive.resolve()), "bytes": size})
    else:
        print(f"Archive: {archive.resolve()} ({size / 1e6:,.0f} MB)")


def _check(options: dict[str, Any]) -> None:
    stray = [f"--{name}" for name in ONLY_WITH_WHAT if options[name]]
    todo = "see python -m training export --help"
    if stray:
        raise ConfigError("These options need --what", value=", ".join(stray), todo=todo)
    if options["run"] is None:
        raise ConfigError("Something is missing: --run", todo=todo)
