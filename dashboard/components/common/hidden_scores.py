"""The curtain: what a blind round that is not over keeps from its readers, until whoever leads it asks for it."""

from collections.abc import Iterable, Sequence

import streamlit as st

from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.blind import token_of
from dashboard.components.common.page_keys import page_keys
from dashboard.components.common.reader import reader_name
from dashboard.components.common.reading import Queue, ReaderView
from dashboard.components.common.score_seen import note_scores_seen
from dashboard.components.common.text import escape_markdown


def hidden_rounds(evaluations: Iterable[Evaluation]) -> list[ReaderView]:
    """Those whose round is blind and not over, and of which this reader has scans left to judge.

    Raises: see `core.reviews.store.store.ReviewStore.open`.
    """
    store = cached.store()
    rounds = store.rounds()
    blind = [each for each in evaluations if (each.run, each.name) in rounds and rounds[each.run, each.name].blind]
    return [desk for desk in (ReaderView.at(each, reader_name(), Queue()) for each in blind) if _is_closed(desk)]


def _is_closed(desk: ReaderView) -> bool:
    now = desk.worklist.progress(desk.reader)
    return now.done < now.total and now.mine < now.total


def shown_to_lead(closed: Sequence[ReaderView], tells: str) -> bool:
    """Say of the closed desks what the page would tell, each beside a switch; whether every switch is on.

    Args:
        tells: as in ``the run and its scores``.
    """
    return all(_switch(desk, tells) for desk in closed)


def _switch(desk: ReaderView, tells: str) -> bool:
    now = desk.worklist.progress(desk.reader)
    st.info(
        f"The round “{escape_markdown(desk.settings.name)}” is blind and not over: {now.done:,} of {now.total:,} scans are done, "
        f"and this page tells {tells}, so whoever still judges should not look.",
        icon=":material/visibility_off:",
    )
    key = f"lead-looks-{token_of(desk.evaluation)}"
    return st.toggle("Show scores (round lead)", key=key, persist_state="session")


def may_see_scores(evaluations: Iterable[Evaluation]) -> bool:
    """As `shown_to_lead`, for a page of scores, which itself asks for no name."""
    evaluations = list(evaluations)
    closed = hidden_rounds(evaluations)
    if closed and not reader_name():
        page_keys()  # the browser may know whoever has judged all of it
    lifted = shown_to_lead(closed, "the run and its scores")
    if lifted:
        note_scores_seen(evaluations)
    return lifted
