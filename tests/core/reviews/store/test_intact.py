"""A store whose files are removed, replaced or set back under a running server takes no more verdicts; who may read the files."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from core.errors import ReviewError
from core.reviews.queue.worklist import Worklist
from core.reviews.store.database import CLAIM_FILE, URL_VARIABLE
from core.reviews.store.events import Correction, Finding, FindingKind, Round, Subject, Verdict
from core.reviews.store.shared import opened_store, shared_store
from core.reviews.store.store import ReviewStore
from tests.core.reviews.judged import add_comment
from tests.core.reviews.scans import EVALUATION, RUN, made_up_table

SUBJECT = Subject(RUN, EVALUATION, "case0_day0", "i" * 64, "m" * 64)
GONE = r"^The review store was removed or replaced while GutCheck was running: .*reviews\.db; nothing more is stored: see that "
on_sqlite = pytest.mark.parametrize("path", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("path", ["postgresql"], indirect=True)


def give(store: ReviewStore, reader: str = "Dr A") -> None:
    store.add_verdict(SUBJECT, reader=reader, verdict=Verdict.ACCEPT)


def remove(path: Path) -> None:
    path.unlink()


def replace_by_a_copy(path: Path) -> None:
    shutil.copy2(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def remove_the_workspace(path: Path) -> None:
    shutil.rmtree(path.parent)


def rename_the_workspace(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replace_the_workspace(path: Path) -> None:
    rename_the_workspace(path)
    ReviewStore.open(path).close()


def remove_the_log_beside_it(path: Path) -> None:
    path.with_name("reviews.db-wal").unlink()


def remove_the_log_s_index(path: Path) -> None:
    path.with_name("reviews.db-shm").unlink()


HARMS = [
    remove,
    replace_by_a_copy,
    remove_the_workspace,
    rename_the_workspace,
    replace_the_workspace,
    remove_the_log_beside_it,
    remove_the_log_s_index,
]


@on_sqlite
@pytest.mark.parametrize("harm", HARMS)
def test_no_verdict_is_acknowledged_in_a_file_that_is_gone(store: ReviewStore, path: Path, harm: Callable[[Path], None]) -> None:
    give(store)
    harm(path)
    for reader in ("Dr B", "Dr C"):
        with pytest.raises(ReviewError, match=GONE):
            give(store, reader)
    assert "Dr B" not in {event.reader for event in store.history()}
    assert str(store.problem()).startswith("The review store was removed or replaced")


WRITES = {
    "a finding": lambda s: s.add_finding(SUBJECT, reader="Dr A", finding=Finding(FindingKind.EXTRA, "stomach", 1)),
    "a comment": lambda s: add_comment(s, SUBJECT, reader="Dr A", comment="x"),
    "a correction": lambda s: s.add_correction(SUBJECT, reader="Dr A", correction=Correction("a" * 64, "b" * 64, 1, 1.0)),
    "active time": lambda s: s.add_activity(SUBJECT, reader="Dr A", seconds=5),
    "a round": lambda s: s.set_round(RUN, EVALUATION, Round(), by="Dr A"),
    "what is taken back": lambda s: s.withdraw(s.history()[0], reader="Dr A"),
    "a verdict carried over": lambda s: s.add_carry(
        Subject("run2", EVALUATION, "case0_day0", "", ""), source=s.history()[0], by="Dr A", basis=""
    ),
    "that scores were seen": lambda s: s.add_scores_seen(RUN, EVALUATION, reader="Dr A"),
    "a lease": lambda s: Worklist(s, made_up_table(3)).next_case("Dr A"),
}


@on_sqlite
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_else_is_stored_there_either(store: ReviewStore, path: Path, write: Callable[[ReviewStore], object]) -> None:
    give(store)
    remove(path)
    with pytest.raises(ReviewError, match=GONE):
        write(store)


@on_sqlite
def test_a_file_that_goes_away_in_the_middle_of_a_write(store: ReviewStore, path: Path) -> None:
    with pytest.raises(ReviewError, match=GONE), store.writing():
        remove(path)


@on_sqlite
def test_after_that_the_store_has_to_be_opened_anew(store: ReviewStore, path: Path) -> None:
    give(store)
    path.rename(path.with_suffix(".aside"))
    with pytest.raises(ReviewError, match=GONE):
        give(store)
    path.with_suffix(".aside").rename(path)
    with pytest.raises(ReviewError, match=GONE):
        give(store)
    store.close()
    again = ReviewStore.open(path)
    give(again, "Dr B")
    assert [event.reader for event in again.history()] == ["Dr A", "Dr B"]
    assert again.problem() is None
    again.close()


@on_sqlite
def test_an_older_copy_written_over_the_same_file_is_noticed(store: ReviewStore, path: Path) -> None:
    give(store)
    older = path.with_suffix(".older")
    with sqlite3.connect(path) as source, sqlite3.connect(older) as copy:
        source.backup(copy)
    give(store, "Dr B")
    # Restored in place, as sqlite3's own command does: the same file, with the same name and inode.
    with sqlite3.connect(older) as source, sqlite3.connect(path) as live:
        source.backup(live)
    with pytest.raises(
        ReviewError, match=r"^The review store lacks an event that was stored: another copy was put in its place: "
    ):
        give(store, "Dr C")
    assert [event.reader for event in store.history()] == ["Dr A"]


@on_sqlite
def test_what_other_servers_write_is_no_such_thing(store: ReviewStore, path: Path) -> None:
    other = ReviewStore.open(path)
    for number in range(4):
        give(store if number % 2 else other, f"Dr {number}")
    other.close()
    give(store, "Dr 4")
    assert (len(store.history()), store.verify(), store.problem()) == (5, None, None)


def fill(store: ReviewStore) -> None:
    for _ in range(50):
        add_comment(store, SUBJECT, reader="Dr A", comment="x" * 4000)


@on_sqlite
def test_a_full_disk_stores_nothing_and_goes_on_afterwards(store: ReviewStore, path: Path) -> None:
    give(store)
    with store.reading() as connection:
        raw = connection.connection.dbapi_connection
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages}")
    sentence = r"^The review could not be saved; nothing was stored; free some space or check the database, and try again\.$"
    with pytest.raises(ReviewError, match=sentence):
        fill(store)
    stored = len(store.history())
    raw.execute("PRAGMA max_page_count = 1000000")
    give(store, "Dr B")
    assert (len(store.history()), store.verify()) == (stored + 1, None)


@on_postgresql
@pytest.mark.parametrize("said", [None, "another workspace's"])
def test_a_workspace_that_is_gone_from_beside_its_database(store: ReviewStore, path: Path, said: str | None) -> None:
    give(store)
    claim = path.parent / CLAIM_FILE
    claim.unlink()
    if said:
        claim.write_text(said)
    with pytest.raises(
        ReviewError, match=r"^The workspace was removed or replaced while GutCheck was running: .*; nothing more is"
    ):
        give(store, "Dr B")
    assert [event.reader for event in store.history()] == ["Dr A"]
    assert str(store.problem()).startswith("The workspace was removed or replaced")


@on_postgresql
def test_a_database_put_back_to_an_older_state_is_noticed(store: ReviewStore, path: Path) -> None:
    give(store)
    with psycopg.connect(os.environ[URL_VARIABLE], autocommit=True) as connection:
        for table in ("events", "head"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM events")
        connection.execute(f"UPDATE head SET sequence = 0, hash = '{'0' * 64}'")
    with pytest.raises(
        ReviewError, match=r"^The review store lacks an event that was stored: another copy was put in its place: "
    ):
        give(store)


def test_the_store_that_is_open_is_known_without_opening_one(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    assert opened_store(path) is None
    assert not path.exists()
    store = shared_store(path)
    assert opened_store(path) is store
    assert opened_store(path.with_name("other.db")) is None


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


def test_only_the_owner_reads_what_readers_said(store: ReviewStore, path: Path) -> None:
    give(store)
    found = modes(path.parent)
    assert set(found) == ({"reviews.db", "reviews.db-wal", "reviews.db-shm"} if path.exists() else {CLAIM_FILE})
    assert set(found.values()) == {0o600}


WATCH = """
import os, sys
from core.reviews.store import database
seen = []
made = os.open
def watched(path, flags, mode=0o777, **more):
    opened = made(path, flags, mode, **more)
    if str(path).endswith("reviews.db"):
        seen.append(oct(os.fstat(opened).st_mode & 0o777))
    return opened
