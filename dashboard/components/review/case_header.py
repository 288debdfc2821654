"""The row above the pictures: the way to the neighbours in the queue, the scan, its scores beside the leak badge, its state."""

from typing import Any

import pandas as pd
import streamlit as st

from core.labels import ORGANS
from core.reviews.queue.filters import UNREVIEWED
from dashboard import cached
from dashboard.components.common.badge import leak_badge, partial_badge
from dashboard.components.common.headline import DOTS
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.text import escape_markdown, in_badge
from dashboard.state import stand_at


def case_header(view: ReaderView, scan: str) -> None:
    """One row; in a blind round without scores, state and run until the reader's own verdict is in."""
    names = view.names
    place = names.index(scan) if scan in names else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="case_header"):
        _step("previous", names[place - 1] if place else None, "Previous case of the queue")
        _step("next", names[place + 1] if place is not None and place + 1 < len(names) else None, "Next case of the queue")
        st.subheader(escape_markdown(scan), anchor=False, width="content")
        if view.settings.blind:
            st.badge("blind round", icon=":material/visibility_off:", color="violet")
        partial_badge(scan in cached.partial_scans(view.evaluation))
        if not view.is_hidden(scan):
            _scores(view, view.table.scans.iloc[view.table.positions[scan]], scan)
        where = "not in this queue" if place is None else f"{place + 1:,} of {len(names):,} in the queue"
        st.caption(where, width="content")


def _step(key: str, scan: str | None, words: str) -> None:
    icon = "chevron_left" if key == "previous" else "chevron_right"
    st.button(f":material/{icon}:", key=key, help=words, disabled=scan is None, on_click=stand_at, args=(scan,))


def _scores(view: ReaderView, case: "pd.Series[Any]", scan: str) -> None:
    leak_badge(view.evaluation.badge)
    dice = " &nbsp; ".join(_dice(case, organ.name, organ.title) for organ in ORGANS)
    st.markdown(f":small[Dice &nbsp;{dice}]", width="content")
    if case["notes"]:
        st.badge(in_badge(str(case["notes"])), color="orange")
    if case["disputed"]:
        st.badge("disputed reference", color="orange", help="Named in the data set's list, or by a reader.")
    state = view.review(scan).state
    st.badge(in_badge(state), color="gray" if state == UNREVIEWED else "primary")


def _dice(case: "pd.Series[Any]", name: str, title: str) -> str:
    value = case[name]
    return f":{DOTS[name]}[●] {title} **{'none' if pd.isna(value) else f'{value:.3f}'}**"
