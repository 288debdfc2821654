"""The present state of scans, derived from their events and kept up to date by reading only what was written since."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property

from core.reviews.events import Event, Round, Verdict

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

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What each reader's verdict says."""
        return {reader: Verdict(event.payload["verdict"]) for reader, event in self.standing.items()}

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
            touched.add(each.subject.scan)
            if each.kind == "withdrawal":
                self._withdrawn.add(each.payload["withdraws"])
            self._events.setdefault(each.subject.scan, []).append(each)
        for scan in touched:
            self._events[scan] = [each for each in self._events[scan] if each.id not in self._withdrawn]
            self.reviews[scan] = _derive_scan(self._events[scan])

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


def _derive_scan(events: list[Event]) -> ScanReview:
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
    )
