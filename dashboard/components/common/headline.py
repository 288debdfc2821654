"""The headline: mean Dice per organ with its interval, the counts behind it and the leak badge."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.charts.run_settings import OTHER_TOOL
from core.labels import ORGANS
from core.metrics.tables import ALL_ORGANS_RULE
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.badge import badge_words, leak_badge, synthetic_badge

DOTS = {"stomach": "blue", "small_bowel": "green", "large_bowel": "red"}


def headline(evaluation: Evaluation) -> None:
    """Mean Dice over scans per organ, misses, false alarms, and what was measured."""
    summary = evaluation.summary
    what_was_measured(evaluation)
    columns = st.columns(len(ORGANS) + 1)
    every = summary["all_organs"]
    note = counted(every["scans"], "scan") + (f" · {every['absent']} without any organ" if every["absent"] else "")
    _card(columns[0], "All organs, Dice", every, note, evaluation, help=f"Dice: {ALL_ORGANS_RULE}.")
    for column, organ in zip(columns[1:], ORGANS, strict=True):
        row = summary["organs"][organ.name]
        _card(column, f":{DOTS[organ.name]}[●] {organ.title}, Dice", row, _counts(row), evaluation)


def what_was_measured(evaluation: Evaluation) -> None:
    """One line: the leak badge, and over how much was measured."""
    summary = evaluation.summary
    with st.container(horizontal=True, vertical_alignment="center"):
        leak_badge(evaluation.badge)
        if summary["dataset"].get("synthetic"):
            synthetic_badge()
        if evaluation.is_external:
            st.badge(OTHER_TOOL, color="gray", help="Its label maps were scored by `evaluate masks`; nothing was trained here.")
        st.caption(
            f"{counted(summary['scan_count'], 'scan')} of {counted(summary['patient_count'], 'patient')}; scores are of "
            f"volumes in 3D, background left out. {partial_words(len(cached.partial_scans(evaluation)), summary['scan_count'])}"
        )


def _card(
    column: "st.delta_generator.DeltaGenerator",
    title: str,
    row: Mapping[str, Any],
    note: str,
    evaluation: Evaluation,
    *,
    help: str | None = None,
) -> None:
    dice, interval = row.get("dice"), (row.get("intervals") or {}).get("dice")
    column.metric(title, "undefined" if dice is None else f"{dice:.3f}", border=True, help=help)
    spread = f"95%: {interval['low']:.3f} to {interval['high']:.3f} · " if interval else ""
    column.caption(f"{spread}{note} {badge_words(evaluation.badge)}")


def _counts(row: dict[str, int]) -> str:
    words = [counted(row["scans"], "scan")]
    words += [f"{row[key]} {word}" for key, word in (("missed", "missed"), ("absent", "without the organ")) if row[key]]
    if row["false_alarm"]:
        words.append(counted(row["false_alarm"], "false alarm"))
    return " · ".join(words)


def partial_words(partial: int, scans: int) -> str:
    """What to know of partial scans, in a sentence; nothing where there are none."""
    if not partial:
        return ""
    are = "scan is" if scans == 1 else "scans are"
    return f"{partial:,} of {scans:,} {are} partial (one slice, or gaps): no volume, no distance, no height from head to foot."


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 scan``, ``2 scans``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
