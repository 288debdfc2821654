"""Who has which scan at hand: a lease keeps it from the other readers until it is judged, passed over or runs out.

A lease runs by `core.reviews.store.clock`: setting the machine's clock neither ends nor lengthens it, for all servers on the
machine and after they are started anew. Where that cannot be told (the machine was started anew, another machine on one
database, a lease of an earlier version), the clock that people set counts, and a lease that would last over twice its time has
run out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from core.reviews.store.clock import Moment
from core.reviews.store.readers import reader_key
from core.reviews.store.schema import leases

DURATION_S = 20 * 60.0
"""A lease runs out this long after the reader's last sign of activity."""


@dataclass(frozen=True)
class Lease:
    """One scan in one reader's hands, or passed over by them."""

    scan: str
    reader: str
    """As they spelt their name when they took it."""
    skipped: bool
    """Passed over: it comes again at the end of the reader's queue, and holds the scan from nobody."""
    left_s: float
    """Seconds until it runs out."""

    def is_of(self, reader: str) -> bool:
        """Whether the reader has it, however the name is spelt."""
        return reader_key(self.reader) == reader_key(reader)


class Leases:
    """The leases of one evaluation, within a writing transaction of `core.reviews.store.store.ReviewStore.writing`."""

    def __init__(self, connection: Connection, run: str, evaluation: str, clock: Callable[[], Moment]) -> None:
        self._connection, self._key = connection, {"run": run, "evaluation": evaluation}
        self._here = (leases.c.run == run) & (leases.c.evaluation == evaluation)
        self._now = clock()

    def active(self) -> list[Lease]:
        """Those that have not run out, in the order of their end."""
        return sorted((each for each in self._all() if each.left_s > 0), key=lambda each: each.left_s)

    def take(self, scan: str, reader: str, *, skipped: bool = False) -> None:
        """Give the scan to the reader from now on, or note that they passed it over; and clear what has run out."""
        for each in self._all():
            if each.left_s <= 0:
                self._remove(each)
        self.release(scan, reader)
        ends = self._now.later(DURATION_S)
        row = self._key | {"scan": scan, "reader": reader, "skipped": skipped, "expires_at": ends.wall_s}
        self._connection.execute(insert(leases).values(row | {"boot": ends.boot, "expires_boot_s": ends.boot_s}))

    def release(self, scan: str, reader: str) -> None:
        """Take the scan out of the reader's hands."""
        for each in self._all():
            if each.scan == scan and each.is_of(reader):
                self._remove(each)

    def _all(self) -> list[Lease]:
        columns = (leases.c.scan, leases.c.reader, leases.c.skipped, leases.c.expires_at, leases.c.boot, leases.c.expires_boot_s)
        rows = self._connection.execute(select(*columns).where(self._here)).all()
        return [self._lease(*row) for row in rows]

    def _lease(self, scan: str, reader: str, skipped: bool, wall_s: float, boot: str | None, boot_s: float | None) -> Lease:
        left_s = self._now.seconds_until(Moment(wall_s, boot or "", boot_s or 0.0))
        return Lease(scan, reader, skipped, left_s if left_s <= 2 * DURATION_S else 0.0)

    def _remove(self, lease: Lease) -> None:
        mine = (leases.c.scan == lease.scan) & (leases.c.reader == lease.reader)
        self._connection.execute(delete(leases).where(self._here, mine))
