"""The table of cases with its filters."""

from typing import Any

import pandas as pd
import streamlit as st

from core.labels import ORGANS


def filtered(cases: pd.DataFrame) -> pd.DataFrame:
    """The cases that the filter row leaves."""
    left, middle, right = st.columns([2, 2, 1])
    text = left.text_input("Find", placeholder="Patient or scan", label_visibility="collapsed", key="cases_find")
    states = middle.multiselect(
        "State", sorted(cases["state"].unique()), placeholder="Any review state", label_visibility="collapsed", key="cases_state"
    )
    only_wrong = right.toggle("Misses only", help="Scans with a missed organ or a false alarm.", key="cases_misses")
    keep = pd.Series(True, index=cases.index)
    if text.strip():
        keep &= cases["scan"].str.contains(text.strip(), case=False, regex=False)
    if states:
        keep &= cases["state"].isin(states)
    if only_wrong:
        keep &= cases["notes"].str.contains("missed|false alarm")
    return cases[keep]


def case_list(cases: pd.DataFrame) -> str | None:
    """Show the table; return the scan whose row was clicked."""
    columns: dict[str, Any] = {organ.name: _dice_column(organ.title) for organ in ORGANS}
    event = st.dataframe(
        cases,
        key="case_list",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        row_height=40,
        column_order=["patient", "day", "slices", *columns, "mean_dice", "state", "notes"],
        column_config=columns
        | {
            "patient": st.column_config.TextColumn("Patient", pinned=True),
            "day": st.column_config.NumberColumn("Day", format="%d", width="small"),
            "slices": st.column_config.NumberColumn("Slices", format="%d", width="small"),
            "mean_dice": st.column_config.NumberColumn("Mean Dice", format="%.3f", help="Over the organs that have a score."),
            "notes": st.column_config.TextColumn("Notes", help="Missed organs, false alarms, and organs that are not there."),
            "state": st.column_config.TextColumn("Review"),
        },
    )
    rows = event["selection"]["rows"]
    return str(cases.iloc[rows[0]]["scan"]) if rows else None


def _dice_column(title: str) -> Any:
    return st.column_config.ProgressColumn(f"{title}, Dice", min_value=0.0, max_value=1.0, format="%.3f")
