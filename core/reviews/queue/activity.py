"""Active minutes: how long a reader worked on a scan, idle time left out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from core.reviews.store.events import Subject
from core.reviews.store.readers import reader_key
from core.reviews.store.store import ReviewStore

IDLE_S = 60.0
"""A gap between two signs of activity that is longer than this does not count, not even in part."""


@dataclass
class _Visit:
    reader: str
    subject: Subject
    last: float
    active_s: float = 0.0


class ActivityMeter:
    """Adds up the gaps between a reader's signs of activity on a scan, and stores the sum when they leave it.

    A sign is anything that the reader does there: opening it, a key, a click, scrolling. Signs themselves are not stored; a
    server that is killed loses the time of the visits at that moment, and nothing else. One reader works on one scan at a
    time: a sign on another scan ends the visit to the one before, and the gap between the two counts for neither.
    """

    def __init__(self, store: ReviewStore, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: seconds, never going back.
        """
        self._store, self._clock = store, clock
        self._visits: dict[str, _Visit] = {}
        self._lock = Lock()

    def sign(self, reader: str, subject: Subject) -> None:
        """Note a sign of activity. Raises: see `leave`."""
        now = self._clock()
        with self._lock:
            visit = self._visits.get(reader_key(reader))
            if visit is not None and visit.subject == subject:
                visit.active_s += now - visit.last if now - visit.last <= IDLE_S else 0.0
                visit.last = now
                return
            self._visits[reader_key(reader)] = _Visit(reader, subject, now)
        self._store_visit(visit)

    def leave(self, reader: str) -> None:
        """End the reader's visit, as on a verdict, on the way to another page, or when the browser is closed.

        Raises:
            ReviewError: the time cannot be stored.
        """
        with self._lock:
            visit = self._visits.pop(reader_key(reader), None)
        self._store_visit(visit)

    def close(self) -> None:
        """End all visits, as when the server stops. Raises: see `leave`."""
        for reader in list(self._visits):
            self.leave(reader)

    def _store_visit(self, visit: _Visit | None) -> None:
        if visit is not None and visit.active_s >= 1:
            self._store.add_activity(visit.subject, reader=visit.reader, seconds=visit.active_s)
