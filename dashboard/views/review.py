"""*Review*: one scan, reference and prediction side by side, and the reader's verdict."""

import streamlit as st

from core.corrections import corrections_of
from core.metrics.cases import case_table, next_unreviewed
from core.reviews import ReviewStore, Subject
from core.runs import Evaluation
from dashboard import cached
from dashboard.components.badge import leak_badge
from dashboard.components.charts import dice_along_scan
from dashboard.components.guard import require_evaluation, sentences
from dashboard.components.in_3d import panel_in_3d
from dashboard.components.review import case_header, finding_marks, show_scan
from dashboard.components.verdict import findings_panel, verdict_panel
from dashboard.state import NEXT_CASE, address, set_url, workspace


def main() -> None:
    with sentences():
        evaluation = require_evaluation()
        store = cached.store(workspace().reviews_db)
        cases = case_table(
            cached.scans(evaluation),
            {scan: found.state for scan, found in store.reviews(run=evaluation.run, evaluation=evaluation.name).items()},
        )
        scan = _scan(evaluation, list(cases["scan"]))
        facts = evaluation.scan_facts(scan)
        subject = Subject(evaluation.run, evaluation.name, scan, facts["image_sha256"], facts["prediction_sha256"])
        st.session_state[NEXT_CASE] = next_unreviewed(cases, after=scan)
        case_header(cases, scan, evaluation)
        _panels(evaluation, store, subject, list(facts["slice_numbers"]))


def _scan(evaluation: Evaluation, scans: list[str]) -> str:
    named = address().case
    if named and named not in scans:
        st.warning(f"Scan {named} is not in {evaluation.name}; this is the worst one instead.")
    return named if named in scans else scans[0]


def _panels(evaluation: Evaluation, store: ReviewStore, subject: Subject, numbers: list[int]) -> None:
    review = store.scan_review(subject)
    picture, panel = st.columns([4, 1.25], gap="medium")
    with picture:
        seen = show_scan(evaluation, subject.scan, numbers, finding_marks(review.findings), corrections_of(store, subject))
    set_url(run=evaluation.run, evaluation=evaluation.name, case=subject.scan, slice=seen.slice_number, view=seen.link or None)
    with panel:
        verdict_panel(store, subject, review)
        findings_panel(store, subject, review)
    with st.expander("Dice along the scan: which slice to look at"):
        leak_badge(evaluation.badge)
        slices = evaluation.slices()
        st.plotly_chart(dice_along_scan(slices[slices["scan"] == subject.scan]), key=f"along-{subject.scan}")
    panel_in_3d(evaluation, subject.scan)


main()
