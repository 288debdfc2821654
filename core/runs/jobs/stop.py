"""Watching and stopping a run from outside."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from core.errors import JobError, WorkspaceError
from core.runs.jobs import on_ray as cluster
from core.runs.jobs.start import Queued, read_job
from core.runs.status import ACTIVE, RunStatus, read_status
from core.storage.files import write_whole
from core.storage.locks import runs_locked
from core.storage.workspace import RunPaths

if TYPE_CHECKING:  # a waiting run's process has no use for tables
    from core.runs.registry import Run


def request_stop(run: "Run") -> None:
    """Ask a run to finish its present step, save, and end; or take it out of the queue.

    Raises:
        JobError: the run is not active, or waits at a Ray cluster that does not answer.
    """
    with runs_locked(run.paths.root.parent):
        handed_over = _active(run).state == "queued" and _cluster_job(run) is not None
        if not handed_over:
            _write(run, "The stop request could not be written", run.paths.stop_request)
    if handed_over:
        stop_now(run)


def stop_now(run: "Run") -> None:
    """Kill a run's process and those it has started; what was saved after its last complete epoch stays.

    Raises:
        JobError: the run is not active, or its process is another machine's or another person's; or the Ray cluster that
            trains it does not answer.
    """
    with runs_locked(run.paths.root.parent):
        status, job = _active(run), _cluster_job(run)
        if job is None and status.state == "queued":
            _write(run, "The stop request could not be written", run.paths.stop_request)
            return
        if job is None and (status.process is None or not status.process.lives()):
            raise JobError("The run's process is not on this machine", value=run.name, todo="stop it there")
        _write(run, "The run could not be stopped", run.paths.stop_now)
        if job is None:
            _kill(run, status)
    if job is not None:
        # Not under the lock: the cluster may take its time to answer.
        cluster.stop(run.paths, job)


def _kill(run: "Run", status: RunStatus) -> None:
    try:
        process = psutil.Process(status.local_pid)
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    except psutil.Error as error:
        raise JobError("The run's process cannot be stopped", value=run.name, todo="ask whoever started it") from error


def _cluster_job(run: "Run") -> Queued | None:
    """How the run was handed to a Ray cluster; nothing where it is this machine's."""
    job = read_job(run.paths) if run.paths.job.exists() else None
    return job if job is not None and job.cluster is not None else None


def _active(run: "Run") -> RunStatus:
    """How the run stands now: the page that somebody looks at may be old."""
    try:
        status = read_status(run.paths)
    except WorkspaceError:
        status = None
    if status is None or status.state not in ACTIVE:
        raise JobError("The run is not active", value=run.name, todo="choose one that is running")
    return status


def _write(run: "Run", what: str, path: Path) -> None:
    try:
        write_whole(path, b"stop\n")
    except WorkspaceError as error:
        raise JobError(what, value=run.name, todo="free some space") from error


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
