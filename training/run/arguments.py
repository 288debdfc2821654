"""What the command line of a ``fit`` asks for: understood here for the command, the queue and the workers of a cluster."""

import os
import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import Parser
from core.cli.progress import progress_bars
from core.config import ArchiveConfig, InputRecipe, TrainingConfig, pick
from core.data.index import DatasetIndex, load_index
from core.errors import ConfigError, DatasetError, WorkspaceError
from core.runs.jobs.start import read_job
from core.runs.registry import find_run
from core.runs.settings import RunSettings
from core.storage.workspace import RunPaths, Workspace, check_name
from training.run.ranks import RUN_VARIABLE, is_first, started_together

if TYPE_CHECKING:
    from training.run.fit import FitResult
    from training.run.trainer import Launch


def parser() -> Parser:
    """The options of ``fit``."""
    made = Parser(
        "python -m training fit", "Train a run on a data set. Every option can also stand in a YAML file, under the same name."
    )
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--data", required=True, type=str, help="a data set's folder, or its name in the workspace")
    address = "web address of the course's zip, fetched as by `prepare uw-madison` where --data is not there yet"
    made.add_argument("--address", type=str | None, default=None, help=address)
    made.add_class_arguments(ArchiveConfig, skip={"address", "archive"})
    made.add_argument("--run", type=str | None, default=None, help="name of the run; by default from model and time")
    made.add_argument("--resume", type=str | None, default=None, help="take up this run after its last complete epoch")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--evaluate", type=bool, default=False, help="evaluate the validation split afterwards, for review")
    made.add_argument("--queued", type=bool, default=False, help="take the settings that the queue wrote into the run's job.json")
    made.add_class_arguments(TrainingConfig)
    made.add_class_arguments(InputRecipe)
    return made


@dataclass(frozen=True)
class FitArguments:
    """What the words of a ``fit`` ask for."""

    workspace: Workspace
    data: Path
    """The data set's folder; it need not be there yet where there is an ``archive``."""
    archive: ArchiveConfig | None
    paths: RunPaths
    settings: RunSettings
    resume: bool
    evaluate: bool

    def source(self) -> DatasetIndex | Path:
        """The data set, if it is there."""
        return self.data if self.archive else load_index(self.data)


def read_arguments(argv: Sequence[str]) -> FitArguments:
    """Understand the words of a ``fit``.

    Raises:
        ConfigError, DatasetError, WorkspaceError: something is wrong with them; nothing is written then.
    """
    options = parser().read(_with_settings(argv))
    settings = RunSettings.of(options)
    workspace = Workspace.locate(options["workspace"])
    data, archive = choose_data(workspace, options)
    resume = options["resume"] is not None
    paths = (
        find_run(workspace, options["resume"]).paths if resume else choose_run(workspace, options["run"], settings.training.model)
    )
    settings = _queued(paths) if options["queued"] else settings
    return FitArguments(workspace, data, archive, paths, settings, resume, options["evaluate"])


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


def _queued(paths: RunPaths) -> RunSettings:
    """The settings that a run was queued with.

    Raises:
        WorkspaceError: its ``job.json`` is missing or damaged, or has none.
    """
    settings = read_job(paths).settings
    if settings is None:
        raise WorkspaceError("job.json has no settings", value=paths.job, todo="start a new run")
    return settings


def _with_settings(argv: Sequence[str]) -> list[str]:
    """The words, after the settings of the run that they resume, if they do.

    Raises:
        ConfigError: a new name for a run that has one.
        WorkspaceError: there is no such run.
    """
    early = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in ("--resume", "--run", "--workspace"):
        early.add_argument(option, nargs="?")
    known, _ = early.parse_known_args(list(argv))
    if known.resume is None:
        return list(argv)
    if known.run is not None:
        raise ConfigError("A resumed run keeps its name", value=f"--run {known.run}", todo="leave out --run or --resume")
    return ["--config", str(find_run(Workspace.locate(known.workspace), known.resume).paths.config), *argv]


def choose_data(workspace: Workspace, options: Mapping[str, Any]) -> tuple[Path, ArchiveConfig | None]:
    """The data set's folder; and where it comes from, if it is not there yet and an address is given.

    Raises:
        DatasetError: it is not there.
        ConfigError: it is not there, and a launcher started several processes, of which none can wait for the first to fetch it.
    """
    name = options["data"]
    try:
        return find_dataset(workspace, name), None
    except DatasetError:
        if options["address"] is None:
            raise
    if started_together():
        todo = "fetch it first: python -m training prepare uw-madison"
        raise ConfigError("Processes that start together need a data set that is there", value=name, todo=todo)
    folder = Path(name) if "/" in name else workspace.dataset(check_name(name, "data set"))
    return folder, pick(ArchiveConfig, options)


def choose_run(workspace: Workspace, name: str | None, model: str) -> RunPaths:
    """The run's folder: by its name, or a new one; the same for all of several processes.

    Raises:
        ConfigError: a launcher started several processes, which could not agree on a new name.
    """
    if name is None and started_together():
        raise ConfigError("Processes that start together need a name for their run", todo="add --run NAME")
    if name is None and not is_first():
        name = os.environ[RUN_VARIABLE]
    paths = workspace.run(name) if name else new_run(workspace, model)
    if is_first():
        # The processes that this one starts have the same command line, and this environment.
        os.environ[RUN_VARIABLE] = paths.root.name
    return paths


def new_run(workspace: Workspace, model: str) -> RunPaths:
    """A run's folder that is not taken, named after the model and the time."""
    size = re.search(r"b[0-5]", Path(model).name)
    stem = f"{size.group() if size else 'run'}-{datetime.now():%Y%m%d-%H%M%S}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(paths for paths in map(workspace.run, names) if not paths.root.exists())


def train(wanted: FitArguments, launch: "Launch | None" = None) -> "FitResult":
    """`training.run.fit.fit` with a bar for each piece of long work before it."""
    from training.data.datamodule import silent_work
    from training.run.fit import fit

    source = wanted.source()
    if is_first() and isinstance(source, DatasetIndex) and not source.manifest.stated:
        print("Note: the data set has no dataset.json; names are read as the UW-Madison set's, spacing is unknown.")
    with progress_bars() as watch:
        return fit(
            source, wanted.paths, wanted.settings.training, wanted.settings.input_recipe, archive=wanted.archive,
            resume=wanted.resume, watch=watch if is_first() else silent_work, launch=launch,
        )  # fmt: skip
