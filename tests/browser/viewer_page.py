"""A page that mounts the viewer, says what it reported, and can be rerun, told to jump, or sent to another scan."""

import streamlit as st

from core.runs.registry import list_runs
from core.storage.workspace import Workspace
from dashboard.viewer.component import OtherRun, Pick, PinnedFinding, viewer
from dashboard.web.scan_route import scan_url

st.set_page_config(layout="wide")
evaluation = list_runs(Workspace.locate())[0].evaluations()[0]
scans = sorted(evaluation.summary["scans"])
at = st.session_state.setdefault("at", scans.index(st.query_params.get("scan", scans[0])))
columns = st.columns(4, vertical_alignment="bottom")
# Called back: a report of the viewer may cut the run off that follows, and carries the address of before.
columns[0].button("Other scan", on_click=lambda: st.session_state.update(at=(at + 1) % len(scans)))
st.query_params["scan"] = scans[at]
columns[1].button("Rerun")
columns[2].text_input("Comment")
columns[3].button("Jump to 7", on_click=lambda: st.session_state.update(jump=st.session_state.get("jump", 0) + 1))
jump = st.session_state.get("jump")
wanted = st.query_params.get("slice")
url = scan_url(evaluation, scans[at])


def picked(place: Pick | None) -> None:
    if place:
        st.session_state["picked"] = place


state = viewer(
    url="/gutcheck/scan/none/none/none" if "broken" in st.query_params else url,
    key="viewer",
    slice_number=7 if jump else int(wanted) if wanted else None,
    jump=jump,
    organ=st.query_params.get("organ"),
    link=st.query_params.get("view", ""),
    findings=[PinnedFinding(9, 30, 20, "small_bowel", "boundary")] if "findings" in st.query_params else (),
    others=[OtherRun("again/same", "Run again", url)] if "others" in st.query_params else (),
    next_url=scan_url(evaluation, scans[(at + 1) % len(scans)]),
    on_pick=picked,
)
count = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.text(f"run {count}; {state}; last pick {st.session_state.get('picked')}")
