"""The review store: nothing lost, nothing changed unseen, the present state derived."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import ReviewError
from core.reviews.store.events import Correction, Finding, FindingKind, Round, Subject, Verdict
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore
from tests.core.reviews.judged import add_comment

SUBJECT = Subject("run1", "uw-valid", "case1_day0", "i" * 64, "m" * 64)
OTHER = Subject("run1", "uw-valid", "case2_day0", "i" * 64, "m" * 64)
FINDING = Finding(FindingKind.MISSED, "stomach", 12, x=30, y=40, comment="antrum")


def tamper(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(f"DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete; {statement};")
    connection.close()


def test_an_empty_store(store: ReviewStore) -> None:
    assert store.history() == []
    assert store.scan_review(SUBJECT) == ScanReview()
    assert ScanReview().state == "Unreviewed"
    assert store.verify() is None


def test_a_verdict_is_stored_with_everything_it_says(store: ReviewStore) -> None:
    event = store.add_verdict(SUBJECT, reader=" Dr A ", verdict=Verdict.MINOR_EDITS, comment=" near the fundus ")
    assert store.history() == [event]
    assert (event.sequence, event.reader, event.kind, event.subject) == (1, "Dr A", "verdict", SUBJECT)
    assert event.payload == {"verdict": "minor_edits", "comment": "near the fundus", "score_known": True}
    assert event.at.endswith("+00:00")
    assert event.previous_hash == "0" * 64


def test_a_second_verdict_replaces_the_reader_s_first_and_both_stay_in_the_history(store: ReviewStore) -> None:
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.REJECT)
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT, comment="looked again")
    review = store.scan_review(SUBJECT)
    assert (review.verdicts, review.comments, review.state) == ({"Dr A": Verdict.ACCEPT}, {"Dr A": "looked again"}, "Accept")
    assert len(store.history()) == 2


def test_readers_stand_beside_each_other(store: ReviewStore) -> None:
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    store.add_verdict(SUBJECT, reader="Dr B", verdict=Verdict.ACCEPT)
    assert store.scan_review(SUBJECT).state == "Accept"
    store.add_verdict(SUBJECT, reader="Dr B", verdict=Verdict.REJECT)
    assert store.scan_review(SUBJECT).state == "Readers disagree"


def test_a_verdict_taken_back_brings_the_earlier_one_into_force(store: ReviewStore) -> None:
    first = store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.REJECT)
    second = store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    store.withdraw(second, reader="Dr A")
    assert store.scan_review(SUBJECT).verdicts == {"Dr A": Verdict.REJECT}
    store.withdraw(first, reader="Dr A")
    assert store.scan_review(SUBJECT).state == "Unreviewed"
    assert [event.kind for event in store.history()] == ["verdict", "verdict", "withdrawal", "withdrawal"]


def test_findings_come_back_as_they_went_in_and_can_be_taken_back(store: ReviewStore) -> None:
    kept = store.add_finding(SUBJECT, reader="Dr A", finding=FINDING)
    gone = store.add_finding(SUBJECT, reader="Dr A", finding=Finding(FindingKind.SWAPPED, "large_bowel", 3))
    store.withdraw(gone, reader="Dr A")
    assert store.scan_review(SUBJECT).findings == (kept,)
    assert store.history()[0].payload == {
        "kind": "missed", "organ": "stomach", "slice_number": 12, "x": 30, "y": 40, "comment": "antrum",
    }  # fmt: skip


def test_nobody_takes_back_another_s_words(store: ReviewStore) -> None:
    event = store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    with pytest.raises(ReviewError, match=r"^Only one's own entries can be taken back: Dr A; ask that reader\.$"):
        store.withdraw(event, reader="Dr B")
    assert len(store.history()) == 1


def test_reviews_by_scan(store: ReviewStore) -> None:
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    store.add_finding(OTHER, reader="Dr A", finding=FINDING)
    elsewhere = Subject("run2", "uw-valid", "case1_day0", "i" * 64, "m" * 64)
    store.add_verdict(elsewhere, reader="Dr A", verdict=Verdict.REJECT)
    reviews = store.reviews(run="run1", evaluation="uw-valid")
    assert {scan: review.state for scan, review in reviews.items()} == {"case1_day0": "Accept", "case2_day0": "Unreviewed"}
    assert [event.subject.run for event in store.history(scan="case1_day0")] == ["run1", "run2"]


def test_an_event_sent_twice_is_stored_once(store: ReviewStore) -> None:
    first, again = (store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT, event_id="x1") for _ in range(2))
    assert first == again
    found, twice = (store.add_finding(SUBJECT, reader="Dr A", finding=FINDING, event_id="x2") for _ in range(2))
    assert found == twice
    assert len(store.history()) == 2


def test_an_id_that_comes_with_other_words_is_refused_rather_than_lost(store: ReviewStore) -> None:
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT, event_id="x1")
    with pytest.raises(ReviewError, match=r"^Another review event has this id: x1; send it again under a new id\.$"):
        store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.REJECT, event_id="x1")
    assert store.scan_review(SUBJECT).state == "Accept"


def test_a_comment_too_long_stores_nothing(store: ReviewStore) -> None:
    with pytest.raises(ReviewError, match=r"^The comment has 5,000 characters; shorten it to 4,000\.$"):
        store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT, comment="x" * 5000)
    assert store.history() == []


def test_a_name_that_is_none_stores_nothing(store: ReviewStore) -> None:
    with pytest.raises(ReviewError, match="This is no reader's name"):
        store.add_verdict(SUBJECT, reader=" ", verdict=Verdict.ACCEPT)
    assert store.history() == []


def test_everything_is_there_after_reopening(store: ReviewStore, path: Path) -> None:
    event = store.add_verdict(SUBJECT, reader="Dr Å", verdict=Verdict.ACCEPT, comment="größer; 'quote' -- 😀")
    store.close()
    again = ReviewStore.open(path)
    assert again.history() == [event]
    assert again.add_verdict(OTHER, reader="Dr B", verdict=Verdict.REJECT).previous_hash == event.hash
    assert again.verify() is None
    again.close()


def test_eight_writers_at_once_lose_nothing(path: Path) -> None:
    def write(number: int) -> None:
        store = ReviewStore.open(path)
        for index in range(25):
            store.add_verdict(SUBJECT, reader=f"Dr {number}", verdict=Verdict.ACCEPT, comment=str(index))
        store.close()

    ReviewStore.open(path).close()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    store = ReviewStore.open(path)
    history = store.history()
    assert [event.sequence for event in history] == list(range(1, 201))
    assert {(event.reader, event.payload["comment"]) for event in history} == {
        (f"Dr {number}", str(index)) for number in range(8) for index in range(25)
    }
    assert store.verify() is None
    store.close()


def test_threads_may_share_a_store(store: ReviewStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        events = list(pool.map(lambda n: store.add_verdict(SUBJECT, reader=f"Dr {n}", verdict=Verdict.ACCEPT), range(40)))
    assert sorted(event.sequence for event in events) == list(range(1, 41))
    assert store.verify() is None


on_sqlite = pytest.mark.parametrize("path", ["sqlite"], indirect=True)


@on_sqlite
def test_a_row_that_is_no_longer_json(store: ReviewStore, path: Path) -> None:
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.REJECT)
    tamper(path, "UPDATE events SET payload = '{'")
    with pytest.raises(ReviewError, match=r"^The review store cannot be read; restore it from a backup\.$"):
        store.history()


@on_sqlite
@pytest.mark.parametrize("content", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    sentence = (
        rf"^The review store cannot be opened: {path}; restore the file from a backup, or check the folder and the address\.$"
    )
    with pytest.raises(ReviewError, match=sentence):
        ReviewStore.open(path)
    assert path.read_bytes() == content


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="The review store cannot be opened"):
        ReviewStore.open(tmp_path)


@on_sqlite
def test_a_table_that_is_gone_is_an_error_for_people(store: ReviewStore, path: Path) -> None:
    tamper(path, "DROP TABLE events")
    with pytest.raises(ReviewError, match=r"^The review store cannot be read; restore it from a backup\.$"):
        store.history()
    sentence = r"^The review could not be saved; nothing was stored; free some space or check the database, and try again\.$"
    with pytest.raises(ReviewError, match=sentence):
        store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)


def test_signs_that_mean_something_in_an_address(tmp_path: Path) -> None:
    store = ReviewStore.open(tmp_path / "a?b#c%20" / "reviews.db")
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    store.close()
    assert (tmp_path / "a?b#c%20" / "reviews.db").stat().st_size > 0


def test_another_database_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    ReviewStore.open(tmp_path / "reviews.db").close()
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "reviews.db").exists()


def test_an_address_that_is_none_is_not_shown_since_it_may_hold_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUTCHECK_DATABASE_URL", "nosuch://user:secret@host/db")
    with pytest.raises(ReviewError, match=r"^The review store cannot be opened: GUTCHECK_DATABASE_URL; ") as caught:
        ReviewStore.open(tmp_path / "reviews.db")
    assert "secret" not in str(caught.value)


@on_sqlite
def test_stored_words_are_plain_json(store: ReviewStore, path: Path) -> None:
    store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    connection = sqlite3.connect(path)
    (payload,) = connection.execute("SELECT payload FROM events").fetchone()
    connection.close()
    assert json.loads(payload) == {"verdict": "accept", "comment": "", "score_known": True}


def test_corrections_stand_beside_the_verdict(store: ReviewStore) -> None:
    correction = Correction("a" * 64, "b" * 64, changed_voxels=120, seconds=95.5)
    event = store.add_correction(SUBJECT, reader="Dr A", correction=correction)
    assert event.payload == {"mask_sha256": "a" * 64, "base_sha256": "b" * 64, "changed_voxels": 120, "seconds": 95.5}
    assert store.scan_review(SUBJECT).corrections == (event,)
    assert store.scan_review(SUBJECT).state == "Unreviewed"
    store.withdraw(event, reader="Dr A")
    assert store.scan_review(SUBJECT).corrections == ()


def test_comments_without_a_verdict(store: ReviewStore) -> None:
    event = add_comment(store, SUBJECT, reader="Dr A", comment="see the antrum")
    assert event.payload == {"comment": "see the antrum"}
    assert store.scan_review(SUBJECT).remarks == (event,)


def test_active_time_adds_up_by_reader(store: ReviewStore) -> None:
    store.add_activity(SUBJECT, reader="Dr A", seconds=61.25)
    store.add_activity(SUBJECT, reader="Dr A", seconds=8.5)
    store.add_activity(SUBJECT, reader="Dr B", seconds=30)
    assert store.scan_review(SUBJECT).active_s == {"Dr A": 69.7, "Dr B": 30.0}
    for impossible in (-1.0, 86401.0, float("nan")):
        with pytest.raises(ReviewError, match=r"^Impossible time on a scan: .* s; measure it again\.$"):
            store.add_activity(SUBJECT, reader="Dr A", seconds=impossible)


def test_a_verdict_carried_over_is_the_reader_s_until_he_gives_another(store: ReviewStore) -> None:
    source = store.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT, comment="fine")
    new = Subject("run2", "uw-valid", "case1_day0", "i" * 64, "n" * 64)
    carried = store.add_carry(new, source=source, by="Dr Lead", basis="the same mask")
    said = {"verdict": "accept", "comment": "fine", "score_known": True}
    assert carried.payload == said | {"source": source.id, "by": "Dr Lead", "basis": "the same mask"}
    assert store.add_carry(new, source=source, by="Dr Other", basis="") == carried
    review = store.scan_review(new)
    assert (review.verdicts, review.carried) == ({"Dr A": Verdict.ACCEPT}, {"Dr A"})
    own = store.add_verdict(new, reader="Dr A", verdict=Verdict.REJECT)
    store.add_carry(new, source=source, by="Dr Lead", basis="")
    assert (store.scan_review(new).verdicts, store.scan_review(new).carried) == ({"Dr A": Verdict.REJECT}, frozenset())
    store.withdraw(own, reader="Dr A")
    assert store.scan_review(new).carried == {"Dr A"}
    with pytest.raises(ReviewError, match=r"^Only a verdict can be carried over: finding; choose a verdict\.$"):
        store.add_carry(new, source=store.add_finding(SUBJECT, reader="Dr A", finding=FINDING), by="Dr Lead", basis="")


def test_the_last_settings_of_a_round_are_in_force_and_no_scan_of_their_own(store: ReviewStore) -> None:
    assert store.round(run="run1", evaluation="uw-valid") is None
    store.set_round("run1", "uw-valid", Round("First"), by="Dr Lead")
    event = store.set_round("run1", "uw-valid", Round("Second", readers_per_scan=2, blind=True), by="Dr Lead")
    assert store.rounds() == {("run1", "uw-valid"): Round("Second", readers_per_scan=2, blind=True)}
    assert store.round(run="run1", evaluation="uw-valid") == Round("Second", readers_per_scan=2, blind=True)
    assert store.round(run="run1", evaluation="other") is None
    assert (event.reader, event.kind, event.payload["name"]) == ("Dr Lead", "round", "Second")
    assert store.reviews(run="run1", evaluation="uw-valid") == {}


def test_the_present_state_follows_what_other_servers_write(store: ReviewStore, path: Path) -> None:
    other = ReviewStore.open(path)
    assert store.scan_review(SUBJECT).state == "Unreviewed"
    event = other.add_verdict(SUBJECT, reader="Dr A", verdict=Verdict.ACCEPT)
    assert store.scan_review(SUBJECT).state == "Accept"
    other.withdraw(event, reader="Dr A")
    assert store.scan_review(SUBJECT).state == "Unreviewed"
    other.close()


def test_readers_by_name_and_one_spelling_is_one_reader(store: ReviewStore) -> None:
    for name in ("Dr Åse", "Dr A\u030ase", "Dr B"):
        store.add_verdict(SUBJECT, reader=name, verdict=Verdict.ACCEPT)
    assert store.readers() == ["Dr B", "Dr Åse"]


def test_more_evaluations_than_stay_in_memory(store: ReviewStore) -> None:
    for number in range(10):
        store.add_verdict(Subject(f"run{number}", "e", "s", "", ""), reader="Dr A", verdict=Verdict.ACCEPT)
    for number in [*range(10), *range(10)]:
        assert store.reviews(run=f"run{number}", evaluation="e")["s"].state == "Accept"
