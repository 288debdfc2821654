"""The report of an evaluation as one file, made when it is asked for."""

from collections.abc import Mapping

import streamlit as st

from core.reports.evaluation_report import evaluation_report
from core.runs.registry import Evaluation


def report_button(evaluation: Evaluation, disputed: Mapping[str, str]) -> None:
    """Offer the report for download; it is put together at the click."""
    st.download_button(
        "Report as one HTML file",
        lambda: evaluation_report(evaluation, disputed),
        file_name=f"{evaluation.run}-{evaluation.name}.html",
        mime="text/html",
        icon=":material/mail:",
        on_click="ignore",
        key="report",
        help="Everything on this page in one file that opens without a network, to be mailed; about 5 MB.",
    )
