"""Opening the database: migrations, adoption of a first version's store, PostgreSQL's own protections."""

import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import ReviewError
from core.reviews.store import database
from core.reviews.store.database import make_engine
from core.reviews.store.events import Subject, Verdict, event_hash
from core.reviews.store.leases import Leases
from core.reviews.store.migrations import LATEST
from core.reviews.store.schema import metadata
from core.reviews.store.store import ReviewStore

SUBJECT = Subject("run1", "uw-valid", "case1_day0", "i" * 64, "m" * 64)
FIRST_VERSION = """
CREATE TABLE events (
    sequence INTEGER NOT NULL, id VARCHAR(64) NOT NULL, at VARCHAR(40) NOT NULL, reader VARCHAR(80) NOT NULL,
    kind VARCHAR(20) NOT NULL, run VARCHAR(120) NOT NULL, evaluation VARCHAR(120) NOT NULL, scan VARCHAR(120) NOT NULL,
    image_sha256 VARCHAR(64) NOT NULL, mask_sha256 VARCHAR(64) NOT NULL, payload TEXT NOT NULL,
    previous_hash VARCHAR(64) NOT NULL, hash VARCHAR(64) NOT NULL, PRIMARY KEY (sequence), UNIQUE (id)
);
CREATE INDEX ix_events_run ON events (run);
CREATE INDEX ix_events_scan ON events (scan);
CREATE TRIGGER IF NOT EXISTS events_no_update BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'review events are never changed or deleted'); END;
CREATE TRIGGER IF NOT EXISTS events_no_delete BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'review events are never changed or deleted'); END;
"""


def test_the_steps_make_the_tables_of_the_schema(store: ReviewStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    engine = make_engine(os.environ.get(database.URL_VARIABLE) or f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_last_step_is_the_one_that_openers_look_for() -> None:
    steps = ScriptDirectory(str(Path(database.__file__).with_name("migrations")))
    assert steps.get_heads() == [LATEST]


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    """A store as the first version left it, with one event."""
    said = {"id": "e1", "at": "2026-11-01T00:00:00.000+00:00", "reader": "Dr Å", "kind": "verdict", "previous_hash": "0" * 64}
    payload = '{"verdict": "accept", "comment": ""}'
    digest = event_hash(**said, subject=SUBJECT, payload={"verdict": "accept", "comment": ""})
    connection = sqlite3.connect(tmp_path / "reviews.db")
    connection.executescript(FIRST_VERSION)
    row = (1, "e1", said["at"], "Dr Å", "verdict", *vars(SUBJECT).values(), payload, "0" * 64, digest)
    connection.execute(f"INSERT INTO events VALUES ({', '.join('?' * 13)})", row)
    connection.commit()
    connection.close()
    return tmp_path / "reviews.db"


def test_a_store_of_the_first_version_is_taken_over_without_loss(first_version: Path) -> None:
    store = ReviewStore.open(first_version)
    assert store.verify() is None
    assert store.head().sequence == 1
    assert store.scan_review(SUBJECT).verdicts == {"Dr Å": Verdict.ACCEPT}
    assert store.add_verdict(SUBJECT, reader="Dr B", verdict=Verdict.REJECT).sequence == 2
    store.close()
    again = ReviewStore.open(first_version)
    assert (len(again.history()), again.verify()) == (2, None)
    again.close()


def test_many_openers_at_once_make_the_tables_once(path: Path) -> None:
    with ThreadPoolExecutor(12) as pool:
        stores = list(pool.map(lambda _: ReviewStore.open(path), range(12)))
    assert stores[0].add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT).sequence == 1
    assert {len(store.history()) for store in stores} == {1}
    for store in stores:
        store.close()


def test_many_openers_at_once_take_over_a_first_version(first_version: Path) -> None:
    with ThreadPoolExecutor(12) as pool:
        stores = list(pool.map(lambda _: ReviewStore.open(first_version), range(12)))
    assert {store.head().sequence for store in stores} == {1}
    for store in stores:
        store.close()


@pytest.mark.parametrize("path", ["sqlite"], indirect=True)
def test_a_store_of_a_newer_version_is_left_alone(store: ReviewStore, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    sentence = (
        r"^The review store was written by a newer GutCheck: version 9999; update GutCheck, or use the version that wrote it\.$"
    )
    with pytest.raises(ReviewError, match=sentence):
        ReviewStore.open(path)


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET reader = 'Dr B'", "DELETE FROM events", "DELETE FROM events WHERE false", "TRUNCATE events"]
)
def test_postgresql_refuses_to_change_or_delete(postgres: str, tmp_path: Path, statement: str) -> None:
    store = ReviewStore.open(tmp_path / "reviews.db")
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    with psycopg.connect(postgres) as connection, pytest.raises(psycopg.errors.RaiseException, match="never changed or deleted"):
        connection.execute(statement)
    assert [event.reader for event in store.history()] == ["Dr A"]
    store.close()
    assert not (tmp_path / "reviews.db").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM head",
        "TRUNCATE head",
        "UPDATE head SET sequence = 0",
        "INSERT INTO head (id, sequence, hash) VALUES (2, 0, '')",
    ],
)
def test_postgresql_keeps_the_record_of_the_last_event(postgres: str, tmp_path: Path, statement: str) -> None:
    store = ReviewStore.open(tmp_path / "reviews.db")
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    with (
        psycopg.connect(postgres) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="never removed or set back"),
    ):
        connection.execute(statement)
    assert store.head().sequence == 1
    store.close()


