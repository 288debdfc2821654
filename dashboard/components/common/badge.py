"""The leak badge, shown beside every score."""

from typing import Literal

import streamlit as st

from core.charts.style import as_text
from core.data.leakage import LeakBadge, LeakKind

_LOOKS: dict[LeakKind, tuple[Literal["green", "red", "orange"], str]] = {
    "patient-clean": ("green", "✓"),
    "leaked": ("red", "!"),
    "unknown": ("orange", "?"),
}
_HELP = {
    "patient-clean": "No patient of these scans was trained on.",
    "leaked": "The model was trained on other slices of these patients, so its scores are too good to be true.",
    "unknown": "Nobody can say whether these patients were trained on: the run's training manifest is missing, "
    "names tell no patient, or another tool drew the label maps.",
}


def leak_badge(badge: LeakBadge) -> None:
    """Show the badge with what it means."""
    colour, sign = _LOOKS[badge.kind]
    st.badge(f"{sign} {badge.text}", color=colour, help=_HELP[badge.kind])


def synthetic_badge() -> None:
    """Show that these are no patients."""
    st.badge("synthetic patients", color="gray", help="Phantoms: no patient's data.")


def partial_badge(shown: bool) -> None:
    """Show that a scan is partial, where it is."""
    if shown:
        st.badge("partial scan", color="gray", help="One slice, or gaps: no volume, no distance, no height from head to foot.")


def badge_words(badge: LeakBadge) -> str:
    """The badge as Markdown, to stand in a line beside a number."""
    colour, sign = _LOOKS[badge.kind]
    return f":{colour}-badge[{sign} {badge.text}]"


def source_line(run: str, evaluation: str, badge: LeakBadge) -> str:
    """What a chart's second line says: whose scores these are, and whether patients leaked."""
    return f"{as_text(run)} · {as_text(evaluation)} · leak: {badge.text}"
