"""*Cases*: every scan of an evaluation with its scores and review state; worst first."""

import streamlit as st

from core.metrics.cases import case_table, next_unreviewed
from core.reviews import ReviewStore
from core.runs import Evaluation
from dashboard import cached
from dashboard.components.cases import case_list, filtered
from dashboard.components.guard import require_evaluation, sentences
from dashboard.components.picker import page_title
from dashboard.components.scores import headline
from dashboard.state import link, set_url, workspace


def main() -> None:
    with sentences():
        page_title("Cases")
        evaluation = require_evaluation()
        set_url(run=evaluation.run, evaluation=evaluation.name)
        headline(evaluation)
        store: ReviewStore = cached.store(workspace().reviews_db)
        reviews = store.reviews(run=evaluation.run, evaluation=evaluation.name)
        cases = case_table(cached.scans(evaluation), {scan: review.state for scan, review in reviews.items()})
    waiting = next_unreviewed(cases)
    reviewed = int((cases["state"] != "Unreviewed").sum())
    with st.container(horizontal=True, vertical_alignment="center"):
        if waiting and st.button(
            "Review the worst unreviewed case", type="primary", shortcut="Enter", icon=":material/play_arrow:"
        ):
            _open(evaluation, waiting)
        st.progress(reviewed / len(cases), text=f"{reviewed} of {len(cases)} reviewed", width=260)
    shown = filtered(cases)
    if shown.empty:
        st.info("No case matches the filters; clear them to see all.", icon=":material/search_off:")
        return
    chosen = case_list(shown)
    if chosen:
        _open(evaluation, chosen)
    st.caption(
        "Click a row to review that case. Click a column's head to sort. A Dice of 0 beside *missed* or *false alarm* counts."
    )


def _open(evaluation: Evaluation, scan: str) -> None:
    st.switch_page("views/review.py", query_params=link(run=evaluation.run, evaluation=evaluation.name, case=scan))


main()
