"""One patient over days: volumes with jumps flagged, and the same slice of each day side by side."""

import pandas as pd
import streamlit as st

from core.charts.days import RULE, over_days, patients_by_scans, volumes_over_days
from core.errors import GutCheckError
from core.labels import ORGAN_NAMES, TITLES
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.badge import source_line
from dashboard.components.common.charts import open_place, show_chart
from dashboard.components.common.sections import csv_button
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import link, set_query

MOST_PICTURES = 6


def patient_days(evaluation: Evaluation, named: str | None) -> None:
    """Choose a patient and show the scans by day.

    Args:
        named: the patient in the URL.
    """
    scans = cached.scans_to_look_at(evaluation)
    patients = patients_by_scans(scans)
    if not patients:
        st.info("No scan's name tells a day, so nothing can be laid out over days.", icon=":material/calendar_month:")
        return
    counts = scans.groupby("patient")["scan"].nunique()
    patient = st.selectbox(
        "Patient",
        patients,
        index=patients.index(named) if named in patients else 0,
        format_func=lambda name: f"{name}: {counts[name]} scan{'' if counts[name] == 1 else 's'}",
        key="days_patient",
        width=300,
    )
    set_query(st.query_params.to_dict() | {"patient": patient})
    table = over_days(scans, patient)
    source = source_line(evaluation.run, evaluation.name, evaluation.badge)
    carried = show_chart(
        volumes_over_days(table, patient, source=source), key="days", name=f"{evaluation.run}-{evaluation.name}-{patient}"
    )
    open_place(evaluation, carried)
    st.caption(RULE)
    _flags(table)
    _pictures(evaluation, table)
    csv_button(table, name=f"{evaluation.run}-{evaluation.name}-{patient}-days", leak=evaluation.badge.text)


def _flags(table: pd.DataFrame) -> None:
    suspect = table[table["suspect"]]
    if suspect.empty:
        st.caption("No suspect jump: where the prediction jumps, the reference does too.")
        return
    words = [
        f"{TITLES[str(row['organ'])]} on day {row['day']}: {row['prediction_ml']:,.0f} ml drawn, "
        f"{row['reference_ml']:,.0f} ml in the reference"
        for row in suspect.to_dict("records")
    ]
    st.warning("Suspect jumps. " + "; ".join(words) + ".", icon=":material/flag:")


def _pictures(evaluation: Evaluation, table: pd.DataFrame) -> None:
    """Each day's slice with most of the chosen organ, the reference above the prediction."""
    chosen = st.segmented_control(
        "Largest slice of",
        ORGAN_NAMES,
        default=ORGAN_NAMES[0],
        required=True,
        format_func=TITLES.__getitem__,
        key="days_organ",
    )
    days = table.drop_duplicates("scan").sort_values("day")
    shown = days.tail(MOST_PICTURES)
    if len(days) > len(shown):
        st.caption(f"The last {len(shown)} of {len(days)} days.")
    if not (evaluation.dataset_root / evaluation.split / "images").is_dir():
        st.info(
            f"The data set is not here, so there are no pictures to show: {escape_markdown(str(evaluation.dataset_root))}.",
            icon=":material/hide_image:",
        )
        return
    for column, scan, day in zip(st.columns(MOST_PICTURES), shown["scan"], shown["day"], strict=False):
        with column:
            _picture(evaluation, str(scan), int(day), str(chosen))


def _picture(evaluation: Evaluation, scan: str, day: int, organ: str) -> None:
    number, position = cached.largest_slice(evaluation, scan, organ)
    if st.button(
        f"Day {day}, slice {number}", key=f"day-{scan}", help=f"Open {escape_markdown(scan)} in Review", type="tertiary"
    ):
        names = link(run=evaluation.run, evaluation=evaluation.name, case=scan, slice=number, organ=organ)
        st.switch_page("views/review.py", query_params=names)
    try:
        reference, prediction = cached.day_pictures(evaluation, scan, position)
    except GutCheckError as error:
        st.caption(f"No picture. {escape_links(str(error))}")
        return
    st.image(reference, caption="Reference", width="stretch")
    st.image(prediction, caption="Prediction", width="stretch")
