"""Who a process is: its id tells only together with when it began, and on Linux that is known without any clock."""

import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BOOT_DIGITS = 8
"""Of the boot's id that are kept: enough to tell one boot of a machine from another."""
CLOCK_SLACK_S = 2.0
"""How far two readings of a process's beginning by the clock may lie apart."""
LARGEST_ID = 2**31 - 1
HOST = socket.gethostname()
"""This machine; a process id means something only on its own."""
DEAD = ("Z", "X")
"""A zombie, and one on its way out, in the words of ``/proc/PID/stat``."""
_MARK = re.compile(r"(?P<pid>\d+)(?:-(?P<ticks>\d+)-(?P<boot>[0-9a-f]{8}))?")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine, as it is written into files, and found again after its id was given to another one."""

    pid: int
    created_at: float | None = None
    """Seconds since 1970 by this machine's clock, which moves when the clock is set; counts where there are no ticks."""
    ticks: int | None = None
    """When it began, in clock ticks since the machine started (Linux)."""
    boot: str = ""
    """First digits of the id of the machine's start that the ticks count from (Linux)."""

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The process that has this id now; only the id where there is none."""
        try:
            created_at = psutil.Process(pid).create_time()
        except psutil.Error:
            return cls(pid)
        seen = _seen(pid)
        return cls(pid, created_at) if seen is None else cls(pid, created_at, seen[0], boot_id())

    @classmethod
    def own(cls) -> "ProcessIdentity":
        """This process."""
        return cls.of(os.getpid())

    def lives(self) -> bool:
        """Whether this very process is there and no zombie; where only the id is known, whether any process has it."""
        if not 0 < self.pid <= LARGEST_ID:
            return False
        if self.ticks is not None and self.boot and boot_id():
            seen = _seen(self.pid)
            return self.boot == boot_id() and seen is not None and seen[0] == self.ticks and seen[1] not in DEAD
        try:
            process = psutil.Process(self.pid)
            same = self.created_at is None or abs(process.create_time() - self.created_at) < CLOCK_SLACK_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def is_the_same_as(self, other: "ProcessIdentity") -> bool:
        """Whether both name one process; by the clock only where one of them has no ticks."""
        if self.ticks is not None and other.ticks is not None:
            return self.mark == other.mark
        times = self.created_at, other.created_at
        near = times[0] is None or times[1] is None or abs(times[0] - times[1]) < CLOCK_SLACK_S
        return self.pid == other.pid and near

    @property
    def mark(self) -> str:
        """The identity as part of a file's name: ``PID-TICKS-BOOT``, or the id alone where there are no ticks."""
        return f"{self.pid}-{self.ticks}-{self.boot}" if self.ticks is not None and self.boot else str(self.pid)

    @classmethod
    def from_mark(cls, mark: str) -> "ProcessIdentity":
        """What `mark` wrote.

        Raises:
            ValueError: it is none.
        """
        found = _MARK.fullmatch(mark)
        if found is None:
            raise ValueError("no mark of a process")
        ticks = found["ticks"]
        return cls(int(found["pid"]), None, None if ticks is None else int(ticks), found["boot"] or "")


def stated_process(content: object, pid: int | None) -> ProcessIdentity | None:
    """The process that a file names: by all that is known of it, or, in older files, by its id alone.

    Args:
        content: the fields of a `ProcessIdentity`, as JSON gives them back.

    Raises:
        TypeError: they are not.
    """
    if content is None:
        return None if pid is None else checked(ProcessIdentity(pid))
    return checked(content if isinstance(content, ProcessIdentity) else ProcessIdentity(**_fields(content)))


def _fields(content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise TypeError("no process")
    return content


def checked(process: ProcessIdentity) -> ProcessIdentity:
    """The process, if its fields are of the right kinds.

    Raises:
        TypeError: one is not.
    """
    whole = (process.pid, 0 if process.ticks is None else process.ticks)
    if not all(isinstance(number, int) for number in whole) or not isinstance(process.boot, str):
        raise TypeError("a process's id, ticks or boot is of another kind")
    if process.created_at is not None and not isinstance(process.created_at, int | float):
        raise TypeError("the time of a process is no number")
    return process


@cache
def boot_id(digits: int = BOOT_DIGITS) -> str:
    """First digits of the id of this start of the machine; empty where the system tells none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()[:digits]
    except (OSError, ValueError):
        return ""


def _seen(pid: int) -> tuple[int, str] | None:
    """Start in ticks and state of a process of Linux; nothing where it is gone, or the system has no such file."""
    try:
        # The name of the program comes before, in brackets, and may hold blanks and brackets itself.
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(words[19]), words[0]  # fields 22 and 3 of proc(5)
    except (OSError, ValueError, IndexError):
        return None
