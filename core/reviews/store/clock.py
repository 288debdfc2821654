"""The time by which leases run: one that does not jump when somebody sets the clock, and that all servers of a machine share."""

import time
from dataclasses import dataclass

from core.storage.processes import boot_id

BOOT_ID_DIGITS = 36
"""All of it."""


@dataclass(frozen=True)
class Moment:
    """A point in time, as two clocks tell it."""

    wall_s: float
    """Seconds since 1970, by the clock that people set."""
    boot: str
    """The start of the machine from which ``boot_s`` counts; empty where the system does not tell."""
    boot_s: float
    """Seconds since that start, sleep counted; nobody can set it."""

    def seconds_until(self, end: "Moment") -> float:
        """Seconds from this moment to ``end``; by the clock that people set only where the two are not of one start."""
        if self.boot and self.boot == end.boot:
            return end.boot_s - self.boot_s
        return end.wall_s - self.wall_s

    def later(self, seconds: float) -> "Moment":
        """The moment so many seconds from this one."""
        return Moment(self.wall_s + seconds, self.boot, self.boot_s + seconds)


def now() -> Moment:
    """This moment."""
    boot = boot_id(BOOT_ID_DIGITS) if hasattr(time, "CLOCK_BOOTTIME") else ""
    return Moment(time.time(), boot, time.clock_gettime(time.CLOCK_BOOTTIME) if boot else 0.0)
