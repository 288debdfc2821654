"""Queueing a training run: its folder, how it is to be started, and the process that waits for its turn and watches it."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.config import ClusterConfig, InputRecipe, TrainingConfig, changed
from core.errors import ConfigError, JobError, WorkspaceError
from core.runs.settings import RunSettings
from core.runs.status import MAX_TIME_S, RunStatus, is_working, read_status, write_status
from core.storage.files import read_json, write_json
from core.storage.locks import runs_locked
from core.storage.workspace import PROJECT_ROOT, RunPaths, Workspace

PLACED = ("workspace", "run")
"""Options that say where a run lies: known from where its folder is, whatever a file says."""
WORDS = {field.name for config in (TrainingConfig, InputRecipe) for field in fields(config)}
WORDS |= {*PLACED, "resume", "data", "config", "evaluate", "queued"}
SWITCH = "--evaluate"
MAX_WORD = 10_000
MAX_PLACES = 1024


@dataclass(frozen=True)
class TrainingJob:
    """A `fit` to be started."""

    dataset: Path
    settings: RunSettings = field(default_factory=RunSettings)
    evaluate: bool = False
    """Evaluate the validation split afterwards, for review."""
    places: int = 1
    """How many of the machine's places it takes: GPUs, where there are any."""
    cluster: ClusterConfig | None = None
    """Train there instead of on this machine; it then takes no place here."""


@dataclass(frozen=True)
class Queued:
    """``job.json``: a run's place in the queue and its command."""

    words: tuple[str, ...]
    """After ``python -m training fit``."""
    queued_at: float
    """Seconds since 1970; who was queued first is started first."""
    places: int = 1
    cluster: ClusterConfig | None = None
    """The Ray cluster that trains it, if one does."""
    settings: RunSettings | None = None
    """As they were chosen; nothing in older files, which have them among the words."""

    def to_json(self) -> dict[str, Any]:
        """What ``job.json`` holds; of the settings those that differ from the defaults of the machine that trains."""
        settings = None if self.settings is None else changed(self.settings.training, self.settings.input_recipe)
        return asdict(self) | {"settings": settings}

    @property
    def command(self) -> list[str]:
        """What is started."""
        return [sys.executable, "-m", "training", "fit", *self.words]


def read_job(run: RunPaths) -> Queued:
    """``job.json`` of a run.

    Raises:
        WorkspaceError: missing or damaged.
    """
    content = read_json(run.job)
    try:
        cluster = ClusterConfig(**content["cluster"]) if content.get("cluster") else None
        places, queued_at = int(content["places"]), float(content["queued_at"])
        if not 1 <= places <= MAX_PLACES or not abs(queued_at) < MAX_TIME_S:
            raise ValueError("an impossible number of places, or time")
        settings = None if content.get("settings") is None else RunSettings.of(content["settings"])
        return Queued(_checked_words(content["words"]), queued_at, places, cluster, settings)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ConfigError) as error:
        raise WorkspaceError("job.json is not as expected", value=run.job, todo="start a new run") from error


def _checked_words(words: object) -> tuple[str, ...]:
    """The words of a ``fit``, if they are of the sort that is queued: settings, a data set, a recipe, and where the run lies.

    Raises:
        ValueError: others are among them; a file that came from elsewhere must not have us do what no queue does.
    """
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) and len(word) <= MAX_WORD for word in words):
        raise ValueError("no words")
    left = list(words)
    while left:
        name, is_one, _ = left.pop(0).partition("=")
        if name.removeprefix("--") not in WORDS or not name.startswith("--"):
            raise ValueError("an option that is never queued")
        if not is_one and name != SWITCH and (not left or left.pop(0).startswith("--")):
            raise ValueError("an option without a value")
    return tuple(words)


def new_run_name(prefix: str = "run") -> str:
    """A run name with the present time to the second, such as ``run-20261122-141530``."""
    return f"{prefix}-{datetime.now():%Y%m%d-%H%M%S}"


def start_training(workspace: Workspace, job: TrainingJob, name: str) -> RunPaths:
    """Queue ``python -m training fit``; it starts when its turn has come, and outlives whoever queued it.

    Raises:
        JobError: the name is taken, or the process cannot be started.
    """
    paths = workspace.run(name)
    asked = ["--data", str(job.dataset), "--queued=true", *(["--evaluate=true"] if job.evaluate else [])]
    words = ("--workspace", str(workspace.root), "--run", name, *asked)
    queued = Queued(words, time.time(), job.places, job.cluster, job.settings)
    with runs_locked(workspace.runs):
        try:
            paths.root.mkdir(parents=True)
        except FileExistsError as error:
            raise JobError("There is a run of this name already", value=name, todo="choose another name") from error
        except OSError as error:
            raise _cannot_start(name) from error
        try:
            _queue(workspace, paths, queued, RunStatus("queued", started_at=time.time()))
        except JobError:
            if not paths.status.exists():
                # A folder without a status would hold the name, and be listed as a damaged run.
                shutil.rmtree(paths.root, ignore_errors=True)
            raise
    return paths


