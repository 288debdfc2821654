"""Who reads: the name that signed in, else one that is typed once and then kept."""

from html import escape

import streamlit as st

from core.errors import ReviewError
from core.reviews.events import MAX_READER, check_reader
from dashboard.access import SIGN_OUT, current_reader
from dashboard.components.text import harmless
from dashboard.state import READER


def reader_name() -> str:
    """The reader's name, without asking; empty where nobody gave one, or one that cannot be."""
    typed = str(st.session_state.get(READER) or "")
    if signed_in := current_reader():
        return signed_in
    try:
        return check_reader(typed) if typed.strip() else ""
    except ReviewError:
        return ""


def ask_reader() -> str:
    """Show who signed in, or the field for a name; return the name, empty where there is none."""
    if signed_in := current_reader():
        # Other parts of the page, and the viewer, ask the session.
        st.session_state[READER] = signed_in
        st.html(f'{escape(signed_in)} · <a href="{SIGN_OUT}" target="_self">Sign out</a>', width="content")
        return signed_in
    typed = st.text_input(
        "Reader",
        key=READER,
        placeholder="Your name",
        max_chars=MAX_READER,
        persist_state="session",
        label_visibility="collapsed",
        icon=":material/person:",
    )
    try:
        return check_reader(typed) if typed and typed.strip() else ""
    except ReviewError as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return ""
