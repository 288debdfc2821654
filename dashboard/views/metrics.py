"""*Metrics*: what the scores of an evaluation say, and where; a click on any mark opens the scan it stands for."""

import streamlit as st

from dashboard import cached
from dashboard.components.common.blind import named
from dashboard.components.common.charts import picture_format
from dashboard.components.common.guard import require_evaluation, show_errors
from dashboard.components.common.headline import what_was_measured
from dashboard.components.common.hidden_scores import may_see_scores
from dashboard.components.common.picker import page_title
from dashboard.components.common.sections import choose_section
from dashboard.components.common.selection import choose_scans, disputed_scans
from dashboard.components.metrics import metric_sections as sections
from dashboard.components.metrics.patient_days import patient_days
from dashboard.state import link, set_query

SECTIONS = {
    "overview": "Overview",
    "organs": "Dice per organ",
    "where": "Where it fails",
    "volumes": "Volumes",
    "confidence": "Confidence",
    "mistakes": "Mistakes",
    "days": "A patient over days",
}
CHARTS = {
    "organs": sections.organs,
    "where": sections.where,
    "volumes": sections.volumes,
    "confidence": sections.confidence,
    "mistakes": sections.mistakes,
}


def main() -> None:
    with show_errors():
        store = cached.store()
        page_title("Metrics", store=store)
        evaluation = require_evaluation()
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            section = choose_section(SECTIONS, key="metrics_section")
            picture_format()
        patient = st.query_params.get("patient")
        settings = store.round(run=evaluation.run, evaluation=evaluation.name)
        set_query(named(evaluation, settings) | link(section=section, patient=patient if section == "days" else None))
        if not may_see_scores([evaluation]):
            return
        disputed = disputed_scans(evaluation)
        if section == "overview":
            sections.overview(evaluation, disputed)
            return
        what_was_measured(evaluation)
        if section == "days":
            patient_days(evaluation, patient)
            return
        chosen = choose_scans(evaluation, disputed)
        if chosen.scans.empty:
            st.info("No scan matches the filters; clear them to see all.", icon=":material/search_off:")
            return
        CHARTS[section](chosen)
        st.caption("A click on a mark opens its scan in Review, at the slice where most of that organ is wrong.")


main()