os.open = watched
os.umask(0)
database.open_database(database.Path(sys.argv[1]))
print(seen)
"""


def test_there_is_no_moment_at_which_others_may_read_it(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[4]
    command = [sys.executable, "-c", WATCH, str(tmp_path / "reviews.db")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "['0o600']\n"


@on_sqlite
def test_a_store_that_others_could_read_is_tightened_on_opening(store: ReviewStore, path: Path) -> None:
    give(store)
    for file in path.parent.iterdir():
        file.chmod(0o644)
    ReviewStore.open(path).close()
    assert set(modes(path.parent).values()) == {0o600}


@on_postgresql
def test_the_name_of_the_workspace_is_tightened_too(store: ReviewStore, path: Path) -> None:
    (path.parent / CLAIM_FILE).chmod(0o644)
    ReviewStore.open(path).close()
    assert modes(path.parent) == {CLAIM_FILE: 0o600}


@on_sqlite
def test_somebody_else_s_file_is_opened_as_it_is(store: ReviewStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("not the owner")

    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    again = ReviewStore.open(path)
    give(again)
    again.close()


def test_all_of_a_process_refuse_what_one_of_them_found_lost(tmp_path: Path) -> None:
    """A store that is opened after the loss would make a new file, and take verdicts into it while the first refuses."""
    path = tmp_path / "reviews.db"
    give(shared_store(path))
    path.unlink()
    for _ in range(2):
        with pytest.raises(ReviewError, match=GONE):
            give(shared_store(path))
    assert not path.exists()
