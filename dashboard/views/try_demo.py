"""*Demo*: opens the Gradio demo, where a picture of one's own is uploaded and segmented."""

import streamlit as st

from dashboard.components.guard import sentences
from dashboard.segment import choose_model
from dashboard.state import workspace


def main() -> None:
    st.title("Demo")
    st.write("Upload one abdominal MR slice (PNG or JPEG, 8 or 16 bits) and see stomach, small bowel and large bowel outlined.")
    with sentences():
        choice = choose_model(workspace())
    st.link_button("Open the demo", "/demo/", type="primary", icon=":material/science:")
    st.caption(f"Model: {choice.name}. The first opening takes some seconds while the model is loaded.")
    st.warning(
        "An uploaded picture is sent to the machine that serves this page. Remove names and dates from it first.",
        icon=":material/lock:",
    )
    with st.expander("From the command line"):
        st.code("python -m dashboard.demo --port 7860", language="bash")
        st.code("python -m training predict --run RUN --input slice.png --out predictions", language="bash")


main()
