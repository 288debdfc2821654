"""Writing review events and deriving the present state from them; SQLite by default, another database by its URL."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, RowMapping, create_engine, event, insert, select
from sqlalchemy.exc import SQLAlchemyError

from core.errors import ReviewError
from core.reviews.events import (
    Event,
    EventKind,
    Finding,
    Subject,
    Verdict,
    check_comment,
    check_reader,
    event_hash,
)
from core.reviews.schema import events, metadata

URL_VARIABLE = "GUTCHECK_DATABASE_URL"
FIRST_HASH = "0" * 64


@dataclass(frozen=True)
class ScanReview:
    """The present state of one scan of one evaluation, derived from its events."""

    standing: dict[str, Event] = field(default_factory=dict)
    """The verdict of each reader that is in force."""
    findings: tuple[Event, ...] = ()
    """Findings not taken back, oldest first."""

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """What each reader's verdict says."""
        return {reader: Verdict(event.payload["verdict"]) for reader, event in self.standing.items()}

    @property
    def comments(self) -> dict[str, str]:
        """The comment that came with each reader's verdict; empty where there was none."""
        return {reader: str(event.payload["comment"]) for reader, event in self.standing.items()}

    @property
    def state(self) -> str:
        """``Unreviewed``, the verdict's label, or ``Readers disagree``."""
        labels = {verdict.label for verdict in self.verdicts.values()}
        if not labels:
            return "Unreviewed"
        return labels.pop() if len(labels) == 1 else "Readers disagree"


