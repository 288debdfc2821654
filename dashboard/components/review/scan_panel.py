"""The scan on the Review page: whose it is for the moment, and the viewer."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from core.errors import ReviewError, WorkspaceError
from core.reviews.corrections import corrections_of, subject_of
from core.reviews.store.events import Event
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.page_keys import SCALE_KEY, note_pin
from dashboard.components.common.reading import ReaderView, note_work
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import AT_WORK, CASE, HELD, JUMP, PICK, PLACE, VIEWER_KEY, forget_refusals
from dashboard.viewer.component import OtherRun, Pick, PinnedFinding, ViewerState, viewer
from dashboard.web.correction_route import edit_data
from dashboard.web.scan_route import scan_url

MOST_OTHER_RUNS = 20
"""Second runs that a pane offers, newest first."""
OLD_AND_NEW = "panes:other-axial.prediction-axial~other:{other}"
"""The display that lays another run's prediction beside this one's, see ``viewer/link.js``."""


def take_scan(view: ReaderView, scan: str) -> bool:
    """Note that the reader is at this scan; false where others have it, as many as the round wants, which is then said.

    A lease begins with work on the scan: a look, as by a link, keeps nobody from it.
    """
    if st.session_state.get(CASE) != scan:
        st.session_state[CASE] = scan
        st.session_state.pop(PICK, None)
        forget_refusals()
        if st.session_state.get(AT_WORK) != scan:
            st.session_state.pop(AT_WORK, None)
    if not view.reader:
        return True
    try:
        cached.meter().sign(view.reader, subject_of(view.evaluation, scan))
        if scan in (st.session_state.get(AT_WORK), st.session_state.get(HELD)):
            _hold(view, scan)
    except ReviewError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
    others = view.others_at(scan)
    insisted = f"insisted-{scan}"
    if not others or view.reader in view.review(scan).standing or st.session_state.get(insisted):
        return True
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(f"In review by {escape_markdown(', '.join(others))}; *Next* opens a free one.")
        key = view.bound("insist", scan)
        st.button("Review anyway", key=key, help="Both verdicts are kept.", on_click=_insist, args=(scan, insisted))
    return False


def _insist(scan: str, insisted: str) -> None:
    st.session_state[insisted] = True
    note_work(scan)


def _hold(view: ReaderView, scan: str) -> None:
    held = st.session_state.get(HELD)
    if held not in (None, scan) and held in view.table.positions:
        view.worklist.release(view.reader, held)
    judged = view.reader in view.review(scan).standing
    st.session_state[HELD] = scan if not judged and view.worklist.hold(view.reader, scan) else None


def show_scan(view: ReaderView, scan: str, organ: str | None = None) -> ViewerState:
    """Mount the viewer, with the next case fetched ahead; keep the place that is clicked; return what is shown.

    Args:
        organ: what the reader came to look at.
    """
    evaluation, hidden = view.evaluation, view.is_hidden(scan)
    numbers: Sequence[int] = evaluation.scan_facts(scan)["slice_numbers"]
    versions = [
        each for each in corrections_of(view.store, subject_of(evaluation, scan)) if not hidden or each.reader == view.reader
    ]
    waiting, here = view.probably_next(scan), st.session_state[PLACE]

    def worked() -> None:
        note_work(scan)

    def picked(pick: Pick | None) -> None:
        note_pin()
        if pick is not None:
            worked()
            st.session_state[PICK] = pick

    # A pane with another run's prediction names that run.
    others = [] if view.settings.blind else _other_runs(evaluation, scan)
    return viewer(
        url=scan_url(evaluation, scan),
        key=VIEWER_KEY,
        slice_number=_nearest(numbers, here.slice_number),
        jump=st.session_state.get(JUMP),
        organ=organ,
        link=here.view or _beside(others, view.queue.other),
        findings=finding_marks(view.seen(scan).findings),
        others=others,
        next_url=scan_url(evaluation, waiting) if waiting else None,
        edit=edit_data(evaluation, scan, versions, view.reader),
        blind=hidden,
        scale=view.bound(SCALE_KEY, scan),
        on_pick=picked,
        on_work=worked,
    )


def _nearest(numbers: Sequence[int], named: int | None) -> int | None:
    return min(numbers, key=lambda number: abs(number - named)) if named is not None else None


def _beside(others: Sequence[OtherRun], wanted: str | None) -> str:
    return OLD_AND_NEW.format(other=wanted) if wanted in [each.id for each in others] else ""


def _other_runs(evaluation: Evaluation, scan: str) -> list[OtherRun]:
    """Evaluations of other runs that predicted this very picture."""
    image = evaluation.scan_facts(scan)["image_sha256"]
    found = []
    for other in cached.evaluations():
        here = (other.run, other.name) == (evaluation.run, evaluation.name)
        if not here and scan in other.facts and other.scan_facts(scan).get("image_sha256") == image:
            with suppress(WorkspaceError):  # a damaged one is no reason to show nothing
                found.append(OtherRun(f"{other.run}/{other.name}", f"Run {other.run}", scan_url(other, scan)))
    return found[:MOST_OTHER_RUNS]


def finding_marks(events: Sequence[Event]) -> list[PinnedFinding]:
    """Findings that have a place, for the viewer."""
    placed = [each.payload for each in events if each.payload["x"] is not None]
    return [PinnedFinding(p["slice_number"], p["x"], p["y"], p["organ"], p["kind"]) for p in placed]
