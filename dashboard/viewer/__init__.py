"""The scan viewer: a Streamlit component of plain JavaScript, and the tools that correct masks (`edit/`)."""
