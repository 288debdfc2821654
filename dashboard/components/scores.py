"""The headline: mean Dice per organ with the counts behind it and the leak badge."""

import streamlit as st

from core.labels import ORGANS
from core.runs import Evaluation
from dashboard.components.badge import leak_badge


def headline(evaluation: Evaluation) -> None:
    """Mean Dice over scans per organ, misses, false alarms, and what was measured."""
    summary = evaluation.summary
    with st.container(horizontal=True, vertical_alignment="center"):
        leak_badge(evaluation.badge)
        if summary["dataset"].get("synthetic"):
            st.badge("synthetic patients", color="gray", help="Phantoms: no patient's data.")
        st.caption(
            f"Mean Dice over {_count(summary['scan_count'], 'scan')} of {_count(summary['patient_count'], 'patient')}, "
            "whole volumes in 3D, background left out."
        )
    columns = st.columns(len(ORGANS) + 1)
    _card(columns[0], "All organs", summary["macro_dice"], "mean of the three")
    for column, organ in zip(columns[1:], ORGANS, strict=True):
        row = summary["organs"][organ.name]
        _card(column, f":{DOTS[organ.name]}[●] {organ.title}", row["dice"], _counts(row))


DOTS = {"stomach": "blue", "small_bowel": "green", "large_bowel": "red"}


def _card(column: "st.delta_generator.DeltaGenerator", title: str, dice: float | None, note: str) -> None:
    column.metric(title, "undefined" if dice is None else f"{dice:.3f}", border=True)
    column.caption(note)


def _counts(row: dict[str, int]) -> str:
    words = [_count(row["scans"], "scan")]
    words += [f"{row[key]} {word}" for key, word in (("missed", "missed"), ("absent", "without the organ")) if row[key]]
    if row["false_alarm"]:
        words.append(_count(row["false_alarm"], "false alarm"))
    return " · ".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
