"""Who reads: the name that signed in, else one that is typed once and then kept."""

from html import escape

import streamlit as st

from core.errors import ReviewError
from core.reviews.store.events import MAX_READER
from dashboard import cached
from dashboard.components.common.text import escape_links
from dashboard.state import READER
from dashboard.web.access import SIGN_OUT, current_reader


def reader_name() -> str:
    """The reader's name, without asking; empty where nobody gave one, or one that cannot be."""
    typed = current_reader() or str(st.session_state.get(READER) or "")
    try:
        return _named(typed) if typed.strip() else ""
    except ReviewError:
        return ""


def _named(typed: str) -> str:
    """The reader whom a name means, as the review store knows them. Raises: see
    `core.reviews.store.store.ReviewStore.reader_named`."""
    store = cached.store()
    return store.reader_named(typed)


def ask_reader() -> str:
    """Show who signed in, or the field for a name; return the name, empty where there is none."""
    if signed_in := current_reader():
        reader = _said(signed_in)
        # Other parts of the page, and the viewer, ask the session.
        st.session_state[READER] = reader
        st.html(f'{escape(reader or signed_in)} · <a href="{SIGN_OUT}" target="_self">Sign out</a>', width="content")
        return reader
    typed = st.text_input(
        "Reader",
        key=READER,
        placeholder="Your name",
        max_chars=MAX_READER,
        persist_state="session",
        label_visibility="collapsed",
        icon=":material/person:",
    )
    return _said(typed or "")


def _said(typed: str) -> str:
    """The reader, or nothing and why."""
    try:
        return _named(typed) if typed.strip() else ""
    except ReviewError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
        return ""
