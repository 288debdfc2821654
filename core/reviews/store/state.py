"""The present state of scans, derived from their events and kept up to date by reading only what was written since."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property

from core.reviews.store.events import SCORE_KNOWN, Event, Round, Verdict
from core.reviews.store.readers import reader_key

JUDGING = ("verdict", "carry")


@dataclass(frozen=True)
class ScanReview:
    """The present state of one scan of one evaluation, derived from its events."""

    standing: dict[str, Event] = field(default_factory=dict)
    """The verdict of each reader that is in force: the last given here, else the last carried over from an earlier run."""
    findings: tuple[Event, ...] = ()
    """Findings not taken back, oldest first."""
    corrections: tuple[Event, ...] = ()
    """Corrected masks not taken back, oldest first."""
    remarks: tuple[Event, ...] = ()
    """Comments without a verdict, not taken back, oldest first."""
    active_s: dict[str, float] = field(default_factory=dict)
    """Seconds that each reader was active on the scan, idle time left out."""
    score_known: frozenset[str] = frozenset()
    """Readers to whom the scan's score was shown, by keys (`core.reviews.store.readers.reader_key`): who judged it before, even
    where that was taken back; who did anything there while the round was not blind."""

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What each reader's verdict says."""
        return {reader: Verdict(event.payload["verdict"]) for reader, event in self.standing.items()}

    @property
    def told(self) -> dict[str, bool | None]:
        """Whether the score was known to each reader when they gave their verdict; ``None`` for one that does not say."""
        return {reader: event.payload.get(SCORE_KNOWN) for reader, event in self.standing.items()}

    @property
    def comments(self) -> dict[str, str]:
        """The comment that came with each reader's verdict; empty where there was none."""
        return {reader: str(event.payload["comment"]) for reader, event in self.standing.items()}

    @property
    def carried(self) -> frozenset[str]:
        """Readers whose verdict was carried over from an earlier run."""
        return frozenset(reader for reader, event in self.standing.items() if event.kind == "carry")

    @cached_property
    def state(self) -> str:
        """``Unreviewed``, the verdict's label, or ``Readers disagree``."""
        labels = {verdict.label for verdict in self.verdicts.values()}
        if not labels:
            return "Unreviewed"
        return labels.pop() if len(labels) == 1 else "Readers disagree"


class EvaluationState:
    """The present state of every scan of an evaluation."""

    def __init__(self) -> None:
        self.sequence = 0
        """Of the last event that is in the state."""
        self.reviews: dict[str, ScanReview] = {}
        self.rounds: list[Event] = []
        """Settings of the round, oldest first; the last is in force."""
        self._events: dict[str, list[Event]] = {}
        self._withdrawn: set[str] = set()
        self._score_known: dict[str, set[str]] = {}
        self._scores_seen: set[str] = set()

    def extend(self, events: Iterable[Event]) -> None:
        """Take in events that are newer than those it has, in order of writing.

        Taking a verdict back brings the reader's earlier one into force again.
        """
        touched = set()
        for each in events:
            self.sequence = each.sequence
            if each.kind == "round":
                self.rounds.append(each)
                continue
            if each.kind == "scores_seen":
                self._scores_seen.add(reader_key(each.reader))
                continue
            touched.add(each.subject.scan)
            if each.kind in JUDGING or not self.is_blind:
                self._score_known.setdefault(each.subject.scan, set()).add(reader_key(each.reader))
            if each.kind == "withdrawal":
                self._withdrawn.add(each.payload["withdraws"])
            self._events.setdefault(each.subject.scan, []).append(each)
        for scan in touched:
            self._events[scan] = [each for each in self._events[scan] if each.id not in self._withdrawn]
            self.reviews[scan] = _derive_scan(self._events[scan], frozenset(self._score_known.get(scan, ())))

    def knows_score(self, reader: str, scan: str) -> bool:
        """Whether the scan's score was shown to the reader, as far as the events tell: see `ScanReview.score_known`; and where
        the round is not blind, or all scores were (`core.reviews.store.store.ReviewStore.add_scores_seen`)."""
        key = reader_key(reader)
        return not self.is_blind or key in self._scores_seen or key in self._score_known.get(scan, ())

    def saw_scores(self, reader: str) -> bool:
        """Whether the reader saw a page with the scores of all scans."""
        return reader_key(reader) in self._scores_seen

    @property
    def is_blind(self) -> bool:
        """Whether the settings in force hide the score until one's own verdict is in."""
        return bool(self.rounds) and bool(self.rounds[-1].payload.get("blind"))

    @property
    def round(self) -> Round | None:
        """The settings in force; ``None`` where nobody gave any."""
        return round_of(self.rounds[-1]) if self.rounds else None


def round_of(event: Event) -> Round:
    """The settings that an event gives; what a later version added is left out."""
    known = {each.name for each in fields(Round)}
    return Round(**{key: value for key, value in event.payload.items() if key in known})


def derive(history: Iterable[Event]) -> dict[str, ScanReview]:
    """The present state by scan: each reader's last verdict and all findings, without those taken back."""
    state = EvaluationState()
    state.extend(sorted(history, key=lambda each: each.sequence))
    return state.reviews


def _derive_scan(events: list[Event], score_known: frozenset[str]) -> ScanReview:
    active_s: dict[str, float] = {}
    for each in events:
        if each.kind == "activity":
            active_s[each.reader] = active_s.get(each.reader, 0.0) + float(each.payload["seconds"])
    carried = {each.reader: each for each in events if each.kind == "carry"}
    return ScanReview(
        standing=carried | {each.reader: each for each in events if each.kind == "verdict"},
        findings=tuple(each for each in events if each.kind == "finding"),
        corrections=tuple(each for each in events if each.kind == "correction"),
        remarks=tuple(each for each in events if each.kind == "comment"),
        active_s=active_s,
        score_known=score_known,
    )
