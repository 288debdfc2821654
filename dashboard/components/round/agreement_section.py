"""*Round*, readers: how far they agree, and the scans on which they do not, side by side."""

import pandas as pd
import streamlit as st

from core.labels import TITLES
from core.reports.round_report import KAPPA_NOTE, coefficient_text, kappa_table, score_sentences
from core.reviews.round.agreement import ReaderAgreement
from core.reviews.store.state import ScanReview
from dashboard import cached
from dashboard.components.common.headline import counted
from dashboard.components.common.reading import ReaderView, go_to
from dashboard.components.common.row_table import row_table
from dashboard.components.common.text import escape_markdown
from dashboard.components.round.round_settings import ask_for_another_reader


def readers_section(view: ReaderView) -> None:
    """The table of kappas, then the scans that want a talk."""
    found = cached.round_results(view.evaluation, view.reviews, blind=view.settings.blind)[0]
    for sentence in score_sentences(found):
        st.caption(sentence)
    if not found.pairs:
        st.info("No scan has verdicts of two readers yet. *Round* on *Cases* asks for several.", icon=":material/group:")
        return
    _kappas(found)
    _disagreements(view, found.disagreements)


def _kappas(found: ReaderAgreement) -> None:
    st.dataframe(kappa_table(found, between=" and "), hide_index=True, key="kappas")
    st.caption(f"{KAPPA_NOTE}; n counts scans.")
    if found.fleiss and found.light_linear and found.light_quadratic:
        left, middle, right = st.columns(3)
        what = f"Fleiss' kappa, {counted(found.fleiss.scans, 'scan')} with {found.verdicts_per_scan} verdicts"
        left.metric(what, coefficient_text(found.fleiss), border=True)
        middle.metric("Mean of the pairs, linear weights", coefficient_text(found.light_linear), border=True)
        right.metric("Mean of the pairs, quadratic weights", coefficient_text(found.light_quadratic), border=True)


def _disagreements(view: ReaderView, table: pd.DataFrame) -> None:
    st.subheader("Consensus", anchor=False)
    if table.empty:
        st.success("The readers agree on every scan that several judged.", icon=":material/handshake:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{counted(len(table), 'scan')} on which readers differ, furthest apart first.", width="content")
        ask_for_another_reader(view, len(table))
    left, right = st.columns([1, 2], gap="medium")
    titles = {"scan": "Scan", "readers": "Readers", "spread": "Steps apart", "majority": "Most say"}
    steps = ["off the scale" if pd.isna(each) else str(each) for each in table["spread"]]
    shown = table.assign(spread=steps)[list(titles)].rename(columns=titles)
    with left:
        place = row_table(shown, key="disagreements", height=420, row_height=34) or 0
    with right:
        _side_by_side(view, str(table.iloc[place]["scan"]))


def _side_by_side(view: ReaderView, scan: str) -> None:
    """What each reader said of one scan, a column each."""
    review = view.review(scan)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{escape_markdown(scan)}**", width="content")
        if st.button("Open in Review", icon=":material/open_in_new:", key="open-consensus"):
            go_to(view, scan)
    for column, reader in zip(st.columns(max(len(review.standing), 2)), review.standing, strict=False):
        with column, st.container(border=True):
            _what_one_said(view, review, reader, scan)


def _what_one_said(view: ReaderView, review: ScanReview, reader: str, scan: str) -> None:
    st.text(reader)
    st.markdown(f"**{review.verdicts[reader].label}**")
    if review.comments[reader]:
        st.text(review.comments[reader])
    for event in review.findings:
        if event.reader != reader:
            continue
        said = event.payload
        words = f"{said['kind'].capitalize()}, {TITLES[said['organ']]}, slice {said['slice_number']}"
        if st.button(words, key=f"said-{event.id}", type="tertiary"):
            go_to(view, scan, said["slice_number"])
        if said["comment"]:
            st.text(said["comment"])
    drawn = sum(each.reader == reader for each in review.corrections)
    minutes = f"{review.active_s.get(reader, 0.0) / 60:.1f} min"
    st.caption(f"{minutes} on the scan" + (f" · {counted(drawn, 'correction')}" if drawn else ""))
