"""Serves `image_page.py`."""

from pathlib import Path

import streamlit as st

app = st.App(Path(__file__).with_name("image_page.py"))
