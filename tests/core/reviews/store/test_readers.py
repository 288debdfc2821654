"""One name is one reader however it is spelt, and nobody writes under a name that only looks like another's."""

from pathlib import Path

import pytest

from core.errors import ReviewError
from core.reviews.queue.activity import ActivityMeter
from core.reviews.queue.filters import SavedFilter, WorklistFilter, delete_filter, save_filter, saved_filters
from core.reviews.queue.worklist import RoundProgress, Worklist
from core.reviews.round.agreement import reader_agreement
from core.reviews.round.corrected import final_masks
from core.reviews.store.events import Correction, Round, Subject, Verdict, check_reader, event_hash
from core.reviews.store.readers import reader_key, skeleton
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from core.storage.workspace import EvaluationPaths
from tests.core.reviews.scans import EVALUATION, RUN, made_up_table

SPELLINGS = ["anna", "ANNA", "\uff21nna", "Anna", " anna ", "ann\u034fa", "a\ufe00nna"]
CYRILLIC_A = "\u0430"
SUBJECT = Subject(RUN, EVALUATION, "case0_day0", "i" * 64, "m" * 64)
on_sqlite = pytest.mark.parametrize("path", ["sqlite"], indirect=True)


def give(store: ReviewStore, reader: str, verdict: Verdict = Verdict.ACCEPT, subject: Subject = SUBJECT):
    return store.add_verdict(subject, reader=reader, verdict=verdict)


def test_the_key_of_a_name() -> None:
    assert {reader_key(name) for name in SPELLINGS} == {"anna"}
    assert {reader_key(name) for name in ("A  B", "a b", "A\u3000B", "A\u00a0b")} == {"a b"}
    assert reader_key("Dr A\u030ase") == reader_key("DR ÅSE")
    assert reader_key("Strauß") == reader_key("STRAUSS")
    assert len({reader_key(name) for name in ("Jose", "José", "Müller", "Muller", "李", "Anna", "Ann A")}) == 7


@pytest.mark.parametrize("name", ["\u034f", "\u2800", "\u3164\ufe0f", "a\u200bb", "a\u2028b"])
def test_names_of_which_nothing_is_seen_or_that_hold_control_characters(name: str) -> None:
    with pytest.raises(ReviewError, match=r"^This is no reader's name"):
        check_reader(name)


def test_spaces_become_one() -> None:
    assert check_reader("  A \u3000 B ") == "A B"


def test_all_spellings_are_one_reader_shown_as_first_seen(store: ReviewStore) -> None:
    for name in ("Anna", *SPELLINGS):
        assert store.reader_named(name) == ("Anna" if store.readers() else check_reader(name))
        give(store, name)
    assert store.readers() == ["Anna"]
    assert {event.reader for event in store.history()} == {"Anna"}
    assert list(store.scan_review(SUBJECT).standing) == ["Anna"]
    assert store.verify() is None


def test_what_was_written_before_is_read_under_the_key_and_stays_as_it_is(store: ReviewStore) -> None:
    """Earlier versions stored each spelling; here as they did, around the check."""
    give(store, "Anna", Verdict.REJECT)
    for name in ("ANNA", f"A{CYRILLIC_A}nna"):
        as_earlier_versions_stored(store, name)
    assert [event.reader for event in store.history()] == ["Anna", "Anna", f"A{CYRILLIC_A}nna"]
    assert store.scan_review(SUBJECT).verdicts == {"Anna": Verdict.ACCEPT, f"A{CYRILLIC_A}nna": Verdict.ACCEPT}
    with store.reading() as connection:
        raw = [row.reader for row in connection.exec_driver_sql("SELECT reader FROM events ORDER BY sequence")]
    assert raw == ["Anna", "ANNA", f"A{CYRILLIC_A}nna"]
    assert store.verify() is None
    # Whoever has such a name from before can still take back what they said.
    store.withdraw(store.history()[2], reader=f"A{CYRILLIC_A}nna")


def as_earlier_versions_stored(store: ReviewStore, reader: str) -> None:
    from core.reviews.store.store import _insert

    row = {"id": f"e-{len(store.history())}", "reader": reader, "kind": "verdict"}
    with store.writing() as connection:
        _insert(connection, row, SUBJECT, {"verdict": "accept", "comment": ""})


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ("Anna", "\u0410nn\u0430"),
        ("Dr. Scope", "Dr. Ѕсоре"),
        ("tom", "ТОМ"),
        ("Dr 1", "Dr l"),
        ("Anni", "Ann\u0131"),
        ("Anni", "Anni\u0307"),
        ("Arne", "Ame"),
    ],
)
def test_a_name_that_looks_like_a_known_one_is_refused(store: ReviewStore, known: str, name: str) -> None:
    give(store, known)
    worklist = Worklist(store, made_up_table(3))
    attempts = (
        lambda: give(store, name),
        lambda: store.reader_named(name),
        lambda: worklist.next_case(name),
        lambda: worklist.hold(name, "case0_day0"),
        lambda: store.add_correction(SUBJECT, reader=name, correction=Correction("a" * 64, "b" * 64, 1, 1.0)),
    )
    for attempt in attempts:
        with pytest.raises(ReviewError, match=r"^(The name looks like another reader's|A word of the name mixes) ?.*; type "):
            attempt()
    assert store.readers() == [known]


