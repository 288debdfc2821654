"""What Streamlit has no word for: keys that lead into a text field and out again, and a reader's name kept in the browser."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from core.reviews.store.events import Verdict
from dashboard.components.common.reader import reader_name
from dashboard.state import PINS, READER
from dashboard.web.access import current_reader

SHORTCUTS = {
    Verdict.ACCEPT: "a",
    Verdict.MINOR_EDITS: "e",
    Verdict.MAJOR_EDITS: "m",
    Verdict.REJECT: "x",
    Verdict.REFERENCE_WRONG: "w",
    Verdict.UNUSABLE_IMAGE: "u",
}
ACCEPT_AND_NEXT, NEXT, UNDO = "y", "g", "z"
"""Keys of the buttons below the scale."""
JUDGING = (ACCEPT_AND_NEXT, *SHORTCUTS.values())
"""Keys that give a verdict."""
SCALE_KEY = "scale"
"""Of the container of the buttons that give a verdict, bound to its scan, see `ReaderView.bound`."""
COMMENT_KEY, LEAVE_KEY = "t", "Escape"
FORM_KEY, PIN_KEY = "finding_form", "pin-slice"
"""Of the container of a finding's form, followed by its place; and of the button that begins one, also by the key ``q``."""
_NAME = "page_keys"
_SCRIPT = Path(__file__).with_name("page_keys.js")


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("gutcheck_page_keys", html="<span hidden></span>", js=_SCRIPT.read_text(encoding="utf-8"))


def finding_place(slice_number: int, x: int | None, y: int | None) -> str:
    """A finding's place as part of a key."""
    return f"{slice_number}-{x}-{y}"


def note_pin() -> None:
    """Python has heard that the reader wants to pin a finding: this run brings the form, or none comes."""
    st.session_state[PINS] = st.session_state.get(PINS, 0) + 1


def page_keys(place: str = "") -> None:
    """Mount the keys; before the field for the name, and after what may drop the place.

    Args:
        place: where a finding is being pinned, see `finding_place`; the form of a new one takes the focus.
    """
    reader = reader_name()
    data = {
        "comment": COMMENT_KEY,
        "leave": LEAVE_KEY,
        "place": place if reader else "",
        "pins": st.session_state.get(PINS, 0),
        "form": FORM_KEY,
        "pin": PIN_KEY,
        "scale": SCALE_KEY,
        "judging": JUDGING,
        "unusable": SHORTCUTS[Verdict.UNUSABLE_IMAGE],
        "reader": "" if current_reader() else reader,
        "ask": not reader and READER not in st.session_state,
    }
    _component()(key=_NAME, data=data, height=0, on_reader_change=_remembered)


def _remembered() -> None:
    """The browser knows who read here last; a name that was typed meanwhile goes before."""
    name = getattr(st.session_state.get(_NAME), "reader", None)
    if isinstance(name, str) and not st.session_state.get(READER):
        st.session_state[READER] = name
