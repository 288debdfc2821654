"""The settings of a review round, for whoever leads it."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.errors import GutCheckError
from core.reviews.store.events import BLIND_ORDERS, MAX_READER, MAX_READERS_PER_SCAN, Round
from dashboard.components.common.queue_choice import ORDERS
from dashboard.components.common.reading import ReaderView, bound
from dashboard.components.common.text import escape_links
from dashboard.state import flash


def round_menu(view: ReaderView) -> None:
    """How this evaluation is reviewed: blind or not, how many readers, which scans, in which order."""
    now = view.settings

    def key(name: str) -> str:
        return bound(name, view.evaluation.run, view.evaluation.name, now)

    with st.popover("Round" + (": blind" if now.blind else ""), icon=":material/tune:"), st.container(width=360):
        name = st.text_input("Name of the round", now.name, max_chars=MAX_READER, key=key("round_name"))
        readers = st.number_input(
            "Readers for each scan", 1, MAX_READERS_PER_SCAN, now.readers_per_scan, key=key("round_readers")
        )
        blind = st.toggle(
            "Blind",
            now.blind,
            key=key("round_blind"),
            help="Hides the score, the run's name and the other readers' words until one's own verdict is in.",
        )
        known = [each for each in ORDERS if not blind or each in BLIND_ORDERS]
        options = ["", *known]
        usual = "Random" if blind else "Worst first"
        chosen = st.selectbox(
            "Order of the queue",
            options,
            index=options.index(now.order) if now.order in options else 0,
            format_func=lambda each: ORDERS.get(each, f"{usual} (usual)").removesuffix(" against …"),
            key=key(f"round_order_{blind}"),
        )
        order = next((each for each in known if each == chosen), None)
        filter = _which_scans(view)
        if not view.reader:
            st.caption("Enter your name first: the settings are stored under it.")
        if st.button("Save settings", type="primary", key=key("round_set"), disabled=not view.reader):
            _store(view, lambda: replace(now, name=name or "", readers_per_scan=readers, blind=blind, order=order, filter=filter))


def _which_scans(view: ReaderView) -> str:
    now, shown = view.settings.filter, view.queue.filter.to_url()
    choices = {shown: "Those that the filters let through", now: "As now", "": "All scans"}
    return str(
        st.selectbox(
            "Scans",
            list(choices),
            index=list(choices).index(now),
            format_func=choices.__getitem__,
            key=bound(f"round_scans_{shown}", view.evaluation.run, view.evaluation.name, now),
        )
    )


def _store(view: ReaderView, settings: Callable[[], Round]) -> None:
    try:
        view.store.set_round(view.evaluation.run, view.evaluation.name, settings(), by=view.reader)
    except GutCheckError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
        return
    flash("The round's settings are stored.")
    st.rerun()


def ask_for_another_reader(view: ReaderView, scans: int) -> None:
    """A button that makes the scans on which readers disagree the round, with one reader more."""
    wanted = view.settings.readers_per_scan + 1
    if st.button(
        f"Request another reader for {scans}",
        icon=":material/group_add:",
        disabled=not view.reader or wanted > MAX_READERS_PER_SCAN,
        help="The round is then these scans alone, each with one reader more. *Round* on *Cases* changes it back.",
    ):
        filter = "state=Readers+disagree"
        _store(view, lambda: Round(view.settings.name, wanted, view.settings.blind, filter, view.settings.order))
