"""The chain of hashes names the row that is not as it was written."""

import re
import sqlite3
from pathlib import Path

import psycopg
import pytest

from core.cli.command import run_command
from core.errors import GutCheckError
from core.reviews.__main__ import COMMANDS, main
from core.reviews.store.chain import Head, read_head
from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore

SUBJECT = Subject("run1", "uw-valid", "case1_day0", "i" * 64, "m" * 64)
on_sqlite = pytest.mark.parametrize("path", ["sqlite"], indirect=True)


@pytest.fixture
def written(store: ReviewStore) -> ReviewStore:
    """A store of five events."""
    for number in range(1, 6):
        store.add_verdict(SUBJECT, reader=f"Dr {number}", verdict=Verdict.REJECT, comment=f"größer {number}")
    assert store.verify() is None
    return store


def tamper(path: Path, statements: str) -> None:
    """Change the database as somebody could who may do anything with it."""
    if path.is_file():
        connection = sqlite3.connect(path)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(statements)
        connection.close()
        return
    import os

    with psycopg.connect(os.environ["GUTCHECK_DATABASE_URL"], autocommit=True) as connection:
        for table in ("events", "head"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in statements.split(";"):
            connection.execute(statement)


CHANGES = [
    ("""UPDATE events SET payload = '{"verdict": "accept", "comment": "größer 2"}' WHERE sequence = 2""", "event 2 was changed."),
    ("UPDATE events SET payload = replace(payload, ': ', ':') WHERE sequence = 2", "event 2 was changed."),
    ("UPDATE events SET payload = '{' WHERE sequence = 2", "event 2 was changed."),
    ("UPDATE events SET reader = 'Dr X' WHERE sequence = 3", "event 3 was changed."),
    ("UPDATE events SET mask_sha256 = 'x' WHERE sequence = 1", "event 1 was changed."),
    ("UPDATE events SET kind = 'carry' WHERE sequence = 5", "event 5 was changed."),
    ("UPDATE events SET hash = 'x' WHERE sequence = 1", "event 1 was changed."),
    ("DELETE FROM events WHERE sequence = 2", "event 2 is missing."),
    ("DELETE FROM events WHERE sequence <= 3", "events 1 to 3 are missing."),
    ("DELETE FROM events WHERE sequence = 5", "event 5 is missing at the end."),
    ("DELETE FROM events WHERE sequence >= 4", "events 4 to 5 are missing at the end."),
    ("DELETE FROM events", "events 1 to 5 are missing at the end."),
    (
        "UPDATE events SET sequence = 99 WHERE sequence = 2; UPDATE events SET sequence = 2 WHERE sequence = 3; "
        "UPDATE events SET sequence = 3 WHERE sequence = 99",
        "event 2 does not follow event 1: one of the two was exchanged or moved.",
    ),
    ("UPDATE events SET sequence = 0 WHERE sequence = 1", "event 0 was changed."),
]


@pytest.mark.parametrize(
    ("path", "statements", "sentence"),
    [("sqlite", *change) for change in CHANGES] + [("postgresql", *CHANGES[each]) for each in (0, 1, 7, 10, 12)],
    indirect=["path"],
)
def test_the_first_bad_row_is_named(written: ReviewStore, path: Path, statements: str, sentence: str) -> None:
    tamper(path, statements)
    assert written.verify() == f"Review {sentence}"


def test_a_row_slipped_in_is_found(written: ReviewStore, path: Path) -> None:
    tamper(
        path,
        "INSERT INTO events SELECT 6, 'other', at, reader, kind, run, evaluation, scan, image_sha256, mask_sha256, payload, "
        "previous_hash, hash FROM events WHERE sequence = 5",
    )
    assert written.verify() == "Review event 6 was changed."


def test_the_record_of_the_end_is_gone(written: ReviewStore, path: Path) -> None:
    tamper(path, "DELETE FROM head")
    assert written.verify() == "The record of the last review event is missing."


@on_sqlite
def test_any_byte_of_a_stored_event_changed_in_the_file_names_the_row(written: ReviewStore, path: Path) -> None:
    written.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (hash_3,) = connection.execute("SELECT hash FROM events WHERE sequence = 3").fetchone()
    (id_3,) = connection.execute("SELECT id FROM events WHERE sequence = 3").fetchone()
    connection.close()
    whole = path.read_bytes()
    # The row's text lies together: from its id to its hash, which the hash of no other row follows.
    first, last = whole.index(id_3.encode() + b"2"), whole.index(b"m" * 64, whole.index(id_3.encode() + b"2"))
    end = whole.index(hash_3.encode(), last) + 64
    assert end - first < 700
    for position in range(first, end, 7):
        for changed in (whole[position] ^ 1, 0xFF):
            path.write_bytes(whole[:position] + bytes([changed]) + whole[position + 1 :])
            store = ReviewStore.open(path)
            assert store.verify() == "Review event 3 was changed.", position - first
            store.close()


def test_a_chain_computed_anew_is_found_by_a_head_that_was_kept(written: ReviewStore, path: Path) -> None:
    kept = written.head()
    written.add_verdict(SUBJECT, reader="Dr 6", verdict=Verdict.ACCEPT)
    assert written.verify(kept) is None
    assert written.verify(Head(5, "f" * 64)) == (
        "Review event 5 is another than the kept head says: it or one before it was rewritten."
    )
    tamper(path, f"DELETE FROM events WHERE sequence > 3; UPDATE head SET sequence = 3, hash = '{written.history()[2].hash}'")
    # Nothing but the triggers, which whoever did this can put back, tells of it.
    assert str(written.verify()).startswith("The trigger ")
    assert written.verify(kept) == "Review event 5 of the kept head is missing: the store ends at event 3."


@on_sqlite
@pytest.mark.parametrize(
    "name", ["events_no_update", "events_no_delete", "events_no_replace", "head_no_delete", "head_no_insert", "head_no_return"]
)
def test_a_trigger_that_was_dropped_or_put_back_without_effect_is_named(written: ReviewStore, path: Path, name: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"DROP TRIGGER {name}")
    assert written.verify() == f"The trigger {name}, which keeps review events from being changed or deleted, is missing."
    connection.execute(f"CREATE TRIGGER {name} BEFORE DELETE ON events WHEN false BEGIN SELECT 1; END")
    assert written.verify() == f"The trigger {name}, which keeps review events from being changed or deleted, was changed."
    connection.close()


@pytest.mark.parametrize("path", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "name", "problem"),
    [
        ("DROP TRIGGER events_are_kept ON events", "events_are_kept", "is missing"),
        ("DROP TRIGGER head_is_kept ON head", "head_is_kept", "is missing"),
        ("ALTER TABLE head DISABLE TRIGGER head_goes_on", "head_goes_on", "is switched off"),
        ("ALTER TABLE events ENABLE REPLICA TRIGGER events_are_kept", "events_are_kept", "is switched off"),
        (
            "CREATE OR REPLACE FUNCTION head_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            "head_is_kept",
            "was changed",
        ),
        (
            "DROP TRIGGER events_are_kept ON events; CREATE TRIGGER events_are_kept BEFORE UPDATE ON events "
            "FOR EACH STATEMENT EXECUTE FUNCTION events_are_kept()",
            "events_are_kept",
            "was changed",
        ),
    ],
)
def test_postgresql_triggers_that_do_not_hold_are_named(
    written: ReviewStore, postgres: str, statement: str, name: str, problem: str
) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(statement)
    assert written.verify() == f"The trigger {name}, which keeps review events from being changed or deleted, {problem}."


