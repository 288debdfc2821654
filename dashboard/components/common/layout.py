"""The little that Streamlit's theme cannot say."""

import streamlit as st

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 4rem 2rem 1rem; }
/* The verdict stays in sight while the pictures scroll. */
[data-testid="stColumn"]:has(.st-key-verdict_panel) {
  align-self: flex-start; max-height: calc(100vh - 4.5rem); overflow-y: auto; position: sticky; scrollbar-width: thin; top: 4rem;
}
.st-key-verdict_panel button { min-height: 2.1rem; padding-block: 0.1rem; }
/* "Press Enter to submit form" lies over what the narrow field says. */
.st-key-verdict_panel [data-testid="InputInstructions"] { display: none; }
/* A figure's name takes a second line where there is no room for it. */
[data-testid="stMetricLabel"] * { overflow: visible; text-overflow: clip; white-space: normal; }
.st-key-regions button { min-height: 1.7rem; padding: 0; text-align: left; }
</style>"""


def narrow_margins() -> None:
    """Narrow Streamlit's wide margins, which push the pictures below the fold."""
    st.html(_STYLE)
