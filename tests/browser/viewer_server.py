"""The smallest server of the viewer: one page, the scan route, nothing else."""

from pathlib import Path

import streamlit as st

from core.storage.workspace import Workspace
from dashboard.web.scan_route import scan_routes

app = st.App(Path(__file__).with_name("viewer_page.py"), routes=scan_routes(Workspace.locate()))