@pytest.mark.parametrize(
    ("name", "scripts"),
    [(f"A{CYRILLIC_A}nna", "Cyrillic and Latin"), ("Ωmega", "Greek and Latin"), ("Дr A", "Cyrillic and Latin")],
)
def test_a_word_of_two_scripts_is_refused(store: ReviewStore, name: str, scripts: str) -> None:
    with pytest.raises(ReviewError, match=rf"^A word of the name mixes {scripts} letters: {name}; type it in one script\.$"):
        give(store, name)
    assert store.history() == []


@on_sqlite
@pytest.mark.parametrize(
    "name",
    [
        "Anna Мария",
        "Anna-Мария",
        "山田 Taro",
        "山田taro",
        "やまだ太郎",
        "タロー",
        "한국Kim",
        "ไทย",
        "مرحبا",
        "O'Brien",
        "Dr. 2",
        "李",
    ],
)
def test_names_that_people_have(store: ReviewStore, name: str) -> None:
    assert give(store, name).reader == name


@on_sqlite
def test_names_that_are_alike_without_looking_so(store: ReviewStore) -> None:
    names = ["Ian", "Lan", "Ina", "José", "Jose", "Müller", "Muller", "Dr 2", "Dr 3", "Dr 10", "Dr 11", "Eva", "Ева Иванова"]
    for name in names:
        give(store, name)
    assert set(store.readers()) == set(names)


def test_the_skeleton_of_a_text() -> None:
    # Of Unicode's own table of confusables: these are its prototypes, so the skeleton of each is itself.
    assert [skeleton(sign) for sign in "aeopcyx"] == list("aeopcyx")
    assert skeleton("\u0430\u0435\u043e\u0440\u0441\u0443\u0445") == "aeopcyx"


def test_leases_queues_and_progress_know_one_reader(store: ReviewStore) -> None:
    worklist = Worklist(store, made_up_table(3))
    scan = worklist.next_case("anna")
    assert worklist.next_case("ANNA") == scan
    assert worklist.hold("\uff21nna", str(scan))
    assert worklist.next_case("Bo") != scan
    worklist.release("Anna", str(scan))
    assert scan not in worklist.at_hand()
    give(store, "Anna", subject=Subject(RUN, EVALUATION, str(scan), "", ""))
    assert worklist.next_case("ANNA") != scan
    assert worklist.progress("ANNA") == RoundProgress(done=1, total=3, mine=1)
    assert list(worklist.rows(reader="Bo", filter=WorklistFilter(reader=("ANNA",)))["scan"]) == [scan]
    store.set_round(RUN, EVALUATION, Round("Blind", blind=True), by="Lead")
    assert worklist.rows(reader="ANNA").set_index("scan")["hidden"].to_dict()[scan] is False


def test_one_s_own_words_filters_and_minutes(store: ReviewStore) -> None:
    event = give(store, "Anna")
    store.withdraw(event, reader="ANNA")
    assert store.scan_review(SUBJECT).standing == {}
    save_filter(store, SavedFilter("mine", WorklistFilter(patient=("a",)), "Anna"))
    save_filter(store, SavedFilter("mine", WorklistFilter(patient=("b",)), "ANNA"))
    assert [each.filter.patient for each in saved_filters(store, "\uff21nna")] == [("b",)]
    delete_filter(store, "mine", owner="anna")
    assert saved_filters(store, "Anna") == []
    times = iter([0.0, 30.0, 40.0])
    meter = ActivityMeter(store, lambda: next(times))
    for name in ("Anna", "ANNA", "\uff21nna"):
        meter.sign(name, SUBJECT)
    meter.leave("anna")
    assert store.scan_review(SUBJECT).active_s == {"Anna": 40.0}


@on_sqlite
def test_agreement_does_not_take_two_spellings_for_two_readers(store: ReviewStore) -> None:
    give(store, "Anna")
    give(store, "ANNA", Verdict.REJECT)
    found = reader_agreement(store.reviews(run=RUN, evaluation=EVALUATION), {"case0_day0": "case0"})
    assert (found.readers, found.pairs) == (("Anna",), ())


@on_sqlite
def test_a_reader_s_own_masks_are_exported_under_any_spelling(store: ReviewStore, path: Path) -> None:
    scans = {"case0_day0": {"image_sha256": "i" * 64, "prediction_sha256": "m" * 64}}
    evaluation = Evaluation(RUN, EVALUATION, EvaluationPaths(path.parent), {"scans": scans})
    store.add_correction(SUBJECT, reader="Anna", correction=Correction("a" * 64, "b" * 64, 1, 1.0))
    reviews = store.reviews(run=RUN, evaluation=EVALUATION)
    assert list(final_masks(evaluation, reviews, reader="ANNA")) == ["case0_day0"]
    assert final_masks(evaluation, reviews, reader="Bo") == {}


@on_sqlite
def test_the_name_that_was_known_first_is_the_same_for_every_server(store: ReviewStore, path: Path) -> None:
    other = ReviewStore.open(path)
    give(other, "Anna")
    assert give(store, "ANNA").reader == "Anna"
    assert other.history()[1].hash == store.history()[1].hash
    row = store.history()[1]
    said = {"id": row.id, "at": row.at, "reader": "Anna", "kind": row.kind, "previous_hash": row.previous_hash}
    assert event_hash(**said, subject=row.subject, payload=row.payload) == row.hash
    other.close()
