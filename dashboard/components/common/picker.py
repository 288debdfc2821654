"""Which evaluation is looked at: the link's choice, then the session's, then the newest."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.blind import find_token, title_of
from dashboard.components.common.sections import choose_section
from dashboard.components.common.text import escape_markdown
from dashboard.state import EVALUATION, LINKED, address

Choice = tuple[str, str]
WIDGET = "evaluation_widget"


def choose_evaluation(found: Sequence[Evaluation]) -> None:
    """Settle the session's evaluation before the page is drawn."""
    options: list[Choice] = [(each.run, each.name) for each in found]
    if not options:
        st.session_state.pop(EVALUATION, None)
        return
    named = _linked(found)
    # A link counts when it is opened; later the page itself writes the address.
    if named != st.session_state.get(LINKED):
        st.session_state[LINKED] = named
        if named in options:
            st.session_state[EVALUATION] = named
        elif named[0] and named[1]:
            st.warning(
                f"The link names an evaluation that is not here: {escape_markdown(named[0])} · {escape_markdown(named[1])}."
            )
    if st.session_state.get(EVALUATION) not in options:
        st.session_state[EVALUATION] = options[0]


def _linked(found: Sequence[Evaluation]) -> tuple[str | None, str | None]:
    here = address()
    if here.token:
        hidden = find_token(found, here.token)
        return (hidden.run, hidden.name) if hidden else ("round", here.token)
    return here.run, here.evaluation


def page_title(title: str, *, store: ReviewStore | None = None, sections: Mapping[str, str] | None = None) -> str:
    """The page's title, with the choice of evaluation beside it.

    Args:
        store: given on pages that keep the run of a blind round hidden.
        sections: parts of the page to choose from beside its title, see `choose_section`; only the first is of an evaluation.

    Returns:
        The section that is open; empty where there are none.
    """
    found = cached.evaluations()
    rounds = store.rounds() if store else {}
    titles = {(each.run, each.name): title_of(each, rounds.get((each.run, each.name))) for each in found}
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left.container(horizontal=True, vertical_alignment="center"):
        st.title(title, anchor=False, width="content")
        section = choose_section(sections, key=f"{title.lower()}_section") if sections else ""
    if not titles or section not in ("", *list(sections or {})[:1]):
        return section
    right.selectbox(
        "Evaluation: a run's predictions on one split of a data set",
        list(titles),
        index=list(titles).index(st.session_state[EVALUATION]),
        key=WIDGET,
        format_func=lambda option: titles[option],
        on_change=_chosen,
        label_visibility="collapsed",
    )
    return section


def _chosen() -> None:
    st.session_state[EVALUATION] = st.session_state[WIDGET]
