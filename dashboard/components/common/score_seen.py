"""Of which blind rounds the scores were shown before a verdict, on a page that tells those of all scans."""

from collections.abc import Iterable
from contextlib import suppress

import streamlit as st

from core.errors import ReviewError
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.reader import reader_name
from dashboard.state import SCORES_SEEN


def note_scores_seen(evaluations: Iterable[Evaluation]) -> None:
    """The page is about to show the scores of these: store it for the reader, or keep it in the session until there is a name."""
    store = cached.store()
    rounds, reader = store.rounds(), reader_name()
    noted: set[tuple[str, str, str]] = st.session_state.setdefault(SCORES_SEEN, set())
    for each in evaluations:
        key = each.run, each.name
        if key not in rounds or not rounds[key].blind or (*key, reader) in noted:
            continue
        noted.add((*key, reader))
        if reader:
            # What the store refuses now, the session still knows.
            with suppress(ReviewError):
                store.add_scores_seen(*key, reader=reader)


def saw_scores(evaluation: Evaluation) -> bool:
    """Whether this session was shown the scores of the evaluation's blind round, under whatever name."""
    noted: set[tuple[str, str, str]] = st.session_state.get(SCORES_SEEN, set())
    return any((run, name) == (evaluation.run, evaluation.name) for run, name, _ in noted)
