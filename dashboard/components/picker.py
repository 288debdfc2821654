"""The side bar: which evaluation is looked at, and who is reading."""

import streamlit as st

from core.runs import Evaluation
from dashboard.state import EVALUATION, READER, address


def evaluation_picker(found: list[Evaluation]) -> None:
    """Choose an evaluation; the URL's choice wins when a link is opened, then the session's, then the newest."""
    options = [(each.run, each.name) for each in found]
    if not options:
        st.session_state.pop(EVALUATION, None)
        return
    named = address()
    asked = (named.run, named.evaluation)
    if asked in options and st.session_state.get("_address") != asked:
        st.session_state[EVALUATION] = asked
    st.session_state["_address"] = asked
    if st.session_state.get(EVALUATION) not in options:
        if named.run and asked not in options:
            st.warning(f"The link names an evaluation that is not here: {named.run} · {named.evaluation}.")
        st.session_state[EVALUATION] = options[0]
    st.selectbox(
        "Evaluation",
        options,
        key=EVALUATION,
        format_func=lambda option: f"{option[0]} · {option[1]}",
        help="A run's predictions and scores on one split of a data set.",
    )


def reader_name() -> None:
    """Ask who is reading; verdicts carry the name."""
    st.text_input("Reader", key=READER, placeholder="Your name", help="Signed under each verdict.", persist_state="session")
