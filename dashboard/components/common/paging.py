"""A long list, a page at a time."""

import streamlit as st


def page_of(count: int, size: int, what: str, *, key: str) -> slice:
    """Which part of the list is shown, by the page that is chosen and said here."""
    pages = max(-(-count // size), 1)
    if pages == 1:
        return slice(0, count)
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = 1
    with st.container(horizontal=True, vertical_alignment="center"):
        number = st.pagination(pages, key=key)
        first, last = (number - 1) * size, min(number * size, count)
        st.caption(f"{first + 1:,} to {last:,} of {count:,} {what}", width="content")
    return slice(first, last)
