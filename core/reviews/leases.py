"""Who has which scan at hand: a lease keeps it from the other readers until it is judged, passed over or runs out."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from core.reviews.schema import leases

DURATION_S = 20 * 60.0
"""A lease runs out this long after the reader's last sign of activity."""


@dataclass(frozen=True)
class Lease:
    """One scan in one reader's hands, or passed over by him."""

    scan: str
    reader: str
    expires_at: float
    """Seconds since 1970."""
    skipped: bool
    """Passed over: it comes again at the end of the reader's queue, and holds the scan from nobody."""


class Leases:
    """The leases of one evaluation, within a writing transaction of `core.reviews.store.ReviewStore.writing`."""

    def __init__(self, connection: Connection, run: str, evaluation: str, clock: Callable[[], float]) -> None:
        self._connection, self._key = connection, {"run": run, "evaluation": evaluation}
        self._here = (leases.c.run == run) & (leases.c.evaluation == evaluation)
        self._now = clock()

    def active(self) -> list[Lease]:
        """Those that have not run out, in the order of their end."""
        columns = (leases.c.scan, leases.c.reader, leases.c.expires_at, leases.c.skipped)
        query = select(*columns).where(self._here, leases.c.expires_at > self._now).order_by(leases.c.expires_at)
        return [Lease(*row) for row in self._connection.execute(query)]

    def take(self, scan: str, reader: str, *, skipped: bool = False) -> None:
        """Give the scan to the reader from now on, or note that he passed it over; and clear what has run out."""
        self._connection.execute(delete(leases).where(self._here, leases.c.expires_at <= self._now))
        self.release(scan, reader)
        row = self._key | {"scan": scan, "reader": reader, "expires_at": self._now + DURATION_S, "skipped": skipped}
        self._connection.execute(insert(leases).values(row))

    def release(self, scan: str, reader: str) -> None:
        """Take the scan out of the reader's hands."""
        mine = (leases.c.scan == scan) & (leases.c.reader == reader)
        self._connection.execute(delete(leases).where(self._here, mine))
