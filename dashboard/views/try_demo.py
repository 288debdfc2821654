"""*Demo*: starts the Gradio demo, says when it is ready, and opens it."""

import streamlit as st

from dashboard.components.common.guard import show_errors
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.demo.lazy import LazyDemo
from dashboard.demo.link import DEMO_PATH
from dashboard.demo.models import offered_models
from dashboard.state import SERVER, workspace


def main() -> None:
    st.title("Demo")
    st.write(
        "Upload an abdominal MR slice or a whole scan and see stomach, small bowel and large bowel outlined: "
        "PNG, JPEG or TIFF slices, a zip of them, a NIfTI volume or a DICOM series."
    )
    with show_errors():
        models = offered_models(workspace())
        _start_and_open()
        st.caption(
            f"Model: {escape_markdown(models[0].name)}, {escape_markdown(models[0].training_note)}. "
            f"To choose from: {len(models)}."
        )
    st.warning(
        "What you upload is sent to the machine that serves this page. Remove names and dates from it first.",
        icon=":material/lock:",
    )
    with st.expander("From the command line"):
        st.code("python -m dashboard.demo --port 7860", language="bash")
        st.code("python -m training predict --run RUN --input slice.png --out predictions", language="bash")


def _start_and_open() -> None:
    demo = SERVER.demo
    if demo is None:
        st.info("This page opens the demo where the dashboard was started by: python -m dashboard", icon=":material/info:")
        return
    if demo.progress.state == "idle":
        demo.start()
    waiting = demo.progress.state == "starting"
    st.fragment(_controls, run_every=1.0 if waiting else None)(demo, waiting=waiting)


def _controls(demo: LazyDemo, *, waiting: bool) -> None:
    progress = demo.progress
    if waiting and progress.state != "starting":
        # The whole page, so that nothing asks any more whether it is ready.
        st.rerun()
    if progress.state == "ready":
        st.success("The demo is ready.", icon=":material/check_circle:")
        st.link_button("Open the demo", f"{DEMO_PATH}/", type="primary", icon=":material/open_in_new:")
    elif progress.state == "starting":
        st.info("The demo is starting; this takes some seconds.", icon=":material/hourglass_top:")
    else:
        st.error(escape_links(progress.problem), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", on_click=demo.start)


main()
