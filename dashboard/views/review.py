"""*Review*: one scan, reference and prediction side by side, and the reader's verdict."""

from dataclasses import replace

import streamlit as st

from core.charts.scores import dice_along_scan
from core.reports.scan_report import scan_report
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.badge import leak_badge
from dashboard.components.common.guard import require_evaluation, show_errors
from dashboard.components.common.page_keys import finding_place, page_keys
from dashboard.components.common.queue_choice import Queue, find_other, kept_queue
from dashboard.components.common.reader import reader_name
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.text import escape_markdown
from dashboard.components.review.case_header import case_header
from dashboard.components.review.export_scan import export_panel
from dashboard.components.review.findings import findings_panel
from dashboard.components.review.in_3d import panel_in_3d
from dashboard.components.review.largest_errors import regions_panel
from dashboard.components.review.scan_panel import show_scan, take_scan
from dashboard.components.review.unlabelled import show_unlabelled
from dashboard.components.review.verdict import verdict_panel
from dashboard.demo.link import demo_link
from dashboard.state import PICK, PLACE, SERVER, arrive, link, note_refusals_seen, set_query, workspace


def main() -> None:
    with show_errors():
        here = arrive()
        if here.dataset is not None:
            show_unlabelled(here.dataset, here.case)
            return
        evaluation = require_evaluation()
        keys = st.container()  # where they take no room
        view = ReaderView.of(evaluation, reader_name(), _queue(evaluation))
        scan = _scan(view)
        case_header(view, scan)
        free = take_scan(view, scan)
        pick = st.session_state.get(PICK)
        with keys:
            page_keys(finding_place(pick.slice_number, pick.x, pick.y) if pick else "")
        slice_number = _panels(view, scan, free=free)
        _below(view, scan, slice_number)
        note_refusals_seen()


def _queue(evaluation: Evaluation) -> Queue:
    """The queue chosen on *Cases*; a link may name another run to lay beside."""
    kept = kept_queue(evaluation) or Queue()
    other = st.query_params.get("other")
    return Queue(kept.filter, kept.order, other) if find_other(evaluation, other) else kept


def _scan(view: ReaderView) -> str:
    named = arrive().case
    if named in view.table.positions:
        return str(named)
    if named:
        st.warning(
            f"Scan {escape_markdown(named)} is not in {escape_markdown(view.evaluation.name)}; this is the queue's first instead."
        )
    return (view.names or view.table.names)[0]


def _panels(view: ReaderView, scan: str, *, free: bool) -> int | None:
    """Pictures and panel; the slice that is shown."""
    here = arrive()
    organ = here.organ if here.case == scan else None
    picture, panel = st.columns([4, 1.25], gap="medium")
    with picture:
        seen = show_scan(view, scan, organ)
    st.session_state[PLACE] = replace(here.at(scan, seen.slice_number, seen.link), organ=organ)
    other = view.queue.other if not view.settings.blind else None
    set_query(view.address | link(case=scan, slice=seen.slice_number, organ=organ, view=seen.link or None, other=other))
    with panel, st.container(key="verdict_panel", gap="small"):
        verdict_panel(view, scan, free=free)
        findings_panel(view, scan, seen.slice_number)
        regions_panel(view, scan, organ)
    return seen.slice_number


def _below(view: ReaderView, scan: str, slice_number: int | None) -> None:
    evaluation = view.evaluation
    if not view.is_hidden(scan):
        with st.expander("Dice along the scan: which slice to look at"):
            leak_badge(evaluation.badge)
            slices = cached.slices(evaluation)
            st.plotly_chart(dice_along_scan(slices[slices["scan"] == scan]), key=f"along-{scan}")
    with st.container(horizontal=True):
        if not view.settings.blind:
            _take_along(view, scan, slice_number)
        export_panel(view, scan)
    panel_in_3d(evaluation, scan)


def _take_along(view: ReaderView, scan: str, slice_number: int | None) -> None:
    """The report of the scan, and the demo with the slice that is shown; both name the run."""
    evaluation = view.evaluation
    st.download_button(
        "This scan as one HTML file",
        lambda: scan_report(workspace(), evaluation, scan, view.review(scan)),
        file_name=f"{evaluation.run}-{scan}.html",
        mime="text/html",
        icon=":material/mail:",
        on_click="ignore",
        type="tertiary",
        help="Scores, worst slices, findings and verdicts, with pictures; opens without a network.",
    )
    if SERVER.demo is not None:
        number = evaluation.scan_facts(scan)["slice_numbers"][0] if slice_number is None else slice_number
        place = demo_link(evaluation, scan, number)
        st.link_button("Open in the demo", place, icon=":material/open_in_new:", type="tertiary")


main()
