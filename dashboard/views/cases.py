"""*Cases*: the worklist, a queue over the scans of an evaluation."""

import streamlit as st

from core.data.index import UNLABELLED
from core.errors import ConfigError
from core.reviews.store.events import Round
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.cases.case_list import case_list, score_line
from dashboard.components.cases.unlabelled import unlabelled_cases
from dashboard.components.cases.worklist import asked_queue, choose_queue, next_case_button, progress_bar, saved_filters_menu
from dashboard.components.common.blind import named
from dashboard.components.common.guard import damaged_evaluations, require_evaluation, show_errors
from dashboard.components.common.page_keys import page_keys
from dashboard.components.common.picker import page_title
from dashboard.components.common.queue_choice import Queue, keep_queue, kept_queue, queue_of_url
from dashboard.components.common.reader import ask_reader, reader_name
from dashboard.components.common.reading import ReaderView, go_to, leave_scan
from dashboard.components.common.text import escape_links
from dashboard.components.round.round_settings import round_menu
from dashboard.state import link, set_query

SECTIONS = {"queue": "To review", UNLABELLED: "Scans without a reference"}


def main() -> None:
    with show_errors():
        section = page_title("Cases", store=cached.store() if cached.evaluations() else None, sections=SECTIONS)
        if section == UNLABELLED:
            unlabelled_cases()
            return
        evaluation = require_evaluation()
        store = cached.store()
        damaged_evaluations()
        page_keys()
        leave_scan(reader_name())
        top, line, filters = st.container(horizontal=True, vertical_alignment="center"), st.container(), st.container()
        with filters, st.container(horizontal=True, vertical_alignment="center"):
            queue = _queue(evaluation, store)
            aside = st.container(width="content")
        with top:
            way, bar = st.container(width="content"), st.container(width="content")
            with st.container(width=230):
                reader = ask_reader()
        view = ReaderView.of(evaluation, reader, queue)
        with aside:
            saved_filters_menu(view)
        with bar:
            progress_bar(view)
        with top:
            round_menu(view)
        with line:
            score_line(view)
        chosen = case_list(view)
        with way:
            next_case_button(view)
        if chosen:
            go_to(view, chosen)


def _queue(evaluation: Evaluation, store: ReviewStore) -> Queue:
    """What the filters say, kept for the session and in the URL."""
    settings = store.round(run=evaluation.run, evaluation=evaluation.name) or Round()
    try:
        start = asked_queue() or queue_of_url(evaluation) or kept_queue(evaluation) or Queue()
    except ConfigError as error:
        st.warning(f"The link's filter makes no sense, so every scan is shown. {escape_links(str(error))}")
        start = Queue()
    patients = sorted({str(facts["patient"]) for facts in evaluation.facts.values()})
    queue = choose_queue(evaluation, settings, start, store.readers() if not settings.blind else [], patients)
    keep_queue(evaluation, queue)
    place = named(evaluation, settings) | link(order=queue.order, other=queue.other)
    set_query({**place, **queue.filter.to_query()})
    return queue


main()
