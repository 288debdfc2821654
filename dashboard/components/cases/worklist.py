"""The filters and the order of the queue, filters saved by name, and the way to the next case."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import streamlit as st

from core.data.leakage import LeakKind
from core.errors import GutCheckError
from core.labels import ORGAN_NAMES, TITLES
from core.metrics.regions import ErrorKind
from core.reviews.queue.filters import (
    ANSWERS,
    MAX_LENGTH,
    STATES,
    WORDS,
    SavedFilter,
    WorklistFilter,
    delete_filter,
    save_filter,
    saved_filters,
)  # fmt: skip
from core.reviews.store.events import BLIND_ORDERS, MAX_READER, Order, Round
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.queue_choice import ORDERS, Queue
from dashboard.components.common.reading import ReaderView, go_to
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import HELD, flash

RANGES = ("dice", "confidence")
DISPUTED = {"": "Any reference", "yes": "Disputed reference", "no": "Undisputed reference"}
WHOLE = (0.0, 1.0)
SEEDED = "filters_of"
"""The queue that the filters' fields were last filled from."""
FILLED, ENDS = "filters_filled", "filters_ends"


def choose_queue(evaluation: Evaluation, settings: Round, start: Queue, readers: list[str], patients: list[str]) -> Queue:
    """The row of filters, filled from ``start`` where that is new; return what it says now."""
    if st.session_state.get(SEEDED) != start or "filter_text" not in st.session_state:
        _fill(start)
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        text = st.text_input(
            "Find",
            placeholder="Scan, patient, note or comment",
            max_chars=MAX_LENGTH,
            key="filter_text",
            width=280,
            label_visibility="collapsed",
            icon=":material/search:",
        )
        state = st.multiselect(
            "State", STATES, key="filter_state", placeholder="Any state", width=180, label_visibility="collapsed"
        )
        order, other = _choose_order(evaluation, settings)
        with st.popover(_more_title(), icon=":material/filter_list:"):
            more = _more(settings, readers, patients)
        if st.button("Clear", icon=":material/close:", type="tertiary", help="Show every scan of the round."):
            _apply(Queue(order=order, other=other))
    chosen = Queue(replace(more, text=text.strip(), state=tuple(state)), order, other)
    st.session_state[SEEDED] = chosen
    return chosen


def _fill(start: Queue) -> None:
    """Make the fields say what the queue is, before they are drawn."""
    for name in WORDS:
        st.session_state[f"filter_{name}"] = list(getattr(start.filter, name))
    # A slider with two ends takes them only at its making.
    st.session_state[FILLED] = int(st.session_state.get(FILLED, 0)) + 1
    st.session_state[ENDS] = {name: _ends(start.filter, name) for name in RANGES}
    answer = start.filter.disputed
    st.session_state["filter_disputed"] = "" if answer is None else "yes" if answer else "no"
    st.session_state["filter_text"] = start.filter.text
    st.session_state["filter_order"] = start.order or ""
    st.session_state["filter_other"] = start.other


def _ends(filter: WorklistFilter, name: str) -> tuple[float, float]:
    low, high = getattr(filter, f"{name}_from"), getattr(filter, f"{name}_to")
    return WHOLE[0] if low is None else low, WHOLE[1] if high is None else high


def _apply(queue: Queue) -> None:
    st.session_state[SEEDED] = None
    st.session_state["new_queue"] = queue
    st.rerun()


def asked_queue() -> Queue | None:
    """The queue that a button asked for in the run before, once."""
    found: Queue | None = st.session_state.pop("new_queue", None)
    return found


def _choose_order(evaluation: Evaluation, settings: Round) -> tuple[Order | None, str | None]:
    usual = f"{ORDERS[settings.queue_order]} (the round's)"
    known = [each for each in ORDERS if not settings.blind or each in BLIND_ORDERS]
    options = ["", *known]
    if st.session_state.get("filter_order") not in options:
        st.session_state["filter_order"] = ""
    chosen = st.selectbox(
        "Order",
        options,
        format_func=lambda each: ORDERS.get(each, usual),
        key="filter_order",
        width=225,
        label_visibility="collapsed",
    )
    order = next((each for each in known if each == chosen), None)
    others = [f"{each.run}/{each.name}" for each in cached.evaluations()]
    others = [name for name in others if name != f"{evaluation.run}/{evaluation.name}"]
    if order != "most_changed":
        return order, None
    if not others:
        st.caption("There is no other run to compare with.")
        return order, None
    if st.session_state.get("filter_other") not in others:
        st.session_state["filter_other"] = others[0]
    other = st.selectbox(
        "Compared with",
        others,
        format_func=lambda name: f"… {name.replace('/', ' · ')}",
        key="filter_other",
        width=240,
        label_visibility="collapsed",
        help="The change is how far a scan's mean Dice moved. Review shows both predictions side by side.",
    )
    return order, other


def _more_title() -> str:
    fields = [st.session_state.get(f"filter_{name}") for name in ("patient", "organ", "reader", "kind", "leak")]
    set_ = sum(bool(each) for each in fields) + bool(st.session_state.get("filter_disputed"))
    set_ += sum(st.session_state.get(_slider_key(name), st.session_state[ENDS][name]) != WHOLE for name in RANGES)
    return f"More filters ({set_})" if set_ else "More filters"


