"""Start, watch and stop a training process that outlives the dashboard."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.errors import JobError, WorkspaceError
from core.files import write_whole
from core.runs import ACTIVE, Run, RunStatus, list_runs, write_status
from core.workspace import RunPaths, Workspace

PROJECT = Path(__file__).resolve().parent.parent
"""Where ``python -m training`` can be run from."""


@dataclass(frozen=True)
class TrainingJob:
    """A `fit` to be started."""

    dataset: Path
    recipe: Path | None = None
    """YAML file; nothing means the defaults."""
    options: tuple[tuple[str, str], ...] = ()
    """Command-line options that override the recipe, such as ``("epochs", "5")``."""


def new_run_name(prefix: str = "run") -> str:
    """A run name with the present time to the second, such as ``run-20261122-141530``."""
    return f"{prefix}-{datetime.now():%Y%m%d-%H%M%S}"


def start_training(workspace: Workspace, job: TrainingJob, name: str) -> RunPaths:
    """Start ``python -m training fit`` as a process of its own session, so that it outlives whoever started it.

    One run at a time: two training processes on one machine slow each other several times over.

    Raises:
        JobError: another run is active, the name is taken, or the process cannot be started.
    """
    busy = [run.name for run in list_runs(workspace) if run.status and run.status.state in ACTIVE]
    if busy:
        raise JobError("Another run is active", value=busy[0], todo="wait for it, or stop it first")
    paths = workspace.run(name)
    try:
        paths.root.mkdir(parents=True)
        write_status(paths, RunStatus("queued", message="Starting."))
        process = _spawn(_command(workspace, job, name), paths.output)
    except FileExistsError as error:
        raise JobError("There is a run of this name already", value=name, todo="choose another name") from error
    except OSError as error:
        todo = "check the workspace's disk and permissions"
        if paths.status.exists():
            write_status(paths, RunStatus("failed", message="The process could not be started."))
        raise JobError("The training process cannot be started", value=name, todo=todo) from error
    # Whoever starts it takes its exit code too, so that no zombie stays; should they end first, the system does.
    threading.Thread(target=process.wait, daemon=True).start()
    # The child takes the file over once torch is imported, seconds from now.
    write_status(paths, RunStatus("queued", pid=process.pid, started_at=time.time(), message="Starting."))
    return paths


def _command(workspace: Workspace, job: TrainingJob, name: str) -> list[str]:
    words = [sys.executable, "-m", "training", "fit", "--workspace", str(workspace.root), "--run", name]
    words += ["--data", str(job.dataset)]
    if job.recipe:
        words += ["--config", str(job.recipe)]
    return [*words, *(f"--{option}={value}" for option, value in job.options)]


def _spawn(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def request_stop(run: Run) -> None:
    """Ask a run to finish its present step, save, and end.

    Raises:
        JobError: the run is not active.
    """
    if run.status is None or run.status.state not in ACTIVE:
        raise JobError("The run is not active", value=run.name, todo="choose one that is running")
    try:
        write_whole(run.paths.stop_request, b"stop\n")
    except WorkspaceError as error:
        raise JobError("The stop request could not be written", value=run.name, todo="free some space") from error


def log_tail(run: RunPaths, lines: int = 40) -> str:
    """The last lines of the run's log, or of what its process printed before it had one; empty where there is neither."""
    for path in (run.log, run.output):
        try:
            with path.open("rb") as file:
                file.seek(max(path.stat().st_size - 64_000, 0))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            continue
    return ""
