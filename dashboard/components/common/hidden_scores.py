"""What a blind round that is not over keeps from its readers, until whoever leads it asks for it."""

from collections.abc import Iterable, Sequence

import streamlit as st

from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.blind import token_of
from dashboard.components.common.page_keys import page_keys
from dashboard.components.common.queue_choice import Queue
from dashboard.components.common.reader import reader_name
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.score_seen import note_scores_seen
from dashboard.components.common.text import escape_markdown


def hidden_rounds(evaluations: Iterable[Evaluation]) -> list[ReaderView]:
    """Those whose round is blind and not over, and of which this reader has scans left to judge.

    Raises: see `core.reviews.store.store.ReviewStore.open`.
    """
    store = cached.store()
    rounds = store.rounds()
    blind = [each for each in evaluations if (each.run, each.name) in rounds and rounds[each.run, each.name].blind]
    return [view for view in (ReaderView.of(each, reader_name(), Queue()) for each in blind) if _has_unjudged(view)]


def _has_unjudged(view: ReaderView) -> bool:
    now = view.worklist.progress(view.reader)
    return now.done < now.total and now.mine < now.total


def shown_to_lead(hidden: Sequence[ReaderView], tells: str) -> bool:
    """Say of the hidden rounds what the page would tell, each beside a switch; whether every switch is on.

    Args:
        tells: as in ``the run and its scores``.
    """
    return all(_switch(view, tells) for view in hidden)


def _switch(view: ReaderView, tells: str) -> bool:
    now = view.worklist.progress(view.reader)
    st.info(
        f"The round “{escape_markdown(view.settings.name)}” is blind and not over: {now.done:,} of {now.total:,} scans are done, "
        f"and this page tells {tells}, so whoever still judges should not look.",
        icon=":material/visibility_off:",
    )
    key = f"lead-looks-{token_of(view.evaluation)}"
    return st.toggle("Show scores (round lead)", key=key, persist_state="session")


def may_see_scores(evaluations: Iterable[Evaluation]) -> bool:
    """As `shown_to_lead`, for a page of scores, which itself asks for no name."""
    evaluations = list(evaluations)
    hidden = hidden_rounds(evaluations)
    if hidden and not reader_name():
        page_keys()  # the browser may know whoever has judged all of it
    shown = shown_to_lead(hidden, "the run and its scores")
    if shown:
        note_scores_seen(evaluations)
    return shown
