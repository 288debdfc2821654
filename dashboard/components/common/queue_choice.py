"""The queue that a reader chose: kept for the session, and named in the URL."""

from dataclasses import dataclass, field

import streamlit as st

from core.errors import ConfigError
from core.reviews.queue.filters import WorklistFilter
from core.reviews.store.events import Order
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.state import QUEUE

ORDERS: dict[Order, str] = {
    "worst": "Worst first",
    "least_confident": "Least confident first",
    "most_changed": "Changed most against …",
    "random": "Random",
    "name": "By name",
}


@dataclass(frozen=True)
class Queue:
    """What the reader works through."""

    filter: WorklistFilter = field(default_factory=WorklistFilter)
    order: Order | None = None
    """Nothing means the round's own."""
    other: str | None = None
    """RUN/EVALUATION against which changes are measured, and which is laid beside."""


def kept_queue(evaluation: Evaluation) -> Queue | None:
    """The queue that the reader chose in this session for this evaluation."""
    of, queue = st.session_state.get(QUEUE, (None, None))
    return queue if of == (evaluation.run, evaluation.name) else None


def keep_queue(evaluation: Evaluation, queue: Queue) -> None:
    """Remember the choice for the session."""
    st.session_state[QUEUE] = ((evaluation.run, evaluation.name), queue)


def find_other(evaluation: Evaluation, name: str | None) -> Evaluation | None:
    """Another evaluation of the workspace by RUN/EVALUATION."""
    here = f"{evaluation.run}/{evaluation.name}"
    found = (each for each in cached.evaluations() if f"{each.run}/{each.name}" == name != here)
    return next(found, None)


def queue_of_url(evaluation: Evaluation) -> Queue | None:
    """The queue that the page's URL names; nothing where it names none.

    Raises:
        ConfigError: a value that no filter has.
    """
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    filter = WorklistFilter.from_query(query)
    order, other = st.query_params.get("order"), st.query_params.get("other")
    if order is not None and order not in ORDERS:
        raise ConfigError("There is no such order", value=order[:40], todo=f"use one of: {', '.join(ORDERS)}")
    if filter == WorklistFilter() and order is None and other is None:
        return None
    found = find_other(evaluation, other)
    return Queue(filter, next((each for each in ORDERS if each == order), None), other if found else None)
