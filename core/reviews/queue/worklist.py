"""The queue of a review: which scans are shown, in which order, and which one a reader gets next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from core.reviews.queue.filters import UNREVIEWED, WorklistFilter
from core.reviews.queue.matching import Reviews, Rows, matching, rows_of, states
from core.reviews.queue.scan_table import SCORE_COLUMNS, ScanTable
from core.reviews.store.events import BLIND_ORDERS, Order, Round, check_reader
from core.reviews.store.leases import DURATION_S, Lease, Leases
from core.reviews.store.readers import reader_key
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore

EVERYTHING = WorklistFilter()
NO_REVIEW = ScanReview()


@dataclass(frozen=True)
class RoundProgress:
    """How far a round is."""

    done: int
    """Scans that as many readers judged as the round asks for."""
    total: int
    """Scans in the round."""
    mine: int
    """Scans that the reader judged."""


class Worklist:
    """The scans of one evaluation as a queue for several readers; cheap to make, over a `ScanTable` that is kept."""

    def __init__(self, store: ReviewStore, table: ScanTable, seen: tuple[Reviews, Round] | None = None) -> None:
        """
        Args:
            seen: reviews and settings that were just read, for all that is only shown; without, each question reads them.
        """
        self._store, self._table, self._seen = store, table, seen
        self._key = {"run": table.run, "evaluation": table.evaluation}

    def queue(self, *, reader: str, filter: WorklistFilter = EVERYTHING, order: Order | None = None) -> list[str]:
        """The names of all scans that the filter lets through, within the round, in order."""
        return self._names(self._queue(*self._now(), reader, filter, order))

    def rows(
        self,
        *,
        reader: str,
        filter: WorklistFilter = EVERYTHING,
        order: Order | None = None,
        first: int = 0,
        count: int | None = None,
    ) -> pd.DataFrame:
        """The scans that the filter lets through, within the round.

        In a blind round, what the reader has not judged shows no score, no state and no reader, and no filter or order tells it.

        Args:
            first: the position in the queue to begin at.
            count: how many rows; nothing means all. A page of many scans is much faster than all of them.

        Returns:
            The columns of `ScanTable`, ``state`` (see `core.reviews.queue.filters.STATES`), ``readers`` (names, joined by commas)
            and ``hidden`` (bool: score and others' verdicts are not to be shown).
        """
        reviews, settings = self._now()
        queue = self._queue(reviews, settings, reader, filter, order)[first : None if count is None else first + count]
        hidden = self._hidden(reviews, settings, reader)[queue]
        readers = [", ".join(reviews.get(scan, NO_REVIEW).standing) for scan in self._names(queue)]
        found = self._table.scans.iloc[queue].reset_index(drop=True)
        found = found.assign(state=states(self._table, reviews)[queue], readers=readers, hidden=hidden)
        if hidden.any():
            blanks = {"state": UNREVIEWED, "readers": "", "notes": "", "errors": 0}
            for column in (*SCORE_COLUMNS, "state", "readers"):
                found[column] = found[column].mask(hidden, blanks.get(column, np.nan))
        return found

    def progress(self, reader: str) -> RoundProgress:
        """How far the round is, and what of it the reader did."""
        reviews, settings = self._now()
        names = set(self._names(np.flatnonzero(self._in_round(reviews, settings))))
        inside = [review.standing for scan, review in reviews.items() if scan in names]
        done = sum(len(standing) >= settings.readers_per_scan for standing in inside)
        return RoundProgress(done, len(names), sum(_has_judged(standing, reader) for standing in inside))

    def next_case(self, reader: str, *, filter: WorklistFilter = EVERYTHING, order: Order | None = None) -> str | None:
        """The scan that the reader is to judge next, leased to them; ``None`` where none is left for them.

        It is the one they have at hand already and have not judged, else the first that still wants a reader, with those that
        they passed over at the end. No two readers get the same scan beyond the number that the round asks for, and nobody gets
        one that they have judged.

        Raises:
            ReviewError: an impossible reader, or one whose name looks like another's; or the database refuses.
        """
        reader = self._store.reader_named(reader)
        reviews, settings = self._read()
        queue = self._names(self._queue(reviews, settings, reader, filter, order))
        with self._store.writing() as connection:
            # What others did since the queue was made decides.
            reviews, _ = self._store.state(connection, **self._key)
            leases = self._leases(connection)
            scan = _choose(queue, reader, reviews, leases.active(), settings.readers_per_scan)
            if scan is not None:
                leases.take(scan, reader)
            return scan

    def probably_next(
        self, reader: str, scan: str, *, filter: WorklistFilter = EVERYTHING, order: Order | None = None
    ) -> str | None:
        """What `next_case` would give once the reader is done with ``scan``, leased to nobody."""
        reviews, settings = self._now()
        queue = [each for each in self._names(self._queue(reviews, settings, reader, filter, order)) if each != scan]
        return _choose(queue, reader, reviews, self._active(), settings.readers_per_scan)

    def hold(self, reader: str, scan: str) -> bool:
        """Lease a scan that the reader works on, for another twenty minutes; false where it wants no further reader.

        A look at a scan is no work: nobody is kept from a scan by a link that somebody opened.

        Cheap enough to be called at every sign of activity: it writes only when half of the time is over.

        Raises:
            ReviewError: see `next_case`.
        """
        reader = self._store.reader_named(reader)
        left_s = [each.left_s for each in self._active() if each.scan == scan and each.is_of(reader) and not each.skipped]
        if left_s and left_s[0] > DURATION_S / 2:
            return True
        with self._store.writing() as connection:
            reviews, settings = self._store.state(connection, **self._key)
            leases = self._leases(connection)
            free = _choose([scan], reader, reviews, leases.active(), (settings or Round()).readers_per_scan) == scan
            if free:
                leases.take(scan, reader)
            return free

    def skip(self, reader: str, scan: str) -> None:
        """Pass a scan over: others may have it, and the reader gets it again at the end. Raises: see `next_case`."""
        reader = self._store.reader_named(reader)
        with self._store.writing() as connection:
            self._leases(connection).take(scan, reader, skipped=True)

    def release(self, reader: str, scan: str) -> None:
        """Give a scan back without having judged it. Raises: see `next_case`."""
        with self._store.writing() as connection:
            self._leases(connection).release(scan, check_reader(reader))

    def at_hand(self) -> dict[str, str]:
        """Who has which scan at hand now: readers (joined by commas) by scan."""
        return {scan: ", ".join(readers) for scan, readers in _holders(self._active()).items()}

    def in_hand_of(self, reader: str) -> list[str]:
        """The scans that the reader has at hand now, whoever else has them too; the one that runs out first begins."""
        return [scan for scan, readers in _holders(self._active()).items() if reader_key(reader) in _keys(readers)]

    def others_in_place(self, reader: str, scan: str) -> list[str]:
        """Who has the scan at hand instead of the reader, by name.

        Nobody, as long as the round wants more readers for it than the others who have it at hand and who judged it.
        """
        reviews, settings = self._now()
        me = reader_key(reader)
        others = sorted(each for each in _holders(self._active()).get(scan, []) if reader_key(each) != me)
        taken = _keys(reviews.get(scan, NO_REVIEW).standing) | _keys(others)
        return others if len(taken - {me}) >= settings.readers_per_scan else []

    def _active(self) -> list[Lease]:
        with self._store.reading() as connection:
            return self._leases(connection).active()

    def _leases(self, connection: Connection) -> Leases:
        return Leases(connection, **self._key, clock=self._store.clock)

    def _now(self) -> tuple[Reviews, Round]:
        return self._seen or self._read()

    def _read(self) -> tuple[Reviews, Round]:
        with self._store.reading() as connection:
            reviews, settings = self._store.state(connection, **self._key)
        return reviews, settings or Round()

    def _names(self, rows: Sequence[int] | NDArray[np.intp]) -> list[str]:
        names = self._table.names
        return [names[row] for row in rows]

    def _queue(
        self, reviews: Reviews, settings: Round, reader: str, filter: WorklistFilter, order: Order | None
    ) -> NDArray[np.intp]:
        wanted = order or settings.queue_order
        if settings.blind and wanted not in BLIND_ORDERS:
            wanted = settings.queue_order
        hidden = self._hidden(reviews, settings, reader)
        keep = self._in_round(reviews, settings) & matching(self._table, filter, reviews, hidden)
        ranked = self._table.ranked(wanted, settings.seed)
        return ranked[keep[ranked]]

    def _in_round(self, reviews: Reviews, settings: Round) -> Rows:
        nothing = np.zeros(len(self._table.names), bool)
        return matching(self._table, WorklistFilter.from_url(settings.filter), reviews, nothing)

    def _hidden(self, reviews: Reviews, settings: Round, reader: str) -> Rows:
        if not settings.blind:
            return np.zeros(len(self._table.names), bool)
        return ~rows_of(self._table, (scan for scan, review in reviews.items() if _has_judged(review.standing, reader)))


def _has_judged(standing: Iterable[str], reader: str) -> bool:
    return reader in standing or reader_key(reader) in map(reader_key, standing)


def _keys(readers: Iterable[str]) -> set[str]:
    return {reader_key(each) for each in readers}


def _holders(active: Sequence[Lease]) -> dict[str, list[str]]:
    """The readers who have a scan at hand, by scan; who passed it over has not."""
    held: dict[str, list[str]] = {}
    for lease in active:
        if not lease.skipped:
            held.setdefault(lease.scan, []).append(lease.reader)
    return held


def _choose(queue: Sequence[str], reader: str, reviews: Reviews, active: Sequence[Lease], readers_per_scan: int) -> str | None:
    """The scan of the queue that is the reader's to judge next, see `Worklist.next_case`."""
    me = reader_key(reader)
    mine = {lease.scan for lease in active if lease.is_of(reader) and not lease.skipped}
    passed = {lease.scan for lease in active if lease.is_of(reader) and lease.skipped}
    held = _holders(active)

    def wants_me(scan: str) -> bool:
        taken = _keys(reviews.get(scan, NO_REVIEW).standing) | _keys(held.get(scan, ()))
        return not _has_judged(reviews.get(scan, NO_REVIEW).standing, reader) and len(taken - {me}) < readers_per_scan

    waiting = (scan for scan in queue if wants_me(scan))
    if mine:
        resumed = next((scan for scan in queue if scan in mine and wants_me(scan)), None)
        if resumed is not None:
            return resumed
    last = None
    for scan in waiting:
        if scan not in passed:
            return scan
        last = last or scan
    return last
