"""Whether a verdict was given with the score known, and what a blind round makes of it."""

from pathlib import Path

import pytest

from core.reviews.round.agreement import reader_agreement
from core.reviews.store.events import Event, Finding, FindingKind, Round, Subject, Verdict
from core.reviews.store.store import ReviewStore
from tests.core.reviews.judged import judged
from tests.core.reviews.scans import EVALUATION, RUN

SCANS = [f"case{number}_day0" for number in range(4)]
PATIENTS = {scan: scan for scan in SCANS}


def subject(scan: str = SCANS[0], run: str = RUN) -> Subject:
    return Subject(run, EVALUATION, scan, "i" * 64, "m" * 64)


def give(store: ReviewStore, reader: str, scan: str = SCANS[0], verdict: Verdict = Verdict.ACCEPT, **more: bool) -> Event:
    return store.add_verdict(subject(scan), reader=reader, verdict=verdict, **more)


def known(event: Event) -> bool:
    found: bool = event.payload["score_known"]
    return found


@pytest.fixture
def blind(store: ReviewStore) -> ReviewStore:
    store.set_round(RUN, EVALUATION, Round("Blind", readers_per_scan=3, blind=True), by="Lead")
    return store


def test_the_first_verdict_is_blind_and_one_after_it_is_not_even_where_it_was_taken_back(blind: ReviewStore) -> None:
    first = give(blind, "Ada")
    assert not known(first)
    blind.withdraw(first, reader="Ada")
    assert known(give(blind, "ADA", verdict=Verdict.REJECT))
    assert not known(give(blind, "Bo"))
    assert not known(give(blind, "Ada", SCANS[1]))
    assert blind.verify() is None


def test_sent_twice_it_is_the_one_event(blind: ReviewStore) -> None:
    first, again = (blind.add_verdict(subject(), reader="Ada", verdict=Verdict.ACCEPT, event_id="e1") for _ in range(2))
    assert first == again
    assert not known(first)


def test_without_a_blind_round_the_score_is_always_known(store: ReviewStore) -> None:
    assert known(give(store, "Ada"))


def test_whoever_was_at_the_scan_while_the_round_was_open_knows_its_score(store: ReviewStore) -> None:
    give(store, "Ada")
    store.add_activity(subject(SCANS[1]), reader="Bo", seconds=5)
    store.set_round(RUN, EVALUATION, Round(blind=True), by="Lead")
    store.add_finding(subject(SCANS[2]), reader="Bo", finding=Finding(FindingKind.EXTRA, "stomach", 1))
    assert [known(give(store, name, scan)) for name, scan in (("Ada", SCANS[0]), ("Bo", SCANS[1]), ("Bo", SCANS[2]))] == [
        True, True, False,
    ]  # fmt: skip


def test_a_verdict_carried_over_shows_the_score_and_says_what_its_source_says(blind: ReviewStore) -> None:
    source = give(blind, "Ada")
    blind.set_round("run2", EVALUATION, Round(blind=True), by="Lead")
    carried = blind.add_carry(subject(run="run2"), source=source, by="Lead", basis="the same mask")
    assert not known(carried)
    assert known(blind.add_verdict(subject(run="run2"), reader="Ada", verdict=Verdict.REJECT))


def test_whoever_saw_all_scores_knows_them_and_it_is_stored_once(blind: ReviewStore) -> None:
    for name in ("Ada", "ADA"):
        blind.add_scores_seen(RUN, EVALUATION, reader=name)
    assert [event.kind for event in blind.history()] == ["round", "scores_seen"]
    assert [known(give(blind, name)) for name in ("Ada", "Bo")] == [True, False]
    assert known(give(blind, "Cy", score_seen=True))
    assert list(blind.reviews(run=RUN, evaluation=EVALUATION)) == [SCANS[0]]


def test_it_holds_for_another_server(blind: ReviewStore, path: Path) -> None:
    other = ReviewStore.open(path)
    blind.withdraw(give(blind, "Ada"), reader="Ada")
    assert known(give(other, "Ada"))
    other.close()


def test_agreement_of_a_blind_round_leaves_it_out_and_counts_it(blind: ReviewStore) -> None:
    for scan in SCANS:
        give(blind, "Ada", scan)
        give(blind, "Bo", scan, Verdict.ACCEPT if scan == SCANS[0] else Verdict.REJECT)
    again = give(blind, "Bo", SCANS[1])
    assert known(again)
    reviews = blind.reviews(run=RUN, evaluation=EVALUATION)
    found, every = reader_agreement(reviews, PATIENTS, blind=True), reader_agreement(reviews, PATIENTS)
    # Blind: one of three the same. With the second look at the second scan: two of four.
    assert (found.pairs[0].percent.value, found.pairs[0].percent.scans) == (pytest.approx(1 / 3), 3)
    assert (every.pairs[0].percent.value, every.pairs[0].percent.scans) == (0.5, 4)
    assert (found.score_known, found.score_unsaid, every.score_known) == (1, 0, 0)
    assert set(found.disagreements["scan"]) == {SCANS[2], SCANS[3]}


def test_verdicts_of_earlier_versions_are_unknown_and_count() -> None:
    old = judged({scan: {"Ada": Verdict.ACCEPT, "Bo": Verdict.ACCEPT} for scan in SCANS})
    found = reader_agreement(old, PATIENTS, blind=True)
    assert (found.pairs[0].percent.scans, found.score_known, found.score_unsaid) == (4, 0, 8)
    assert old[SCANS[0]].told == {"Ada": None, "Bo": None}