def as_the_second_version_left_it(connection: object) -> None:
    """Take back what the third step did, whose columns and triggers the second version had not."""
    for name in ("head_no_delete", "head_no_insert", "head_no_return"):
        connection.execute(f"DROP TRIGGER {name}")  # type: ignore[attr-defined]
    for column in ("boot", "expires_boot_s"):
        connection.execute(f"ALTER TABLE leases DROP COLUMN {column}")  # type: ignore[attr-defined]
    connection.execute("UPDATE alembic_version SET version_num = '0002'")  # type: ignore[attr-defined]


def test_a_store_of_the_second_version_gets_its_triggers_and_keeps_its_leases(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    store = ReviewStore.open(path)
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    store.close()
    connection = sqlite3.connect(path)
    as_the_second_version_left_it(connection)
    row = ("run1", "uw-valid", "case9_day0", "Dr B", time.time() + 600, 0)
    connection.execute("INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    again = ReviewStore.open(path)
    assert (again.verify(), len(again.history())) == (None, 1)
    with again.reading() as reading:
        (lease,) = Leases(reading, "run1", "uw-valid", again.clock).active()
    assert (lease.scan, lease.reader, lease.skipped) == ("case9_day0", "Dr B", False)
    assert 0 < lease.left_s <= 600
    again.close()


def test_a_workspace_has_a_database_of_its_own(postgres: str, tmp_path: Path) -> None:
    ReviewStore.open(tmp_path / "one" / "reviews.db").close()
    ReviewStore.open(tmp_path / "one" / "reviews.db").close()
    sentence = (
        r"^The database of GUTCHECK_DATABASE_URL holds another workspace's reviews: .*/two; "
        r"give each workspace a database of its own; if this one was moved here, bring its reviews\.id too\.$"
    )
    with pytest.raises(ReviewError, match=sentence):
        ReviewStore.open(tmp_path / "two" / "reviews.db")
    (tmp_path / "one").rename(tmp_path / "moved")
    ReviewStore.open(tmp_path / "moved" / "reviews.db").close()


def test_a_driver_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_DATABASE_URL", "postgresql://user:secret@host/db")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    sentence = (
        r"^The database driver is missing \(psycopg\): GUTCHECK_DATABASE_URL; run: pip install -r requirements-postgres\.txt\.$"
    )
    with pytest.raises(ReviewError, match=sentence):
        ReviewStore.open(tmp_path / "reviews.db")


def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_DATABASE_URL", f"postgresql://user:secret@/db?host={tmp_path}")
    with pytest.raises(ReviewError, match=r"^The review store cannot be opened: GUTCHECK_DATABASE_URL; ") as caught:
        ReviewStore.open(tmp_path / "reviews.db")
    assert "secret" not in str(caught.value)


def test_writes_are_on_disk_before_they_are_acknowledged(store: ReviewStore) -> None:
    with store.reading() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
