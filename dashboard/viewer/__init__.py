"""The scan viewer: a Streamlit component of plain JavaScript."""
