"""``status.json``: where a run stands. Light to import: every waiting run has a process that needs no more than this."""

import json
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, get_args

from core.errors import WorkspaceError
from core.storage.files import is_text, read_json, write_whole
from core.storage.processes import HOST, LARGEST_ID, ProcessIdentity
from core.storage.workspace import RunPaths

State = Literal["queued", "running", "stopping", "finished", "failed", "stopped"]
ACTIVE: tuple[State, ...] = ("queued", "running", "stopping")
DIED = "The training process ended without a word; see the log."
UNEVALUATED_BEFORE = "Finished, but not evaluated: "
"""Began the message in files older than `RunStatus.evaluation_failed`."""
HEARTBEAT_S = 20.0
"""How often whoever watches a run writes its status, changed or not."""
HEARTBEAT_LIMIT_S = 120.0
"""A run whose process is gone, or silent for longer than this on another machine, counts as failed."""
MAX_COUNT = 2**62
MAX_TEXT = 100_000
MAX_TIME_S = 1e11
"""Beyond what a date can show: no time of a run."""
DAY_S = 24 * 3600.0
BLOCK_BYTES = 4096
"""What a disk gives a small file in any case."""


@dataclass(frozen=True)
class RunStatus:
    """``status.json``: where a run stands."""

    state: State
    pid: int | None = None
    started_at: float | None = None
    """Seconds since 1970."""
    process_created_at: float | None = None
    """When the process with that id was created, see `core.storage.processes.ProcessIdentity`; older files have no more than
    this."""
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
    process_ticks: int | None = None
    boot: str = ""
    imported: bool = False
    """It came from elsewhere, without the checkpoints to go on from: it can be used, and not resumed."""
    evaluation_failed: bool = False
    """It was trained, and not evaluated as it should have been; ``message`` says why."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether the process is another machine's, of which only the heartbeat tells."""
        return self.host not in ("", HOST)

    @property
    def local_pid(self) -> int | None:
        """The process id where it is one of this machine."""
        return None if self.is_elsewhere else self.pid

    @property
    def process(self) -> ProcessIdentity | None:
        """The process where it is one of this machine."""
        if self.is_elsewhere or self.pid is None:
            return None
        return ProcessIdentity(self.pid, self.process_created_at, self.process_ticks, self.boot)

    def of_process(self, process: ProcessIdentity | None) -> "RunStatus":
        """The same, said by a process of this machine, or by none any more."""
        if process is None:
            return replace(self, pid=None, process_created_at=None, process_ticks=None, boot="", host="")
        told = {"process_created_at": process.created_at, "process_ticks": process.ticks, "boot": process.boot}
        return replace(self, pid=process.pid, host=HOST, **told)  # type: ignore[arg-type]

    def of_this_process(self) -> "RunStatus":
        """The same, said by this process."""
        return self.of_process(ProcessIdentity.own())


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
        status = _checked(RunStatus(**{key: value for key, value in content.items() if key in known}))
    except (TypeError, AttributeError, ValueError) as error:
        raise WorkspaceError("status.json is not as expected", value=run.status, todo="start the run again") from error
    if status.message.startswith(UNEVALUATED_BEFORE):
        return replace(status, evaluation_failed=True, message=status.message.removeprefix(UNEVALUATED_BEFORE))
    return status


def _checked(status: RunStatus) -> RunStatus:
    times = (status.started_at, status.process_created_at, status.heartbeat_at, status.remaining_s)
    if not all(time is None or _is_number(time) for time in times):
        raise TypeError("a time is no number")
    if not all(time is None or time >= 0 for time in times):
        raise ValueError("a time before 1970")
    counts = (status.epoch, status.epochs, status.step, 0 if status.process_ticks is None else status.process_ticks)
    if not all(isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_COUNT for count in counts):
        raise ValueError("an impossible count")
    if not all(is_text(text) and len(text) <= MAX_TEXT for text in (status.message, status.host, status.boot)):
        raise TypeError("a message, machine or boot is no text, or far too long")
    if status.pid is not None and not (isinstance(status.pid, int) and 0 < status.pid <= LARGEST_ID):
        raise ValueError("an impossible process id")
    answers = (status.imported, status.evaluation_failed)
    if status.state not in get_args(State) or not all(isinstance(answer, bool) for answer in answers):
        raise ValueError("an impossible state")
    return status


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_TIME_S


def is_working(status: RunStatus) -> bool:
    """Whether the run's process is still at work: training, or evaluating what it has trained.

    A process of another machine that has ended without clearing ``pid`` is believed for `HEARTBEAT_LIMIT_S` more.
    """
    return status.state in ACTIVE or (status.pid is not None and _alive(status))


def _alive(status: RunStatus) -> bool:
    process = status.process
    if process is None:
        # Another machine's clock may be ahead of this one's; by more than a day it is no clock.
        return status.heartbeat_at is None or -DAY_S < time.time() - status.heartbeat_at < HEARTBEAT_LIMIT_S
    return process.lives()


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
