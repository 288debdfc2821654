"""An evaluation as one reader sees it: as a queue, without what is to stay hidden from them, and whose turn it is."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s

import streamlit as st

from core.charts.overview import disputed_in
from core.errors import ReviewError
from core.reviews.queue.scan_table import ScanTable
from core.reviews.queue.worklist import Worklist
from core.reviews.store.events import Round
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.blind import named
from dashboard.components.common.queue_choice import Queue, find_other
from dashboard.components.common.selection import disputed_scans
from dashboard.components.common.text import escape_links
from dashboard.state import AT_WORK, JUMP, link


@dataclass(frozen=True)
class ReaderView:
    """One evaluation as one reader sees it."""

    evaluation: Evaluation
    store: ReviewStore
    reader: str
    """Empty where nobody gave a name."""
    queue: Queue
    settings: Round
    reviews: dict[str, ScanReview]

    @classmethod
    def of(cls, evaluation: Evaluation, reader: str, queue: Queue) -> "ReaderView":
        """The reader's view as of now. Raises: see `core.reviews.store.store.ReviewStore.open`."""
        store = cached.store()
        reviews = store.reviews(run=evaluation.run, evaluation=evaluation.name)
        settings = store.round(run=evaluation.run, evaluation=evaluation.name) or Round()
        return cls(evaluation, store, reader, queue, settings, reviews)

    @cached_property
    def table(self) -> ScanTable:
        """Raises: see `core.reviews.queue.scan_table.read_scan_table` and `core.evaluation.disputes.disputed_scans`."""
        # In a blind round a reader's "the reference is wrong" is hidden as any other verdict.
        disputed = disputed_in(self.evaluation, []) if self.settings.blind else disputed_scans(self.evaluation)
        return cached.scan_table(self.evaluation, disputed, find_other(self.evaluation, self.queue.other))

    @cached_property
    def worklist(self) -> Worklist:
        return Worklist(self.store, self.table, (self.reviews, self.settings))

    @property
    def address(self) -> dict[str, str]:
        """The query parameters that name the evaluation, without its run where that is hidden."""
        return named(self.evaluation, self.settings)

    def bound(self, name: str, scan: str) -> str:
        """The key of a widget that acts on this scan, for this reader.

        A click may come while the page is being drawn for another scan. Streamlit calls back what was drawn last under the
        widget's key: under a key that scans share, a verdict would go to a scan that the reader has not seen yet. The key
        does not tell the run, which a blind round hides.
        """
        return bound(name, self.evaluation.run, self.evaluation.name, scan, self.reader)

    def review(self, scan: str) -> ScanReview:
        return self.reviews.get(scan, ScanReview())

    def is_hidden(self, scan: str) -> bool:
        """Whether score and others' words are to stay hidden: the round is blind and the reader has not judged the scan."""
        return self.settings.blind and self.reader not in self.review(scan).standing

    def seen(self, scan: str) -> ScanReview:
        """The scan's review as far as the reader may see it."""
        whole = self.review(scan)
        if not self.is_hidden(scan):
            return whole
        mine = (tuple(each for each in part if each.reader == self.reader) for part in (whole.findings, whole.corrections))
        findings, corrections = mine
        return ScanReview(findings=findings, corrections=corrections)

    @cached_property
    def names(self) -> list[str]:
        """The scans in the queue's order."""
        return self.worklist.queue(reader=self.reader, filter=self.queue.filter, order=self.queue.order)

    def next_case(self) -> str | None:
        """The scan that is the reader's next, leased to them. Raises: see `core.reviews.queue.worklist.Worklist.next_case`."""
        return self.worklist.next_case(self.reader, filter=self.queue.filter, order=self.queue.order)

    def probably_next(self, scan: str) -> str | None:
        """The scan that will most probably come after this one, to be fetched ahead."""
        return self.worklist.probably_next(self.reader, scan, filter=self.queue.filter, order=self.queue.order)

    def others_at(self, scan: str) -> list[str]:
        """Who has the scan at hand in this reader's place; no name in a blind round, nothing where it wants one more reader."""
        others = self.worklist.others_in_place(self.reader, scan)
        return ["another reader"] if others and self.settings.blind else others


def bound(name: str, *to: object) -> str:
    """A widget's key that goes with what the widget shows or acts on: of another subject, it is another widget."""
    return f"{name}-{blake2s(repr(to).encode(), digest_size=8).hexdigest()}"


def go_to(view: ReaderView, scan: str, slice_number: int | None = None) -> None:
    """From another page: open a scan of the view's evaluation in Review, at a slice where one is given."""
    if slice_number is not None:
        st.session_state[JUMP] = int(st.session_state.get(JUMP, 0)) + 1
    place = link(case=scan, slice=slice_number, other=view.queue.other)
    st.switch_page("views/review.py", query_params=view.address | place)


def note_work(scan: str) -> None:
    """The reader did something with the scan: from now on it is theirs, see
    `dashboard.components.review.scan_panel.take_scan`."""
    st.session_state[AT_WORK] = scan


def leave_scan(reader: str) -> None:
    """The reader is no longer at a scan: store the active time of the visit."""
    if reader:
        try:
            cached.meter().leave(reader)
        except ReviewError as error:
            st.error(escape_links(str(error)), icon=":material/error:")
