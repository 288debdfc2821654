"""The smallest server of the viewer: one page, the scan route, and Streamlit as the dashboard has it."""

from pathlib import Path

import streamlit as st

from core.storage.workspace import Workspace
from dashboard.web.patches import patch_streamlit
from dashboard.web.scan_route import scan_routes

patch_streamlit(lambda: None)
app = st.App(Path(__file__).with_name("viewer_page.py"), routes=scan_routes(Workspace.locate()))