class ReviewStore:
    """Append-only store of review events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, sqlite_file: Path) -> "ReviewStore":
        """Open ``sqlite_file`` (made where it is missing), or the database that ``GUTCHECK_DATABASE_URL`` names.

        Raises:
            ReviewError: the database cannot be opened or is damaged.
        """
        url = os.environ.get(URL_VARIABLE)
        try:
            if not url:
                sqlite_file.parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(url or URL.create("sqlite", database=str(sqlite_file)))
            if engine.dialect.name == "sqlite":
                event.listen(engine, "connect", _set_sqlite_pragmas)
                event.listen(engine, "begin", _begin_immediate)
            metadata.create_all(engine)
        except (SQLAlchemyError, OSError, ImportError) as error:
            shown = sqlite_file if not url else URL_VARIABLE
            todo = "restore the file from a backup, or check the folder and the address"
            raise ReviewError("The review store cannot be opened", value=shown, todo=todo) from error
        return cls(engine)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def add_verdict(
        self, subject: Subject, *, reader: str, verdict: Verdict, comment: str = "", event_id: str | None = None
    ) -> Event:
        """Store a verdict; it replaces the reader's earlier one in the present state, and both stay in the store.

        Raises:
            ReviewError: an impossible reader or comment, or the database refuses; nothing was stored then.
        """
        return self._append(subject, reader, "verdict", {"verdict": verdict.value, "comment": check_comment(comment)}, event_id)

    def add_finding(self, subject: Subject, *, reader: str, finding: Finding, event_id: str | None = None) -> Event:
        """Store a finding. Raises: see `add_verdict`."""
        return self._append(subject, reader, "finding", asdict(finding), event_id)

    def withdraw(self, target: Event, *, reader: str, event_id: str | None = None) -> Event:
        """Take back one of the reader's own events, by a new event.

        Raises:
            ReviewError: the event is another reader's, or the database refuses.
        """
        if target.reader != check_reader(reader):
            raise ReviewError("Only one's own entries can be taken back", value=target.reader, todo="ask that reader")
        return self._append(target.subject, reader, "withdrawal", {"withdraws": target.id}, event_id)

    def history(self, *, run: str | None = None, evaluation: str | None = None, scan: str | None = None) -> list[Event]:
        """Events in order of writing, of one run, evaluation or scan where given.

        Raises:
            ReviewError: the database cannot be read.
        """
        wanted = {"run": run, "evaluation": evaluation, "scan": scan}
        query = select(events).order_by(events.c.sequence)
        for column, value in wanted.items():
            if value is not None:
                query = query.where(events.c[column] == value)
        try:
            with self._engine.connect() as connection:
                return [_event(row) for row in connection.execute(query).mappings()]
        except (SQLAlchemyError, ValueError) as error:
            raise ReviewError("The review store cannot be read", todo="restore it from a backup") from error

    def scan_review(self, subject: Subject) -> ScanReview:
        """The present state of one scan."""
        found = self.history(run=subject.run, evaluation=subject.evaluation, scan=subject.scan)
        return derive(found).get(subject.scan, ScanReview())

    def reviews(self, *, run: str, evaluation: str) -> dict[str, ScanReview]:
        """The present state of every scan of an evaluation that has events, by scan."""
        return derive(self.history(run=run, evaluation=evaluation))

    def verify(self) -> str | None:
        """Check the chain of hashes; ``None`` if it holds, else a sentence that names the first bad row."""
        previous = FIRST_HASH
        for position, each in enumerate(self.history(), start=1):
            expected = event_hash(
                id=each.id,
                at=each.at,
                reader=each.reader,
                kind=each.kind,
                subject=each.subject,
                payload=each.payload,
                previous_hash=previous,
            )
            if each.sequence != position or each.previous_hash != previous or each.hash != expected:
                return f"Review event {each.sequence} was changed, or one before it is missing or out of order."
            previous = each.hash
        return None

    def _append(self, subject: Subject, reader: str, kind: EventKind, payload: dict[str, Any], event_id: str | None) -> Event:
        row = {"id": event_id or uuid4().hex, "reader": check_reader(reader), "kind": kind}
        try:
            with self._engine.begin() as connection:
                return _append_row(connection, row, subject, payload)
        except SQLAlchemyError as error:
            todo = "nothing was stored; free some space or check the database, and try again"
            raise ReviewError("The review could not be saved", todo=todo) from error


def _append_row(connection: Connection, row: dict[str, Any], subject: Subject, payload: dict[str, Any]) -> Event:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE events IN EXCLUSIVE MODE")
    known = connection.execute(select(events).where(events.c.id == row["id"])).mappings().first()
    if known is not None:
        return _same(_event(known), row, subject, payload)
    last = connection.execute(select(events).order_by(events.c.sequence.desc()).limit(1)).mappings().first()
    row = row | {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "previous_hash": last["hash"] if last else FIRST_HASH,
    }
    digest = event_hash(subject=subject, payload=payload, **row)
    stored = (
        row
        | asdict(subject)
        | {
            "sequence": last["sequence"] + 1 if last else 1,
            "payload": json.dumps(payload, ensure_ascii=False),
            "hash": digest,
        }
    )
    connection.execute(insert(events).values(stored))
    return Event(sequence=stored["sequence"], hash=digest, subject=subject, payload=payload, **row)


def _same(stored: Event, row: dict[str, Any], subject: Subject, payload: dict[str, Any]) -> Event:
    # An id that comes again with other words would lose them unseen.
    if (stored.reader, stored.kind, stored.subject, stored.payload) != (row["reader"], row["kind"], subject, payload):
        raise ReviewError("Another review event has this id", value=stored.id, todo="send it again under a new id")
    return stored


def _event(row: RowMapping) -> Event:
    subject = Subject(row["run"], row["evaluation"], row["scan"], row["image_sha256"], row["mask_sha256"])
    return Event(
        sequence=row["sequence"],
        id=row["id"],
        at=row["at"],
        reader=row["reader"],
        kind=row["kind"],
        subject=subject,
        payload=json.loads(row["payload"]),
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )


def derive(history: Iterable[Event]) -> dict[str, ScanReview]:
    """The present state by scan: each reader's last verdict and all findings, without those taken back.

    Taking a verdict back brings the reader's earlier one into force again.
    """
    ordered = sorted(history, key=lambda each: each.sequence)
    withdrawn = {each.payload["withdraws"] for each in ordered if each.kind == "withdrawal"}
    by_scan: dict[str, list[Event]] = {}
    for each in ordered:
        by_scan.setdefault(each.subject.scan, []).append(each)
    return {scan: _derive_scan([e for e in found if e.id not in withdrawn]) for scan, found in by_scan.items()}


def _derive_scan(standing: list[Event]) -> ScanReview:
    return ScanReview(
        standing={each.reader: each for each in standing if each.kind == "verdict"},
        findings=tuple(each for each in standing if each.kind == "finding"),
    )


def _set_sqlite_pragmas(connection: Any, _: object) -> None:
    # pysqlite would begin a read transaction first and upgrade it on insert, which two writers can't do at once.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