def lacks_evaluation(run: RunPaths, status: RunStatus) -> bool:
    """Whether a run has finished without the evaluation that was to follow, which `resume_training` then makes up for."""
    if status.state != "finished" or status.imported or is_working(status) or not run.job.exists():
        return False
    try:
        return bool(_not_a_setting(read_job(run))) and not any(run.evaluations.glob("[!.]*/evaluation.json"))
    except WorkspaceError:
        return False  # nobody can tell what was asked for


def can_resume(status: RunStatus) -> bool:
    """Whether a run in this state can go on; one that was brought from elsewhere has nothing to go on from."""
    return status.state in ("failed", "stopped") and not status.imported and not is_working(status)


def resume_training(workspace: Workspace, name: str, *, cluster: ClusterConfig | None = None) -> RunPaths:
    """Queue a run again that was stopped, has failed, or was not evaluated; it goes on after its last complete epoch.

    Of several who ask at the same time, one is obeyed and the others are told.

    Args:
        cluster: where to go on; by default where it was.

    Raises:
        JobError: it is at work, has finished with all that was asked for, or was imported; or the process cannot be started.
        WorkspaceError: there is no such run, or its status or ``job.json`` is damaged.
    """
    paths = workspace.run(name)
    with runs_locked(workspace.runs):
        status = read_status(paths)
        if status.imported:
            todo = "start a new run with its weights"
            raise JobError("A run that was imported has no checkpoint to go on from", value=name, todo=todo)
        if not can_resume(status) and not lacks_evaluation(paths, status):
            raise JobError("Only a run that has stopped or failed can be resumed", value=name, todo="wait, or start a new run")
        known = read_job(paths) if paths.job.exists() else None
        words = _words_again(workspace, paths, known)
        paths.stop_request.unlink(missing_ok=True)
        paths.stop_now.unlink(missing_ok=True)
        known = known or Queued((), 0)
        again = replace(known, words=words, queued_at=time.time(), cluster=cluster or known.cluster)
        _queue(workspace, paths, again, replace(status, state="queued"))
    return paths


def _words_again(workspace: Workspace, paths: RunPaths, known: Queued | None) -> tuple[str, ...]:
    """The words that take a run up again; where it lies is known from where its folder is, whatever its ``job.json`` says.

    Raises:
        JobError: there is nothing to take up.
    """
    name = paths.root.name
    if paths.manifest.exists():
        return ("--workspace", str(workspace.root), "--resume", name, *_not_a_setting(known))
    if known is None or "--resume" in known.words:
        raise JobError("The run ended before it had begun", value=name, todo="start a new run")
    return ("--workspace", str(workspace.root), "--run", name, *_without(known.words, PLACED))


def _without(words: tuple[str, ...], options: Collection[str]) -> list[str]:
    """Checked words without some options, however these are written."""
    kept: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, is_one, _ = word.removeprefix("--").partition("=")
        both = [word] if is_one or word == SWITCH else [word, left.pop(0)]
        kept += [] if name in options else both
    return kept


def _not_a_setting(known: Queued | None) -> list[str]:
    """What a resumed run does not find in its ``config.yaml``."""
    return [word for word in known.words if word in (SWITCH, f"{SWITCH}=true")] if known else []


def _queue(workspace: Workspace, paths: RunPaths, job: Queued, status: RunStatus) -> None:
    status = replace(status.of_process(None), remaining_s=None, evaluation_failed=False, message="Waiting for its turn.")
    try:
        write_json(paths.job, job.to_json())
        write_status(paths, status)
        process = _spawn(workspace, paths)
    except (OSError, WorkspaceError) as error:
        if paths.status.exists():
            write_status(paths, replace(status, state="failed", message="The process could not be started."))
        raise _cannot_start(paths.root.name) from error
    # Whoever starts it takes its exit code too, so that no zombie stays; should they end first, the system does.
    threading.Thread(target=process.wait, daemon=True).start()


def _cannot_start(name: str) -> JobError:
    todo = "check the workspace's disk and permissions"
    return JobError("The training process cannot be started", value=name, todo=todo)


def _spawn(workspace: Workspace, paths: RunPaths) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "core.runs.jobs.supervisor", str(workspace.root), paths.root.name]
    return spawn(command, paths.output, start_new_session=True)


def spawn(command: list[str], log: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process in the project's folder that reads nothing and writes to the end of ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
