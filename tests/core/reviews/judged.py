"""Reviews made on the spot: who said what of which scan, without a store."""

from collections.abc import Mapping

from core.reviews.store.events import Event, Subject, Verdict
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore


def verdict_event(scan: str, reader: str, verdict: Verdict) -> Event:
    subject = Subject("run", "set-valid", scan, "a" * 64, "b" * 64)
    payload = {"verdict": verdict.value, "comment": ""}
    return Event(1, f"{scan}-{reader}", "2026-01-01T00:00:00+00:00", reader, "verdict", subject, payload, "0" * 64, "1" * 64)


def judged(verdicts: Mapping[str, Mapping[str, Verdict]]) -> dict[str, ScanReview]:
    """The present state of each scan from its verdicts by reader."""
    return {
        scan: ScanReview(standing={reader: verdict_event(scan, reader, verdict) for reader, verdict in said.items()})
        for scan, said in verdicts.items()
    }


def add_comment(store: ReviewStore, subject: Subject, *, reader: str, comment: str) -> Event:
    """A comment without a verdict, as older versions stored it: nothing writes such an event any more, everything reads it."""
    return store._append(subject, reader, "comment", {"comment": comment}, None)
