"""Ten hostile inputs: each is refused with one sentence, or stored as the harmless text that it is."""

import pytest

from core.errors import ReviewError
from core.reviews.queue.filters import SavedFilter, WorklistFilter, save_filter, saved_filters
from core.reviews.queue.worklist import Worklist
from core.reviews.store.events import Correction, Finding, FindingKind, Round, Subject, Verdict
from core.reviews.store.store import ReviewStore
from tests.core.reviews.judged import add_comment
from tests.core.reviews.scans import EVALUATION, RUN, made_up_table

SUBJECT = Subject(RUN, EVALUATION, "case0_day0", "i" * 64, "m" * 64)
SCRIPT = "<script>fetch('//evil')</script><img src=x onerror=alert(1)>"
SQL = "x'); DROP TABLE events; --"


def give(store: ReviewStore, *, reader: str = "Dr A", subject: Subject = SUBJECT, comment: str = "", event_id: str | None = None):
    return store.add_verdict(subject, reader=reader, verdict=Verdict.ACCEPT, comment=comment, event_id=event_id)


@pytest.mark.parametrize("text", [SCRIPT, SQL, "{{7*7}} ${7*7} %s %n", '=HYPERLINK("x")', "\u202eevil", "a\0b"])
def test_words_come_back_as_they_were_said(store: ReviewStore, text: str) -> None:
    give(store, comment=text)
    add_comment(store, SUBJECT, reader="Dr A", comment=text)
    store.add_finding(SUBJECT, reader="Dr A", finding=Finding(FindingKind.EXTRA, "stomach", 1, comment=text))
    assert [event.payload["comment"] for event in store.history()] == [text] * 3
    assert store.verify() is None


def test_sql_in_a_reader_s_name_a_filter_or_its_name(store: ReviewStore) -> None:
    give(store, reader=SQL)
    save_filter(store, SavedFilter(SQL, WorklistFilter(patient=(SQL,), text=SQL), SQL))
    worklist = Worklist(store, made_up_table(3))
    assert worklist.rows(reader=SQL, filter=WorklistFilter(patient=(SQL,))).empty
    assert worklist.next_case(SQL) is not None
    assert saved_filters(store, "' OR ''='") == []
    assert (store.readers(), len(store.history(scan=SQL)), len(store.history())) == ([SQL], 0, 1)


on_sqlite = pytest.mark.parametrize("path", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.parametrize("comment", ["x" * 4001, "x" * 10_000_000, "half of a pair \ud83d"])
def test_comments_that_are_refused(store: ReviewStore, comment: str) -> None:
    with pytest.raises(ReviewError, match=r"^The comment ") as caught:
        give(store, comment=comment)
    assert len(str(caught.value)) < 100
    assert store.history() == []


@on_sqlite
@pytest.mark.parametrize("reader", ["", "Dr A\nDr B", "Dr A\x1b[31m", "a\0", "\u202eevil", "x" * 81, "\ud83d"])
def test_names_of_readers_that_are_refused(store: ReviewStore, reader: str) -> None:
    worklist = Worklist(store, made_up_table(3))
    for attempt in (lambda: give(store, reader=reader), lambda: worklist.next_case(reader), lambda: worklist.skip(reader, "x")):
        with pytest.raises(ReviewError, match=r"(?s)^This is no reader's name"):
            attempt()
    assert (store.history(), worklist.at_hand()) == ([], {})


@on_sqlite
@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b", "..", "a\0b", "x" * 121, "case1 day0"])
def test_paths_in_the_place_of_names(store: ReviewStore, name: str) -> None:
    for part in ("run", "evaluation", "scan"):
        with pytest.raises(ReviewError, match=rf"^This is no {part}: "):
            give(store, subject=Subject(**(vars(SUBJECT) | {part: name})))
    assert store.history() == []


@on_sqlite
@pytest.mark.parametrize("digest", ["../" * 10, "x" * 65, "a b", SQL])
def test_hashes_that_are_none(store: ReviewStore, digest: str) -> None:
    with pytest.raises(ReviewError, match=r"^This is no hash: "):
        give(store, subject=Subject(RUN, EVALUATION, "s", digest, ""))
    with pytest.raises(ReviewError, match=r"^A correction names its masks by SHA-256: "):
        Correction(digest, "a" * 64, changed_voxels=1, seconds=1.0)
    assert store.history() == []


@on_sqlite
@pytest.mark.parametrize("kind", ["admin", "", "verdict; --", "VERDICT"])
def test_a_forged_kind_of_event(store: ReviewStore, kind: str) -> None:
    with pytest.raises(ReviewError, match=r"^There is no such kind of review event: .*; use one of: verdict, "):
        store._append(SUBJECT, "Dr A", kind, {}, None)
    with pytest.raises(ValueError, match="is not a valid Verdict"):
        Verdict("lead_says_accept")
    assert store.history() == []


@on_sqlite
def test_a_forged_role_gives_no_sight_of_what_is_hidden(store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round("Blind", blind=True), by="Dr Lead")
    worklist = Worklist(store, made_up_table(6))
    forged = WorklistFilter.from_url("role=lead&blind=no&hidden=false&reader=Dr+Lead")
    assert worklist.rows(reader="Dr A", filter=forged).empty
    assert worklist.rows(reader="lead", filter=WorklistFilter.from_url("role=lead"))["hidden"].all()
    assert store.round(run=RUN, evaluation=EVALUATION) == Round("Blind", blind=True)


@on_sqlite
@pytest.mark.parametrize("event_id", ["x" * 65, "a b", SQL, "\ud83d"])
def test_ids_that_are_none(store: ReviewStore, event_id: str) -> None:
    with pytest.raises(ReviewError, match=r"(?s)^This is no id of an event: "):
        give(store, event_id=event_id)
    assert store.history() == []


def test_another_reader_s_words_under_a_known_id(store: ReviewStore) -> None:
    mine = give(store, event_id="e1")
    with pytest.raises(ReviewError, match=r"^Another review event has this id: e1; "):
        give(store, reader="Dr Evil", event_id="e1")
    with pytest.raises(ReviewError, match=r"^Only one's own entries can be taken back"):
        store.withdraw(mine, reader="Dr Evil")
    assert store.history() == [mine]
