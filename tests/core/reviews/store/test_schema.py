"""Rows that the database itself refuses to change or delete."""

import sqlite3
from pathlib import Path

import pytest

from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore

SUBJECT = Subject("run1", "uw-valid", "case1_day0", "i" * 64, "m" * 64)


@pytest.fixture
def raw(tmp_path: Path):
    store = ReviewStore.open(tmp_path / "reviews.db")
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    store.close()
    connection = sqlite3.connect(tmp_path / "reviews.db")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET reader = 'Dr B'", "DELETE FROM events", "DELETE FROM events WHERE sequence = 1"]
)
def test_neither_changed_nor_deleted(raw: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"^review events are never changed or deleted$"):
        raw.execute(statement)
    assert raw.execute("SELECT reader FROM events").fetchall() == [("Dr A",)]


def test_an_id_is_stored_once(raw: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"^review events are never changed or deleted$"):
        raw.execute(
            "INSERT INTO events SELECT 2, id, at, reader, kind, run, evaluation, scan, image_sha256, mask_sha256, "
            "payload, previous_hash, hash FROM events"
        )


@pytest.mark.parametrize("sequence", [1, 2])
def test_not_replaced_either(raw: sqlite3.Connection, sequence: int) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"^review events are never changed or deleted$"):
        raw.execute(
            f"INSERT OR REPLACE INTO events SELECT {sequence}, id, at, 'Dr B', kind, run, evaluation, scan, image_sha256, "
            "mask_sha256, payload, previous_hash, hash FROM events"
        )
    assert raw.execute("SELECT reader FROM events").fetchall() == [("Dr A",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM head",
        "UPDATE head SET sequence = 0",
        "UPDATE head SET id = 2",
        "INSERT INTO head (id, sequence, hash) VALUES (2, 0, '')",
        "INSERT OR REPLACE INTO head (id, sequence, hash) VALUES (1, 0, '')",
    ],
)
def test_the_record_of_the_last_event_is_neither_removed_nor_set_back(raw: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"^the record of the last review event is never removed or set back$"):
        raw.execute(statement)
    assert raw.execute("SELECT id, sequence FROM head").fetchall() == [(1, 1)]


def test_writes_survive_a_power_cut(raw: sqlite3.Connection) -> None:
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
