"""The chain of hashes: checking that no event was changed, removed or moved, and that none is missing at the end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import SQLAlchemyError

from core.errors import ReviewError
from core.reviews.store.events import Subject, event_hash
from core.reviews.store.schema import events, head
from core.storage.files import read_json

FIRST_HASH = "0" * 64
AT_A_TIME = 1000


@dataclass(frozen=True)
class Head:
    """The last event of a store. Kept elsewhere, it proves later that everything up to it is still as it was."""

    sequence: int
    """Its number, and so the number of events."""
    hash: str


def read_head(file: Path) -> Head:
    """A head that was kept.

    Raises:
        WorkspaceError: the file is missing or is not JSON.
        ReviewError: it holds no head.
    """
    try:
        content = read_json(file)
        found = Head(content["sequence"], content["hash"])
        if not isinstance(found.sequence, int) or not isinstance(found.hash, str):
            raise TypeError("wrong kinds")
    except (TypeError, KeyError) as error:
        raise ReviewError("The file holds no head of a review store", value=file, todo="give one that verify wrote") from error
    return found


def stored_head(connection: Connection) -> Head | None:
    """The store's own record of its last event; ``None`` where the record is gone."""
    row = connection.execute(select(head.c.sequence, head.c.hash)).first()
    return Head(*row) if row else None


def check_chain(connection: Connection, kept: Head | None = None) -> str | None:
    """A sentence that names the first event which is changed, missing or out of order; ``None`` where all is well.

    Each event carries the hash of the one before, and the store's head that of the last, so a change, a gap, an exchange and a
    cut at the end are found. Whoever can write to the database could still compute every hash anew, or put an old copy in its
    place: that is found only against ``kept``, a head that lies elsewhere.

    Args:
        kept: see `read_head`.
    """
    last = Head(0, FIRST_HASH)
    found_kept = kept is None or kept == last
    for sequence, row in _rows(connection):
        problem = _problem(sequence, row, last)
        if problem:
            return problem
        last = Head(sequence, str(row.hash if row else ""))
        found_kept = found_kept or last == kept
    return _end_problem(last, stored_head(connection)) or (None if kept is None or found_kept else _kept_problem(last, kept))


def _problem(sequence: int, row: Row[Any] | None, last: Head) -> str | None:
    expected = last.sequence + 1
    if sequence > expected:
        gap = f"event {expected} is" if sequence == expected + 1 else f"events {expected} to {sequence - 1} are"
        return f"Review {gap} missing."
    if row is None or sequence != expected or not _is_whole(row):
        return f"Review event {sequence} was changed."
    if row.previous_hash != last.hash:
        before = f"event {last.sequence}" if last.sequence else "the beginning"
        return f"Review event {sequence} does not follow {before}: one of the two was exchanged or moved."
    return None


def _is_whole(row: Row[Any]) -> bool:
    """Whether a row is what its own hash says, to the letter."""
    try:
        payload = json.loads(row.payload)
        subject = Subject(row.run, row.evaluation, row.scan, row.image_sha256, row.mask_sha256)
        said = {"id": row.id, "at": row.at, "reader": row.reader, "kind": row.kind, "previous_hash": row.previous_hash}
        digest = event_hash(**said, subject=subject, payload=payload)
        return bool(digest == row.hash and json.dumps(payload, ensure_ascii=False) == row.payload)
    except (TypeError, ValueError):
        return False


def _rows(connection: Connection) -> Iterator[tuple[int, Row[Any] | None]]:
    """Every row with its number, in order; ``None`` for one that the database cannot even read."""
    last: int | None = None
    while True:
        numbers = select(events.c.sequence).order_by(events.c.sequence).limit(AT_A_TIME)
        page = list(connection.scalars(numbers if last is None else numbers.where(events.c.sequence > last)))
        if not page:
            return
        last = page[-1]
        query = select(events).where(events.c.sequence.between(page[0], last)).order_by(events.c.sequence)
        try:
            yield from ((row.sequence, row) for row in connection.execute(query).all())
        except SQLAlchemyError:
            yield from ((number, _single(connection, number)) for number in page)


def _single(connection: Connection, sequence: int) -> Row[Any] | None:
    try:
        return connection.execute(select(events).where(events.c.sequence == sequence)).first()
    except SQLAlchemyError:
        return None


def _end_problem(last: Head, recorded: Head | None) -> str | None:
    if recorded is None:
        return "The record of the last review event is missing."
    if recorded.sequence > last.sequence:
        gap = "event" if recorded.sequence == last.sequence + 1 else f"events {last.sequence + 1} to"
        return f"Review {gap} {recorded.sequence} {'is' if gap == 'event' else 'are'} missing at the end."
    if recorded != last:
        return f"Review event {last.sequence} is not the last one on record, which is event {recorded.sequence}."
    return None


def _kept_problem(last: Head, kept: Head) -> str:
    if kept.sequence > last.sequence:
        return f"Review event {kept.sequence} of the kept head is missing: the store ends at event {last.sequence}."
    return f"Review event {kept.sequence} is another than the kept head says: it or one before it was rewritten."
