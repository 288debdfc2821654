"""*Round*, scores: which score the readers accept, the headline without disputed references, and what reviewing cost."""

import pandas as pd
import streamlit as st

from core.charts.scores import score_title
from core.labels import MACRO, TITLES
from core.reports.round_report import acceptance_figure, acceptance_table, headline_table
from core.reviews.round.acceptance import OF_WHOLE_SCANS, Acceptance, Headline, effort
from dashboard import cached
from dashboard.components.common.badge import leak_badge
from dashboard.components.common.charts import show_chart
from dashboard.components.common.headline import counted
from dashboard.components.common.reading import ReaderView, go_to


def scores_section(view: ReaderView) -> None:
    """Curve and limits of a chosen score, headline with and without disputed references, minutes."""
    _, curves, lines = cached.round_results(view.evaluation, view.reviews, blind=view.settings.blind)
    st.subheader("Acceptance by score", anchor=False)
    _acceptance(view, curves)
    st.subheader("Mean Dice with and without disputed references", anchor=False)
    leak_badge(view.evaluation.badge)
    _headline(lines)
    st.subheader("Review time", anchor=False)
    _effort(view)


def _acceptance(view: ReaderView, curves: list[Acceptance]) -> None:
    judged = [each for each in curves if each.verdicts]
    if not judged:
        st.info("No verdict on the four-point scale yet: there is nothing to fit.", icon=":material/show_chart:")
        return
    scores, organs = list(dict.fromkeys(each.score for each in judged)), list(dict.fromkeys(each.organ for each in judged))
    with st.container(horizontal=True, vertical_alignment="center"):
        score = st.segmented_control(
            "Score", scores, default=scores[0], required=True, format_func=score_title, key="round_score"
        )
        name = st.segmented_control(
            "Score of",
            organs,
            default=MACRO if MACRO in organs else organs[0],
            required=True,
            format_func=TITLES.__getitem__,
            key="round_organ",
        )
        leak_badge(view.evaluation.badge)
    chosen = next((each for each in judged if (each.score, each.organ) == (score, name)), None)
    if chosen is None:
        st.info("No verdict is on a scan that has this score.")
    elif chosen.problem:
        st.info(chosen.problem, icon=":material/show_chart:")
    else:
        _curve(view, chosen)
    st.dataframe(acceptance_table(judged), hide_index=True, key="limits")
    st.caption(
        f"{OF_WHOLE_SCANS} By logistic regression over the standing verdicts on the four-point scale; “Accept” counts. "
        "In brackets 95% intervals that resample patients. A limit outside the scores judged is not told (–)."
    )


def _curve(view: ReaderView, found: Acceptance) -> None:
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        figure = acceptance_figure(found).update_layout(height=340)
        clicked = show_chart(figure, key="acceptance", name=f"{view.evaluation.run}-acceptance-{found.score}-{found.organ}")
        if clicked:
            go_to(view, str(clicked[0]))
    with right:
        st.caption(f"{score_title(found.score)}, {TITLES[found.organ].lower()}, at which")
        for each in found.limits:
            told = "outside the scores judged" if each.score is None else f"{each.score:.3f}"
            st.metric(f"{each.probability:.0%} of scans accepted", told, border=True)
            if each.low is not None and each.high is not None:
                st.caption(f"95%: {each.low:.3f} to {each.high:.3f}")
        readers, patients = counted(found.readers, "reader"), counted(found.patients, "patient")
        st.caption(f"{counted(found.verdicts, 'verdict')} ({found.accepted} accept) by {readers} on {patients}")


def _headline(lines: list[Headline]) -> None:
    st.dataframe(headline_table(lines), hide_index=True, key="headlines")
    st.caption(f"A reader calls the reference of {counted(lines[0].disputed, 'scan')} wrong. n counts scans.")


def _effort(view: ReaderView) -> None:
    table = effort(view.reviews)
    seen, fixed = table[table["active_min"] > 0], table[table["corrections"] > 0]
    if seen.empty and fixed.empty:
        st.caption("No active time is measured yet.")
        return
    left, middle, right = st.columns(3)
    left.metric("Median review time (min)", _median(seen["active_min"]), border=True)
    middle.metric("Median correction time (min)", _median(fixed["correction_min"]), border=True)
    right.metric("Corrected scans", f"{len(fixed):,}", border=True)
    left.caption(f"{counted(len(seen), 'scan')}, {seen['active_min'].sum():.0f} min in all; idle time is left out")


def _median(values: "pd.Series[float]") -> str:
    return f"{values.median():.1f}" if len(values) else "–"
