"""Queueing a training run: its folder, how it is to be started, and the process that waits for its turn and watches it."""

import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.config import ClusterConfig
from core.errors import ConfigError, JobError, WorkspaceError
from core.files import read_json, write_json
from core.run_status import RunStatus, is_working, read_status, write_status
from core.workspace import RunPaths, Workspace

PROJECT = Path(__file__).resolve().parents[2]
"""Where ``python -m training`` can be run from."""


@dataclass(frozen=True)
class TrainingJob:
    """A `fit` to be started."""

    dataset: Path
    recipe: Path | None = None
    """YAML file; nothing means the defaults."""
    options: tuple[tuple[str, str], ...] = ()
    """Command-line options that override the recipe, such as ``("epochs", "5")``."""
    evaluate: bool = False
    """Evaluate the validation split afterwards, for review."""
    places: int = 1
    """How many of the machine's places it takes: GPUs, where there are any."""
    cluster: ClusterConfig | None = None
    """Train there instead of on this machine; it then takes no place here."""

    @property
    def words(self) -> tuple[str, ...]:
        """Data set and settings, as ``fit`` and ``estimate`` take them."""
        config = ("--config", str(self.recipe)) if self.recipe else ()
        return ("--data", str(self.dataset), *config, *(f"--{option}={value}" for option, value in self.options))


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
        words = tuple(str(word) for word in content["words"])
        return Queued(words, float(content["queued_at"]), int(content["places"]), cluster)
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise WorkspaceError("job.json is not as expected", value=run.job, todo="start a new run") from error


def new_run_name(prefix: str = "run") -> str:
    """A run name with the present time to the second, such as ``run-20261122-141530``."""
    return f"{prefix}-{datetime.now():%Y%m%d-%H%M%S}"


def start_training(workspace: Workspace, job: TrainingJob, name: str) -> RunPaths:
    """Queue ``python -m training fit``; it starts when its turn has come, and outlives whoever queued it.

    Raises:
        JobError: the name is taken, or the process cannot be started.
    """
    paths = workspace.run(name)
    words = ("--workspace", str(workspace.root), "--run", name, *job.words, *(["--evaluate=true"] if job.evaluate else []))
    try:
        paths.root.mkdir(parents=True)
    except FileExistsError as error:
        raise JobError("There is a run of this name already", value=name, todo="choose another name") from error
    except OSError as error:
        raise _cannot_start(name) from error
    try:
        _queue(workspace, paths, Queued(words, time.time(), job.places, job.cluster), RunStatus("queued", started_at=time.time()))
    except JobError:
        if not paths.status.exists():
            # A folder without a status would hold the name, and be listed as a damaged run.
            shutil.rmtree(paths.root, ignore_errors=True)
        raise
    return paths


def lacks_evaluation(run: RunPaths, status: RunStatus) -> bool:
    """Whether a run has finished without the evaluation that was to follow, which `resume_training` then makes up for."""
    if status.state != "finished" or is_working(status) or not run.job.exists():
        return False
    return bool(_not_a_setting(read_job(run))) and not any(run.evaluations.glob("[!.]*/evaluation.json"))


def resume_training(workspace: Workspace, name: str, *, cluster: ClusterConfig | None = None) -> RunPaths:
    """Queue a run again that was stopped, has failed, or was not evaluated; it goes on after its last complete epoch.

    Args:
        cluster: where to go on; by default where it was.

    Raises:
        JobError: it is at work or has finished with all that was asked for, or the process cannot be started.
        WorkspaceError: there is no such run, or its status is damaged.
    """
    paths = workspace.run(name)
    status = read_status(paths)
    if is_working(status) or (status.state == "finished" and not lacks_evaluation(paths, status)):
        raise JobError("Only a run that has stopped or failed can be resumed", value=name, todo="wait, or start a new run")
    known = read_job(paths) if paths.job.exists() else None
    if paths.manifest.exists():
        words = ("--workspace", str(workspace.root), "--resume", name, *_not_a_setting(known))
    elif known:
        words = known.words  # it ended before it had begun
    else:
        raise JobError("The run ended before it had begun", value=name, todo="start a new run")
    paths.stop_request.unlink(missing_ok=True)
    paths.stop_now.unlink(missing_ok=True)
    known = known or Queued((), 0)
    again = replace(known, words=tuple(words), queued_at=time.time(), cluster=cluster or known.cluster)
    _queue(workspace, paths, again, replace(status, state="queued"))
    return paths


def _not_a_setting(known: Queued | None) -> list[str]:
    """What a resumed run does not find in its ``config.yaml``."""
    return [word for word in known.words if word.startswith("--evaluate")] if known else []


def _queue(workspace: Workspace, paths: RunPaths, job: Queued, status: RunStatus) -> None:
    status = replace(status, pid=None, process_created_at=None, remaining_s=None, message="Waiting for its turn.")
    try:
        write_json(paths.job, asdict(job))
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
    command = [sys.executable, "-m", "core.jobs.supervisor", str(workspace.root), paths.root.name]
    return spawn(command, paths.output, start_new_session=True)


def spawn(command: list[str], log: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process in the project's folder that reads nothing and writes to the end of ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
