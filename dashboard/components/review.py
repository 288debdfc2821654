"""The scan on the Review page: its header with the way to its neighbours, and the viewer."""

from collections.abc import Sequence
from contextlib import suppress

import pandas as pd
import streamlit as st

from core.corrections import Version
from core.errors import WorkspaceError
from core.labels import ORGANS
from core.reviews import Event
from core.runs import Evaluation
from dashboard import cached
from dashboard.access import current_reader
from dashboard.components.badge import leak_badge
from dashboard.components.scores import DOTS
from dashboard.correction_route import edit_data
from dashboard.scan_route import scan_url
from dashboard.state import CASE, JUMP, NEXT_CASE, PICK, READER, address, link, workspace
from dashboard.viewer import Finding, OtherRun, ViewerState, viewer

MOST_OTHER_RUNS = 20
"""Second runs that a pane offers, newest first."""


def case_header(cases: pd.DataFrame, scan: str, evaluation: Evaluation) -> None:
    """One row: steps to the neighbours in the list, the scan, its Dice per organ beside the leak badge, and its state."""
    if st.session_state.get(CASE) != scan:
        st.session_state[CASE] = scan
        st.session_state.pop(PICK, None)
    order = list(cases["scan"])
    place = order.index(scan)
    case = cases.iloc[place]
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(":material/chevron_left:", key="previous", help="Previous case, in the order of Cases", disabled=place == 0):
            open_case(order[place - 1])
        if st.button(
            ":material/chevron_right:", key="next", help="Next case, in the order of Cases", disabled=place == len(order) - 1
        ):
            open_case(order[place + 1])
        st.subheader(scan, anchor=False, width="content")
        leak_badge(evaluation.badge)
        st.markdown(" &nbsp; ".join(_dice(case, organ.name, organ.title) for organ in ORGANS), width="content")
        if case["notes"]:
            st.badge(str(case["notes"]), color="orange")
        st.badge(str(case["state"]), color="gray" if case["state"] == "Unreviewed" else "primary")
        st.caption(f"{place + 1} of {len(order)}, worst first", width="content")


def open_case(scan: str, slice_number: int | None = None) -> None:
    """Go to another case of the same evaluation."""
    here = address()
    st.switch_page("views/review.py", query_params=link(run=here.run, evaluation=here.evaluation, case=scan, slice=slice_number))


def _dice(case: pd.Series, name: str, title: str) -> str:
    value = "no such organ" if pd.isna(case[name]) else f"{case[name]:.3f}"
    return f":{DOTS[name]}[●] {title} **{value}**"


def show_scan(
    evaluation: Evaluation, scan: str, numbers: Sequence[int], findings: Sequence[Finding], versions: Sequence[Version]
) -> ViewerState:
    """Mount the viewer, with the next case fetched ahead; remember the place that was clicked; return what is shown.

    Args:
        versions: corrected masks that this reader may see, newest first.
    """
    waiting = st.session_state.get(NEXT_CASE)
    named = address().slice_number
    reader = current_reader() or str(st.session_state.get(READER) or "").strip()
    seen = viewer(
        url=scan_url(evaluation, scan),
        key="viewer",
        slice_number=min(numbers, key=lambda number: abs(number - named)) if named is not None else None,
        jump=st.session_state.get(JUMP),
        link=address().view,
        findings=findings,
        others=_other_runs(evaluation, scan),
        next_url=scan_url(evaluation, waiting) if waiting else None,
        edit=edit_data(evaluation, scan, versions, reader),
    )
    if seen.picked is not None:
        st.session_state[PICK] = seen.picked
    return seen


def _other_runs(evaluation: Evaluation, scan: str) -> list[OtherRun]:
    """Evaluations of other runs that predicted this very picture."""
    image = evaluation.scan_facts(scan)["image_sha256"]
    found = []
    for other in cached.evaluations(workspace()):
        here = (other.run, other.name) == (evaluation.run, evaluation.name)
        if not here and scan in other.summary["scans"] and other.scan_facts(scan).get("image_sha256") == image:
            with suppress(WorkspaceError):  # a damaged one is no reason to show nothing
                found.append(OtherRun(f"{other.run}/{other.name}", f"Run {other.run}", scan_url(other, scan)))
    return found[:MOST_OTHER_RUNS]


def finding_marks(events: Sequence[Event]) -> list[Finding]:
    """Findings that have a place, for the viewer."""
    placed = [each.payload for each in events if each.payload["x"] is not None]
    return [Finding(p["slice_number"], p["x"], p["y"], p["organ"], p["kind"]) for p in placed]
