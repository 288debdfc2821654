"""What a reader says of one place: findings pinned by a click or a key, and those that stand."""

from dataclasses import dataclass

import streamlit as st

from core.errors import GutCheckError
from core.labels import ORGANS, TITLES
from core.reviews.corrections import subject_of
from core.reviews.store.events import MAX_COMMENT, Event, Finding, FindingKind
from dashboard.components.common.headline import DOTS
from dashboard.components.common.page_keys import FORM_KEY, PIN_KEY, finding_place, note_pin
from dashboard.components.common.reading import ReaderView, note_work
from dashboard.components.common.text import escape_markdown
from dashboard.components.review.largest_errors import likely_finding
from dashboard.components.review.verdict import take_back
from dashboard.state import JUMP, LAST_SAID, PICK, VIEWER_KEY, flash, forget_refusals, refuse, stand_at
from dashboard.viewer.component import Pick, slice_shown
from dashboard.web.scan_route import scan_url

PIN_SLICE = "q"
"""Key of the button that begins a finding on the slice that is shown."""


@dataclass(frozen=True)
class WholeSlice:
    """A place that is a slice; `Pick` is the other kind."""

    slice_number: int
    x: None = None
    y: None = None


def findings_panel(view: ReaderView, scan: str, slice_number: int | None) -> None:
    """Pin a finding where the reader clicked, or on the slice that is shown, and list those that stand."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=PIN_KEY):
        st.markdown("**Findings**", width="content")
        st.button(
            "On this slice",
            key=view.bound(PIN_KEY, scan),
            type="tertiary",
            icon=":material/push_pin:",
            shortcut=PIN_SLICE,
            disabled=not view.reader or slice_number is None,
            help="A finding on the slice that is shown. For a finding at a place, click in a picture.",
            on_click=_pin_slice,
            args=(view, scan, slice_number),
        )
    if st.session_state.get(PICK) is not None and view.reader:
        _form(view, scan)
    elif st.session_state.get(PICK) is not None:
        st.caption("Enter your name to pin a finding there.")
    for event in view.seen(scan).findings:
        _row(view, event)


def _pin_slice(view: ReaderView, scan: str, drawn: int) -> None:
    """Pin the slice that the viewer has told with the click; ``drawn`` may be one that the reader has scrolled past."""
    note_work(scan)
    note_pin()
    shown = slice_shown(VIEWER_KEY, scan_url(view.evaluation, scan), jump=st.session_state.get(JUMP))
    st.session_state[PICK] = WholeSlice(drawn if shown is None else shown)


def _form(view: ReaderView, scan: str) -> None:
    pick = st.session_state[PICK]
    key = f"finding-{scan}-{pick.slice_number}-{pick.x}-{pick.y}"
    kind_there, organ_there = likely_finding(view, scan, pick.slice_number, pick.x, pick.y)
    # What was typed stays when the store refuses, so the form is cleared by its key alone.
    around = st.container(key=f"{FORM_KEY}-{finding_place(pick.slice_number, pick.x, pick.y)}")
    with around, st.form(key, border=True):
        place = "" if pick.x is None else f", column {pick.x}, row {pick.y}"
        st.caption(f"Finding at slice {pick.slice_number}{place}")
        st.segmented_control(
            "Kind", list(FindingKind), default=kind_there, required=True, format_func=lambda each: each.value.capitalize(),
            key=f"{key}-kind", label_visibility="collapsed",
        )  # fmt: skip
        st.segmented_control(
            "Organ", [each.name for each in ORGANS], default=organ_there, required=True,
            format_func=lambda each: f":{DOTS[each]}[●] {TITLES[each]}", key=f"{key}-organ", label_visibility="collapsed",
        )  # fmt: skip
        st.text_input(
            "Comment on the finding",
            max_chars=MAX_COMMENT,
            placeholder="Comment",
            key=f"{key}-text",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True, gap="xsmall"):
            st.form_submit_button("Add finding", type="primary", on_click=_store, args=(view, scan, pick, key))
            st.form_submit_button("Cancel", type="tertiary", on_click=lambda: st.session_state.pop(PICK, None))


def _store(view: ReaderView, scan: str, pick: Pick | WholeSlice, key: str) -> None:
    """Store what the form says, before the page is drawn again; a second click finds the form done with."""
    if st.session_state.get(PICK) != pick:
        return
    note_work(scan)
    forget_refusals()
    said = {name: st.session_state[f"{key}-{name}"] for name in ("kind", "organ", "text")}
    try:
        kind = FindingKind(str(said["kind"]))
        finding = Finding(kind, str(said["organ"]), pick.slice_number, pick.x, pick.y, said["text"] or "")
        event = view.store.add_finding(subject_of(view.evaluation, scan), reader=view.reader, finding=finding)
    except GutCheckError as error:
        refuse(f"{scan}: {error}")
        return
    st.session_state[LAST_SAID] = event
    st.session_state.pop(PICK, None)
    flash("Finding saved.")


def _row(view: ReaderView, event: Event) -> None:
    said = event.payload
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        words = f"{said['kind'].capitalize()}, {TITLES[said['organ']]}, slice {said['slice_number']}"
        place = (event.subject.scan, said["slice_number"])
        by = f"By {escape_markdown(event.reader)}. Shows the slice."
        st.button(words, key=f"go-{event.id}", type="tertiary", help=by, on_click=stand_at, args=place)
        if event.reader == view.reader:
            words = "Take this finding back."
            st.button("✕", key=f"drop-{event.id}", type="tertiary", help=words, on_click=take_back, args=(view, event))
    if said["comment"]:
        st.text(said["comment"])