def _more(settings: Round, readers: list[str], patients: list[str]) -> WorklistFilter:
    """The filters that stand in the popover."""
    left, right = st.columns(2, width=560)
    with left:
        patient = _several("Patients", "patient", patients)
        organs = _several("Organs", "organ", ORGAN_NAMES, TITLES.__getitem__)
        reader = _several("Judged by", "reader", readers, disabled=settings.blind)
        leak = _several("Leak", "leak", get_args(LeakKind))
    with right:
        kind = _several("Kinds of error", "kind", list(ErrorKind), lambda name: ErrorKind(name).label, disabled=settings.blind)
        dice = _range("Mean Dice (of the organs chosen)", "dice", disabled=settings.blind)
        sure = _range("Confidence (of the organs chosen)", "confidence")
        disputed = st.selectbox("Reference", list(DISPUTED), format_func=DISPUTED.__getitem__, key="filter_disputed")
    if settings.blind:
        st.caption("This round is blind: filters by score and by readers are off.")
        reader, kind, dice = (), (), (None, None)
    return WorklistFilter(
        patient=patient,
        organ=organs,
        reader=reader,
        leak=leak,
        kind=kind,
        disputed=ANSWERS.get(disputed),
        dice_from=dice[0],
        dice_to=dice[1],
        confidence_from=sure[0],
        confidence_to=sure[1],
    )


def _several(
    title: str, name: str, options: Sequence[str], shown: Callable[[str], str] = str, *, disabled: bool = False
) -> tuple[str, ...]:
    key = f"filter_{name}"
    # A link may name what is not here; the field would not take it, and it lets nothing through.
    options = [*options, *(each for each in st.session_state.get(key, ()) if each not in options)]
    return tuple(st.multiselect(title, options, key=key, format_func=shown, placeholder="Any", disabled=disabled))


def _slider_key(name: str) -> str:
    return f"filter_{name}_{st.session_state[FILLED]}"


def _range(title: str, name: str, *, disabled: bool = False) -> tuple[float | None, float | None]:
    ends = st.session_state[ENDS][name]
    low, high = st.slider(title, *WHOLE, value=ends, step=0.01, key=_slider_key(name), disabled=disabled)
    return None if low == WHOLE[0] else round(low, 4), None if high == WHOLE[1] else round(high, 4)


def saved_filters_menu(view: ReaderView) -> None:
    """Filters saved by name, the reader's own and everybody's; and saving the present one."""
    with st.popover("Saved filters", icon=":material/bookmark:"), st.container(width=340):
        found = saved_filters(view.store, view.reader)
        for each in found:
            left, right = st.columns([5, 1], vertical_alignment="center")
            whose = "mine" if each.owner else "everybody's"
            if left.button(escape_markdown(f"{each.name} ({whose})"), key=f"use-{each.owner}-{each.name}", width="stretch"):
                _apply(replace(view.queue, filter=each.filter))
            if right.button("✕", key=f"delete-{each.owner}-{each.name}", help="Delete this saved filter."):
                delete_filter(view.store, each.name, owner=each.owner)
                st.rerun()
        if not found:
            st.caption("None yet.")
        _save(view)


def _save(view: ReaderView) -> None:
    name = st.text_input("Save the present filter as", max_chars=MAX_READER, key="save_filter_name")
    shared = st.toggle("For everybody", not view.reader, key=f"save_filter_shared_{bool(view.reader)}", disabled=not view.reader)
    if not st.button("Save", icon=":material/bookmark_add:", key="save_filter", disabled=not (name and name.strip())):
        return
    try:
        save_filter(view.store, SavedFilter(str(name), view.queue.filter, "" if shared or not view.reader else view.reader))
    except GutCheckError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
        return
    flash("The filter is saved.", ":material/bookmark:")
    st.rerun()


def next_case_button(view: ReaderView) -> None:
    """The way on: the case at hand, else the first of the queue that wants this reader."""
    at_hand = next(iter(view.worklist.in_hand_of(view.reader)), None) if view.reader else None
    resumes = at_hand is not None and view.reader not in view.review(at_hand).standing
    pressed = st.button(
        f"Resume {escape_markdown(str(at_hand))}" if resumes else "Next case",
        key="next_case",
        type="primary",
        shortcut="Enter",
        icon=":material/play_arrow:",
        disabled=not view.reader,
        help="The first case of the queue that still wants a reader; nobody else gets it meanwhile."
        if view.reader
        else "Enter your name first.",
    )
    if not pressed:
        return
    found = view.next_case()
    if found is None:
        st.info("No more cases for you in this queue; clear the filters, or look at *Round*.", icon=":material/done_all:")
        return
    st.session_state[HELD] = found
    go_to(view, found)


def progress_bar(view: ReaderView) -> None:
    """How far the round is, and the reader's part."""
    now = view.worklist.progress(view.reader)
    mine = f" · {now.mine:,} by you" if view.reader else ""
    wanted = view.settings.readers_per_scan
    each = f" ({wanted} readers each)" if wanted > 1 else ""
    st.progress(now.done / now.total if now.total else 0.0, text=f"{now.done:,} of {now.total:,} done{each}{mine}", width=350)
