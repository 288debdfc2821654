"""Writing review events and reading the present state; SQLite by default, another database by its URL."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, get_args
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, Select, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from core.errors import ReviewError
from core.reviews.store.chain import FIRST_HASH, Head, check_chain, stored_head
from core.reviews.store.clock import Moment, now
from core.reviews.store.database import open_database, snapshot, turn, writer
from core.reviews.store.events import (
    SCORE_KNOWN,
    Correction,
    Event,
    EventKind,
    Finding,
    Round,
    Subject,
    Verdict,
    check_comment,
    check_id,
    check_reader,
    check_subject,
    event_hash,
)
from core.reviews.store.intact import Opened
from core.reviews.store.leases import Leases
from core.reviews.store.readers import KnownReaders, reader_key
from core.reviews.store.schema import events, head
from core.reviews.store.state import JUDGING, EvaluationState, ScanReview, round_of
from core.reviews.store.triggers import check_triggers

KEPT_STATES = 8
"""Evaluations whose present state stays in memory."""
MAX_ACTIVE_S = 24 * 3600.0


class ReviewStore:
    """Append-only store of review events."""

    def __init__(self, engine: Engine, opened: Opened, clock: Callable[[], Moment] = now) -> None:
        """
        Args:
            opened: what the engine was opened with.
            clock: for leases.
        """
        self._engine, self._opened, self.clock = engine, opened, clock
        self._states: OrderedDict[tuple[str, str], EvaluationState] = OrderedDict()
        self._lock = RLock()
        self._readers = KnownReaders()

    @classmethod
    def open(cls, sqlite_file: Path) -> "ReviewStore":
        """Open ``sqlite_file`` (made where it is missing), or the database that ``GUTCHECK_DATABASE_URL`` names.

        Raises:
            ReviewError: see `core.reviews.store.database.open_database`.
        """
        return cls(*open_database(sqlite_file))

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def check(self) -> None:
        """Check, at the cost of a look at the files, that what was opened is still there.

        Raises:
            ReviewError: it is not, or once was not; nothing is stored any more until the store is opened anew.
        """
        self._opened.check()

    def problem(self) -> str | None:
        """Why verdicts cannot be stored or read now, as a sentence; ``None`` where they can."""
        try:
            self.check()
            with self.reading() as connection:
                if stored_head(connection) is None:
                    raise _headless()
        except ReviewError as error:
            return str(error)
        return None

    def add_verdict(
        self,
        subject: Subject,
        *,
        reader: str,
        verdict: Verdict,
        comment: str = "",
        event_id: str | None = None,
        score_seen: bool = False,
    ) -> Event:
        """Store a verdict; it replaces the reader's earlier one in the present state, and both stay in the store.

        The reader's lease on the scan ends with it. The event says whether the scan's score was known to the reader.

        Args:
            score_seen: the score was shown to the reader by other ways than the store's events tell.

        Raises:
            ReviewError: an impossible name, one that looks like another reader's, an impossible hash or comment, or the database
                refuses; nothing was stored then.
        """
        said = {"verdict": verdict.value, "comment": check_comment(comment), SCORE_KNOWN: score_seen}
        return self._append(subject, reader, "verdict", said, event_id)

    def add_scores_seen(self, run: str, evaluation: str, *, reader: str) -> None:
        """Store that a page told the reader a blind round's scores; a second time stores nothing. Raises: see `add_verdict`."""
        with self.reading() as connection:
            if self._state(connection, run, evaluation).saw_scores(reader):
                return
        self._append(Subject(run, evaluation, "", "", ""), reader, "scores_seen", {}, None)

    def add_carry(self, subject: Subject, *, source: Event, by: str, basis: str) -> Event:
        """Store that a reader's verdict on an earlier run's mask holds for this one too; a second time stores nothing.

        Args:
            source: the verdict that is carried over.
            by: who had it carried over.
            basis: how far the two masks agree, and what was asked for.

        Raises:
            ReviewError: ``source`` is no verdict; else see `add_verdict`.
        """
        if source.kind not in JUDGING:
            raise ReviewError("Only a verdict can be carried over", value=source.kind, todo="choose a verdict")
        said = {key: source.payload[key] for key in ("verdict", "comment", SCORE_KNOWN) if key in source.payload}
        payload = said | {"source": source.id, "by": check_reader(by), "basis": basis}
        found = self.scan_review(subject).standing.get(source.reader)
        if found is not None and found.kind == "carry" and found.payload["source"] == source.id:
            return found
        return self._append(subject, source.reader, "carry", payload, None)

    def add_finding(self, subject: Subject, *, reader: str, finding: Finding, event_id: str | None = None) -> Event:
        """Store a finding. Raises: see `add_verdict`."""
        return self._append(subject, reader, "finding", asdict(finding), event_id)

    def add_correction(self, subject: Subject, *, reader: str, correction: Correction, event_id: str | None = None) -> Event:
        """Store that a reader corrected the mask; the mask itself is a file named by its hash. Raises: see `add_verdict`."""
        return self._append(subject, reader, "correction", asdict(correction), event_id)

    def add_activity(self, subject: Subject, *, reader: str, seconds: float, event_id: str | None = None) -> Event:
        """Store how long a reader was active on a scan, idle time left out, see `core.reviews.queue.activity`.

        Raises:
            ReviewError: not between 0 and a day; else see `add_verdict`.
        """
        if not 0 <= seconds <= MAX_ACTIVE_S:
            raise ReviewError("Impossible time on a scan", value=f"{seconds} s", todo="measure it again")
        return self._append(subject, reader, "activity", {"seconds": round(seconds, 1)}, event_id)

    def set_round(self, run: str, evaluation: str, settings: Round, *, by: str) -> Event:
        """Store how an evaluation is reviewed from now on; earlier verdicts keep counting. Raises: see `add_verdict`."""
        return self._append(Subject(run, evaluation, "", "", ""), by, "round", asdict(settings), None)

    def withdraw(self, target: Event, *, reader: str, event_id: str | None = None) -> Event:
        """Take back one of the reader's own events, by a new event; a scan whose verdict is taken back is leased to them again.

        Raises:
            ReviewError: the event is another reader's, or the database refuses.
        """
        if reader_key(target.reader) != reader_key(check_reader(reader)):
            raise ReviewError("Only one's own entries can be taken back", value=target.reader, todo="ask that reader")
        return self._append(
            target.subject, reader, "withdrawal", {"withdraws": target.id}, event_id, reopens=target.kind in JUDGING
        )

    def history(
        self, *, run: str | None = None, evaluation: str | None = None, scan: str | None = None, kind: EventKind | None = None
    ) -> list[Event]:
        """Events in order of writing, of one run, evaluation, scan or kind where given.

        Raises:
            ReviewError: the database cannot be read.
        """
        wanted = {"run": run, "evaluation": evaluation, "scan": scan, "kind": kind}
        query = select(events).order_by(events.c.sequence)
        for column, value in wanted.items():
            if value is not None:
                query = query.where(events.c[column] == value)
        with self.reading() as connection:
            return self._read(connection, query)

    def scan_review(self, subject: Subject) -> ScanReview:
        """The present state of one scan."""
        return self.reviews(run=subject.run, evaluation=subject.evaluation).get(subject.scan, ScanReview())

    def reviews(self, *, run: str, evaluation: str) -> dict[str, ScanReview]:
        """The present state of every scan of an evaluation that has events, by scan."""
        with self.reading() as connection:
            return self.state(connection, run, evaluation)[0]

    def round(self, *, run: str, evaluation: str) -> Round | None:
        """How the evaluation is reviewed; ``None`` where nobody said."""
        with self.reading() as connection:
            return self.state(connection, run, evaluation)[1]

    def rounds(self) -> dict[tuple[str, str], Round]:
        """The settings in force of every evaluation that has any, by run and evaluation."""
        return {(each.subject.run, each.subject.evaluation): round_of(each) for each in self.history(kind="round")}

    def state(self, connection: Connection, run: str, evaluation: str) -> tuple[dict[str, ScanReview], Round | None]:
        """What `reviews` and `round` give, as a transaction sees it; only events since the last call are read."""
        with self._lock:
            state = self._state(connection, run, evaluation)
            return dict(state.reviews), state.round

    def _state(self, connection: Connection, run: str, evaluation: str) -> EvaluationState:
        newer = select(events).where(events.c.run == run, events.c.evaluation == evaluation).order_by(events.c.sequence)
        with self._lock:
            state = self._states.setdefault((run, evaluation), EvaluationState())
            self._states.move_to_end((run, evaluation))
            if len(self._states) > KEPT_STATES:
                self._states.popitem(last=False)
            state.extend(self._read(connection, newer.where(events.c.sequence > state.sequence)))
            return state

    def readers(self) -> list[str]:
        """Everybody who ever wrote, by name."""
        with self.reading() as connection:
            self._readers.refresh(connection)
        return self._readers.names()

    def reader_named(self, name: str) -> str:
        """The reader whom a name means, in the spelling that the store saw first; a name that is new, as it is.

        Raises:
            ReviewError: an impossible name, or one that looks like another reader's, see `core.reviews.store.readers`.
        """
        name = check_reader(name)
        self.readers()
        return self._readers.admit(name)

    def head(self) -> Head:
        """The last event, to be kept elsewhere for `verify`; number 0 where there is none."""
        with self.reading() as connection:
            return stored_head(connection) or Head(0, FIRST_HASH)

    def verify(self, kept: Head | None = None) -> str | None:
        """Check the chain of hashes and the triggers; ``None`` if both hold, else a sentence that names the bad row or trigger.

        Args:
            kept: a head that was kept elsewhere, see `core.reviews.store.chain.check_chain`.
        """
        with self.reading() as connection:
            return check_chain(connection, kept) or check_triggers(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads.

        Raises:
            ReviewError: the database cannot be read.
        """
        try:
            with snapshot(self._engine).connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _unreadable() from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, one at a time among all servers, and is on disk at its end, in what was opened.

        Raises:
            ReviewError: the database refuses, or was removed or replaced; nothing was stored then.
        """
        try:
            with turn(self._engine), writer(self._engine).connect() as connection:
                with connection.begin():
                    self._opened.check(connection)
                    connection.execute(select(head.c.id).with_for_update())
                    self._opened.check_going_on(connection)
                    yield connection
                    last = stored_head(connection)
                # What was written meanwhile into a file that is gone would be gone too.
                self._opened.check(connection)
        except SQLAlchemyError as error:
            todo = "nothing was stored; free some space or check the database, and try again"
            raise ReviewError("The review could not be saved", todo=todo) from error
        self._opened.note(last)

    def _append(
        self,
        subject: Subject,
        reader: str,
        kind: EventKind,
        payload: dict[str, Any],
        event_id: str | None,
        *,
        reopens: bool = False,
    ) -> Event:
        if kind not in get_args(EventKind):
            todo = f"use one of: {', '.join(get_args(EventKind))}"
            raise ReviewError("There is no such kind of review event", value=kind, todo=todo)
        row = {"id": check_id(event_id or uuid4().hex), "reader": check_reader(reader), "kind": kind}
        check_subject(subject)
        with self.writing() as connection:
            stored = self._append_row(connection, row, subject, payload)
            leases = Leases(connection, subject.run, subject.evaluation, self.clock)
            if kind in JUDGING:
                leases.release(subject.scan, stored.reader)
            elif reopens:
                leases.take(subject.scan, stored.reader)
            return stored

    def _append_row(self, connection: Connection, row: dict[str, Any], subject: Subject, payload: dict[str, Any]) -> Event:
        self._readers.refresh(connection)
        row = row | {"reader": self._readers.admit(row["reader"])}
        for known in self._read(connection, select(events).where(events.c.id == row["id"])):
            return _same(known, row, subject, payload)
        if row["kind"] == "verdict":
            state = self._state(connection, subject.run, subject.evaluation)
            payload = payload | {SCORE_KNOWN: payload[SCORE_KNOWN] or state.knows_score(row["reader"], subject.scan)}
        return _insert(connection, row, subject, payload)

    def _read(self, connection: Connection, query: Select[Any]) -> list[Event]:
        self._readers.refresh(connection)
        try:
            return [self._event(row) for row in connection.execute(query)]
        except ValueError as error:
            raise _unreadable() from error

    def _event(self, row: Row[Any]) -> Event:
        sequence, event_id, at, reader, kind, run, evaluation, scan, image, mask, payload, previous_hash, digest = row
        subject, shown = Subject(run, evaluation, scan, image, mask), self._readers.shown(reader)
        return Event(sequence, event_id, at, shown, kind, subject, json.loads(payload), previous_hash, digest)


def _insert(connection: Connection, row: dict[str, Any], subject: Subject, payload: dict[str, Any]) -> Event:
    last = stored_head(connection)
    if last is None:
        raise _headless()
    row = row | {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "previous_hash": last.hash}
    digest = event_hash(subject=subject, payload=payload, **row)
    added = {"sequence": last.sequence + 1, "payload": json.dumps(payload, ensure_ascii=False), "hash": digest}
    connection.execute(insert(events).values(row | asdict(subject) | added))
    connection.execute(update(head).values(sequence=last.sequence + 1, hash=digest))
    return Event(sequence=last.sequence + 1, hash=digest, subject=subject, payload=payload, **row)


def _same(stored: Event, row: dict[str, Any], subject: Subject, payload: dict[str, Any]) -> Event:
    # An id that comes again with other words would lose them unseen. Whether the score was known the first time is what counts.
    said = payload | {SCORE_KNOWN: stored.payload[SCORE_KNOWN]} if SCORE_KNOWN in stored.payload else payload
    if (stored.reader, stored.kind, stored.subject, stored.payload) != (row["reader"], row["kind"], subject, said):
        raise ReviewError("Another review event has this id", value=stored.id, todo="send it again under a new id")
    return stored


def _headless() -> ReviewError:
    return ReviewError("The record of the last review event is missing", todo="restore it from a backup")


def _unreadable() -> ReviewError:
    return ReviewError("The review store cannot be read", todo="restore it from a backup")
