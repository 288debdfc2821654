"""*Metrics*: Dice per class over scans, its distribution and not only its mean."""

from typing import Any

import pandas as pd
import streamlit as st

from core.labels import ORGANS
from core.runs import Evaluation
from dashboard import cached
from dashboard.components.charts import dice_bars, dice_distribution
from dashboard.components.guard import require_evaluation, sentences
from dashboard.components.picker import page_title
from dashboard.components.scores import headline
from dashboard.state import link, set_url


def main() -> None:
    with sentences():
        page_title("Metrics")
        evaluation = require_evaluation()
        set_url(run=evaluation.run, evaluation=evaluation.name)
        headline(evaluation)
        scans = cached.scans(evaluation)
    st.subheader("Dice per organ: every scan")
    _open_clicked(evaluation, st.plotly_chart(dice_distribution(scans), on_select="rerun", selection_mode="points", key="spread"))
    st.subheader("Dice per scan, worst first")
    _open_clicked(evaluation, st.plotly_chart(dice_bars(scans), on_select="rerun", selection_mode="points", key="bars"))
    st.caption("Click a point or a bar to review that scan.")
    with st.expander("Counts behind the means"):
        st.dataframe(_counts(evaluation), hide_index=True)
    st.download_button(
        "Scores as CSV",
        scans.assign(leak=evaluation.badge.text).to_csv(index=False),
        file_name=f"{evaluation.run}-{evaluation.name}-scans.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("How these numbers are made"):
        st.table(pd.Series(evaluation.summary["conventions"], name="convention"))


def _open_clicked(evaluation: Evaluation, event: Any) -> None:
    points = event["selection"]["points"]
    if points:
        scan = points[0]["customdata"][0]
        st.switch_page("views/review.py", query_params=link(run=evaluation.run, evaluation=evaluation.name, case=scan))


def _counts(evaluation: Evaluation) -> pd.DataFrame:
    rows = [{"organ": organ.title, "leak": evaluation.badge.text, **evaluation.summary["organs"][organ.name]} for organ in ORGANS]
    return pd.DataFrame(rows)


main()
