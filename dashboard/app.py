"""The dashboard's entry point for Streamlit: navigation and the page that is open."""

import sys
from pathlib import Path

# Streamlit puts only this folder on the path; `core` and `dashboard` lie beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import streamlit as st

from dashboard import cached
from dashboard.components.common.guard import show_errors
from dashboard.components.common.layout import narrow_margins
from dashboard.components.common.picker import choose_evaluation
from dashboard.components.common.text import escape_markdown
from dashboard.state import PLACE, SERVER, show_flash, workspace

st.set_page_config(page_title="GutCheck", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")

PAGES = [
    st.Page("views/cases.py", title="Cases", default=True),
    st.Page("views/review.py", title="Review", url_path="review"),
    st.Page("views/round_page.py", title="Round", url_path="round"),
    st.Page("views/metrics.py", title="Metrics", url_path="metrics"),
    st.Page("views/compare.py", title="Compare", url_path="compare"),
    st.Page("views/data.py", title="Data", url_path="data"),
    st.Page("views/training.py", title="Training", url_path="training"),
    st.Page("views/try_demo.py", title="Demo", url_path="try"),
]


def main() -> None:
    """Draw the navigation, the page, and what stands below every page."""
    if not SERVER.is_serving:
        st.error("The viewer needs the dashboard's own server: stop this one and run `python -m dashboard` instead.")
        st.stop()
    page = st.navigation(PAGES, position="top")
    narrow_margins()
    body, footer = st.container(), st.container()
    with footer:
        st.caption(
            f"**Not a medical device.** For research and quality review only. Workspace: {escape_markdown(str(workspace().root))}"
        )
    with body:
        with show_errors():
            choose_evaluation(cached.read_evaluations())
        show_flash()
        if page.url_path != "review":
            st.session_state.pop(PLACE, None)
        page.run()


main()
