"""The dashboard's entry point for Streamlit: side bar, navigation, and the page that is open."""

import os
import sys
from pathlib import Path

# Streamlit puts only this folder on the path; `core` and `dashboard` lie beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import streamlit as st

from core.errors import GutCheckError
from dashboard import cached
from dashboard.components.picker import evaluation_picker, reader_name
from dashboard.state import SERVED_VARIABLE, show_flash, workspace

st.set_page_config(
    page_title="GutCheck", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide", initial_sidebar_state="expanded"
)

PAGES = [
    st.Page("views/cases.py", title="Cases", url_path="cases", default=True),
    st.Page("views/review.py", title="Review", url_path="review"),
    st.Page("views/metrics.py", title="Metrics", url_path="metrics"),
    st.Page("views/training.py", title="Training", url_path="training"),
    st.Page("views/try_demo.py", title="Demo", url_path="try"),
]


LAYOUT = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.6rem 2rem 2rem; }
[data-testid="stSidebarHeader"] { height: 2.2rem; }
</style>"""
"""Streamlit's wide margins push the pictures below the fold."""


def main() -> None:
    """Draw the side bar, then the page."""
    if not os.environ.get(SERVED_VARIABLE):
        st.error("The viewer needs the dashboard's own server: stop this one and run `python -m dashboard` instead.")
        st.stop()
    page = st.navigation(PAGES)
    st.html(LAYOUT)
    with st.sidebar:
        try:
            evaluation_picker(cached.evaluations(workspace()))
        except GutCheckError as error:
            st.error(str(error))
        reader_name()
        st.caption("**Not a medical device.** For research and quality review; not for diagnosis or treatment.")
        st.caption(f"Workspace: {workspace().root.name}", help=str(workspace().root))
    show_flash()
    page.run()


main()
