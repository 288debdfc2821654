"""The little that Streamlit's theme cannot say."""

import streamlit as st

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 4rem 2rem 1rem; }
</style>"""


def narrow_margins() -> None:
    """Narrow Streamlit's wide margins, which push the pictures below the fold."""
    st.html(_STYLE)