def test_an_empty_store_holds(store: ReviewStore) -> None:
    assert store.verify() is None
    assert store.verify(store.head()) is None


def test_the_command(written: ReviewStore, path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    workspace, file = f"--workspace={path.parent}", tmp_path / "elsewhere" / "head.json"
    main(["verify", workspace, f"--head={file}"])
    head = written.head()
    assert capsys.readouterr().out == f"5 review events, each as it was written. The last has the hash {head.hash}.\n"
    assert read_head(file) == head
    written.add_verdict(SUBJECT, reader="Dr 6", verdict=Verdict.ACCEPT)
    main(["verify", workspace, f"--head={file}"])
    assert read_head(file) == written.head()
    tamper(path, "UPDATE events SET reader = 'Dr X' WHERE sequence = 4")
    assert run_command(lambda: main(["verify", workspace, f"--head={file}"])) == 2
    assert re.match(r"^Review event 4 was changed; keep a copy of the database .*\.\n$", capsys.readouterr().err)
    assert read_head(file).sequence == 6


@on_sqlite
def test_the_command_names_a_trigger_that_is_gone(written: ReviewStore, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(path, "")
    assert run_command(lambda: main(["verify", f"--workspace={path.parent}"])) == 2
    assert capsys.readouterr().err.startswith("The trigger events_no_delete, which keeps review events ")


def test_what_the_command_refuses(tmp_path: Path) -> None:
    with pytest.raises(GutCheckError, match=r"^There is no review store: .*; choose the --workspace that has one\.$"):
        main(["verify", f"--workspace={tmp_path}"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(GutCheckError, match=r"^There is no such command: forge; use one of: verify"):
        main(["forge"])
    ReviewStore.open(tmp_path / "reviews.db").close()
    (tmp_path / "head.json").write_text("[]")
    with pytest.raises(GutCheckError, match=r"^The file holds no head of a review store: .*; give one that verify wrote\.$"):
        main(["verify", f"--workspace={tmp_path}", f"--head={tmp_path / 'head.json'}"])


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    said = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in said] == []
