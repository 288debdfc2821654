"""``status.json``: where a run stands. Light to import: every waiting run has a process that needs no more than this."""

import json
import os
import socket
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, get_args

import psutil

from core.errors import WorkspaceError
from core.files import read_json, write_whole
from core.workspace import RunPaths

State = Literal["queued", "running", "stopping", "finished", "failed", "stopped"]
ACTIVE: tuple[State, ...] = ("queued", "running", "stopping")
DIED = "The training process ended without a word; see the log."
UNEVALUATED = "Finished, but not evaluated: "
"""Begins the message of a run that was trained, but not evaluated as it should have been."""
HEARTBEAT_LIMIT_S = 120.0
"""A run whose process is gone, or silent for longer than this on another machine, counts as failed."""
BLOCK_BYTES = 4096
"""What a disk gives a small file in any case."""
HOST = socket.gethostname()
"""This machine; a process id means something only on its own."""


@dataclass(frozen=True)
class RunStatus:
    """``status.json``: where a run stands."""

    state: State
    pid: int | None = None
    started_at: float | None = None
    """Seconds since 1970."""
    process_created_at: float | None = None
    """When the process with that id was created; a recycled id has another time."""
    heartbeat_at: float | None = None
    """Seconds since 1970 of the last sign of life."""
    epoch: int = 0
    """Epochs completed."""
    epochs: int = 0
    step: int = 0
    """Optimiser steps completed."""
    remaining_s: float | None = None
    """Estimated seconds to the end."""
    message: str = ""
    """One sentence for people; on a failure, the reason."""
    host: str = ""
    """The machine that ``pid`` is of; empty in older files, which are judged as this machine's."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether the process is another machine's, of which only the heartbeat tells."""
        return self.host not in ("", HOST)

    @property
    def local_pid(self) -> int | None:
        """The process id where it is one of this machine."""
        return None if self.is_elsewhere else self.pid

    def of_this_process(self) -> "RunStatus":
        """The same, said by this process."""
        created = psutil.Process().create_time()
        return replace(self, pid=os.getpid(), process_created_at=created, host=HOST)


def read_status(run: RunPaths) -> RunStatus:
    """The run's state, corrected for a process that died without a word.

    Raises:
        WorkspaceError: ``status.json`` is missing or damaged.
    """
    status = stored_status(run)
    if status.state in ACTIVE and not _alive(status):
        return replace(status, state="failed", remaining_s=None, message=DIED)
    return status


def stored_status(run: RunPaths) -> RunStatus:
    """The run's state as the file has it. Raises: see `read_status`."""
    content = read_json(run.status)
    try:
        known = {field.name for field in fields(RunStatus)}
        return _checked(RunStatus(**{key: value for key, value in content.items() if key in known}))
    except (TypeError, AttributeError, ValueError) as error:
        raise WorkspaceError("status.json is not as expected", value=run.status, todo="start the run again") from error


def _checked(status: RunStatus) -> RunStatus:
    numbers = (status.pid, status.started_at, status.process_created_at, status.heartbeat_at, status.remaining_s)
    if not all(number is None or isinstance(number, int | float) for number in numbers):
        raise TypeError("a time or process id is no number")
    if not isinstance(status.host, str):
        raise TypeError("a machine's name is no text")
    if status.state not in get_args(State) or (status.pid is not None and status.pid < 1):
        raise ValueError("an impossible state or process id")
    return status


def is_working(status: RunStatus) -> bool:
    """Whether the run's process is still at work: training, or evaluating what it has trained.

    A process of another machine that has ended without clearing ``pid`` is believed for `HEARTBEAT_LIMIT_S` more.
    """
    return status.state in ACTIVE or (status.pid is not None and _alive(status))


def _alive(status: RunStatus) -> bool:
    if status.local_pid is None:
        return status.heartbeat_at is None or time.time() - status.heartbeat_at < HEARTBEAT_LIMIT_S
    return process_lives(status.local_pid, status.process_created_at)


def process_lives(pid: int, created_at: float | None) -> bool:
    """Whether a process of this id, created at this time (seconds since 1970), is there and no zombie."""
    try:
        process = psutil.Process(pid)
        same = created_at is None or abs(process.create_time() - created_at) < 2
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def write_status(run: RunPaths, status: RunStatus) -> None:
    """Write ``status.json`` whole, with the present time as heartbeat.

    On a full disk it is written over the bytes that are there, which takes no space: how a run ended is then known all the same.

    Raises:
        WorkspaceError: the disk refuses that too.
    """
    content = (json.dumps(asdict(replace(status, heartbeat_at=time.time())), indent=2, allow_nan=False) + "\n").encode()
    try:
        write_whole(run.status, content)
    except WorkspaceError:
        if not _written_over(run.status, content):
            raise


def _written_over(path: Path, content: bytes) -> bool:
    """Whether a file's own block had room for the content; blanks follow it where the file was longer."""
    try:
        size = path.stat().st_size
        if max(len(content), size) > BLOCK_BYTES:
            return False
        with path.open("r+b") as file:
            file.write(content.ljust(size))
    except OSError:
        return False
    return True
