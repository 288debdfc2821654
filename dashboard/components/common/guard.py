"""What a page shows when it cannot show its content: an error, an empty workspace, a demo in preparation."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.demo.prepare import demo_state
from core.errors import GutCheckError
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import EVALUATION, workspace


@contextmanager
def show_errors() -> Iterator[None]:
    """Show any error of the tree as its one sentence and end the page there."""
    try:
        yield
    except GutCheckError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
        st.stop()


def require_evaluation() -> Evaluation:
    """The evaluation that was chosen; where there is none, say what to do next and end the page."""
    chosen = st.session_state.get(EVALUATION)
    for each in cached.evaluations():
        if chosen == (each.run, each.name):
            return each
    if demo_state(workspace()).state in ("preparing", "failed"):
        demo_progress()
    else:
        no_evaluations()
    return st.stop()


def damaged_evaluations() -> bool:
    """Which evaluations cannot be read; whether there are such."""
    damaged = cached.damaged_evaluations()
    if damaged:
        names = escape_markdown(", ".join(damaged))
        st.warning(f"Cannot be read: {names}; its `evaluation.json` is damaged. Evaluate the run again, or restore the file.")
    return bool(damaged)


def no_evaluations() -> None:
    """The empty state of the pages that need scores."""
    root = workspace().root
    if damaged_evaluations():
        return
    st.info("No scores yet: this workspace holds no evaluation.", icon=":material/view_list:")
    st.markdown(
        "1. **Prepare a data set**, or start with synthetic patients:\n"
        f"   `python -m training prepare phantom --out {root}/datasets/phantoms`\n"
        "2. **Train** on the *Training* page, or: "
        f"`python -m training fit --data phantoms --model b0 --epochs 5 --workspace {root}`\n"
        f"3. **Evaluate:** `python -m training evaluate --run RUN --data phantoms --workspace {root}`\n\n"
        "Or leave this workspace aside and look at the embedded demo: start `python -m dashboard --demo`."
    )


@st.fragment(run_every=0.5)
def demo_progress() -> None:
    """Progress of the embedded demo; reruns the whole page once it stands."""
    state = demo_state(workspace())
    if state.state == "ready":
        st.rerun()
    if state.state == "failed":
        st.error(escape_links(state.message), icon=":material/error:")
        return
    st.subheader("Setting up the demo")
    st.write("Synthetic patients are made and a small SegFormer outlines their organs, on this machine. It takes half a minute.")
    share = state.done / state.total if state.total else 0.0
    count = f" ({state.done} of {state.total})" if state.total else ""
    st.progress(share, text=escape_links(f"{state.step}{count}"))
