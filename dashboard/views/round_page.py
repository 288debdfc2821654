"""*Round*: what a round of reviews says and gives; for whoever leads it."""

import streamlit as st

from dashboard import cached
from dashboard.components.cases.worklist import progress_bar
from dashboard.components.common.guard import require_evaluation, show_errors
from dashboard.components.common.hidden_scores import hidden_rounds, shown_to_lead
from dashboard.components.common.page_keys import page_keys
from dashboard.components.common.picker import page_title
from dashboard.components.common.queue_choice import Queue, kept_queue
from dashboard.components.common.reader import ask_reader, reader_name
from dashboard.components.common.reading import ReaderView, leave_scan
from dashboard.components.common.score_seen import note_scores_seen
from dashboard.components.common.sections import choose_section
from dashboard.components.round.acceptance_section import scores_section
from dashboard.components.round.agreement_section import readers_section
from dashboard.components.round.exports_section import exports_section
from dashboard.components.round.second_round_section import second_round_section
from dashboard.state import set_query

SECTIONS = {
    "readers": "Agreement",
    "scores": "Acceptance",
    "second": "Second round",
    "out": "Export and reports",
}
SHOWN = {"readers": readers_section, "scores": scores_section, "second": second_round_section, "out": exports_section}


def main() -> None:
    with show_errors():
        evaluation = require_evaluation()
        store = cached.store()
        page_title("Round", store=store)
        page_keys()
        leave_scan(reader_name())
        with st.container(horizontal=True, vertical_alignment="center"):
            section = choose_section(SECTIONS, key="round_section")
            bar = st.container(width="content")
            with st.container(width=230):
                reader = ask_reader()
        view = ReaderView.of(evaluation, reader, kept_queue(evaluation) or Queue())
        with bar:
            progress_bar(view)
        set_query(view.address | {"section": section})
        if shown_to_lead(hidden_rounds([evaluation]), "the run, its scores and what the others said"):
            note_scores_seen([evaluation])
            SHOWN[section](view)


main()
