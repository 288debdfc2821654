"""A scan without a reference in the viewer: the picture alone."""

import streamlit as st

from core.data.index import UNLABELLED
from core.data.scan import Scan
from core.errors import DatasetError
from dashboard import cached
from dashboard.components.common.badge import partial_badge
from dashboard.components.common.reader import reader_name
from dashboard.components.common.reading import bound, leave_scan
from dashboard.components.common.text import escape_markdown
from dashboard.state import JUMP, PLACE, arrive, link, set_query, stand_at, workspace
from dashboard.viewer.component import viewer
from dashboard.web.scan_route import image_url


def show_unlabelled(dataset: str, named: str | None) -> None:
    """The viewer on a scan of a data set of the workspace, with the way to its neighbours; the address names what is shown.

    Raises:
        WorkspaceError: no data set can have this name.
        DatasetError: there is none, it has no such split, or it is damaged.
    """
    if cached.evaluations():
        leave_scan(reader_name())
    scans = cached.unlabelled_scans(workspace().dataset(dataset))
    if not scans:
        todo = "choose one on Cases, under “Scans without a reference”"
        raise DatasetError("The data set has no scan without a reference", value=dataset, todo=todo)
    names = [scan.id for scan in scans]
    place = names.index(named) if named in names else 0
    if named not in names and named:
        st.warning(f"Scan {escape_markdown(named)} is not in {escape_markdown(dataset)}; this is its first instead.")
    _header(dataset, scans, place)
    _pictures(dataset, scans, place)


def _header(dataset: str, scans: tuple[Scan, ...], place: int) -> None:
    scan = scans[place]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="case_header"):
        _step(dataset, "previous", scans[place - 1] if place else None)
        _step(dataset, "next", scans[place + 1] if place + 1 < len(scans) else None)
        st.subheader(escape_markdown(scan.id), anchor=False, width="content")
        st.badge("no reference", color="gray", help="Nobody has outlined this scan, so there is nothing to score against.")
        partial_badge(scan.is_partial)
        st.caption(f"{place + 1:,} of {len(scans):,} in {escape_markdown(dataset)}", width="content")
        st.page_link(
            "views/cases.py",
            label="All scans without a reference",
            icon=":material/list:",
            query_params=link(section=UNLABELLED, dataset=dataset),
        )
    st.caption("The picture alone: without a reference there is no score, and no verdict is taken yet.")


def _step(dataset: str, key: str, to: Scan | None) -> None:
    words = {"previous": ("chevron_left", "Previous scan"), "next": ("chevron_right", "Next scan")}
    icon, help_ = words[key]
    # Bound to where it leads: of another scan, it is another button.
    name = bound(key, dataset, to and to.id)
    st.button(f":material/{icon}:", key=name, help=help_, disabled=to is None, on_click=stand_at, args=(to and to.id,))


def _pictures(dataset: str, scans: tuple[Scan, ...], place: int) -> None:
    scan, here = scans[place], arrive()
    following = scans[place + 1] if place + 1 < len(scans) else None
    seen = viewer(
        url=image_url(dataset, scan),
        key="viewer_unlabelled",
        slice_number=here.slice_number,
        jump=st.session_state.get(JUMP),
        link=here.view,
        next_url=image_url(dataset, following) if following else None,
    )
    st.session_state[PLACE] = here.at(scan.id, seen.slice_number, seen.link)
    set_query(link(dataset=dataset, scan=scan.id, slice=seen.slice_number, view=seen.link or None))
