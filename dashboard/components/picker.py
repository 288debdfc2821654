"""Which evaluation is looked at: the link's choice, then the session's, then the newest."""

import streamlit as st

from core.runs import Evaluation
from dashboard import cached
from dashboard.state import EVALUATION, LINKED, address, workspace

Choice = tuple[str, str]
WIDGET = "evaluation_widget"


def choose_evaluation(found: list[Evaluation]) -> None:
    """Settle the session's evaluation before the page is drawn."""
    options: list[Choice] = [(each.run, each.name) for each in found]
    if not options:
        st.session_state.pop(EVALUATION, None)
        return
    named = (address().run, address().evaluation)
    # A link counts when it is opened; later the page itself writes the address.
    if named != st.session_state.get(LINKED):
        st.session_state[LINKED] = named
        if named in options:
            st.session_state[EVALUATION] = named
        elif named[0] and named[1]:
            st.warning(f"The link names an evaluation that is not here: {named[0]} · {named[1]}.")
    if st.session_state.get(EVALUATION) not in options:
        st.session_state[EVALUATION] = options[0]


def page_title(title: str) -> None:
    """The page's title, with the choice of evaluation beside it."""
    options = [(each.run, each.name) for each in cached.evaluations(workspace())]
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    left.title(title, anchor=False)
    if not options:
        return
    right.selectbox(
        "Evaluation: a run's predictions on one split of a data set",
        options,
        index=options.index(st.session_state[EVALUATION]),
        key=WIDGET,
        format_func=lambda option: f"{option[0]} · {option[1]}",
        on_change=_chosen,
        label_visibility="collapsed",
    )


def _chosen() -> None:
    st.session_state[EVALUATION] = st.session_state[WIDGET]
