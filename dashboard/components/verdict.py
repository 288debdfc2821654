"""What a reader says of a scan: the verdict, a comment, and findings at places."""

from html import escape

import streamlit as st

from core.errors import GutCheckError
from core.labels import ORGANS, organ
from core.reviews import Event, Finding, FindingKind, ReviewStore, ScanReview, Subject, Verdict
from dashboard.access import SIGN_OUT, current_reader
from dashboard.components.review import open_case
from dashboard.state import JUMP, NEXT_CASE, PICK, READER, flash

UNDO_HELP = "Take your verdict back; both stay on record."
SHORTCUTS = {
    Verdict.ACCEPT: "a",
    Verdict.MINOR_EDITS: "e",
    Verdict.MAJOR_EDITS: "m",
    Verdict.REJECT: "x",
    Verdict.REFERENCE_WRONG: "w",
    Verdict.UNUSABLE_IMAGE: "u",
}


def verdict_panel(store: ReviewStore, subject: Subject, review: ScanReview) -> None:
    """Buttons of the scale, each stored at once; going back is a click on *Undo*."""
    reader = _reader()
    comment = st.text_input(
        "Comment", key=f"comment-{subject.scan}", placeholder="Comment (optional)", max_chars=4000, label_visibility="collapsed"
    )
    with st.container(gap="xsmall"):
        for verdict in Verdict:
            if _verdict_button(verdict, standing=review.verdicts.get(reader) == verdict, enabled=bool(reader)):
                _store_verdict(store, subject, reader, verdict, comment)
    _next_and_undo(store, review, reader)
    _others(review, reader)


def _reader() -> str:
    """Who signed in, else ask who is reading; verdicts carry the name."""
    if signed_in := current_reader():
        st.session_state[READER] = signed_in
        st.html(f'{escape(signed_in)} · <a href="{SIGN_OUT}" target="_self">Sign out</a>')
        return signed_in
    name = st.text_input(
        "Reader",
        key=READER,
        placeholder="Your name, to give a verdict",
        max_chars=80,
        persist_state="session",
        label_visibility="collapsed",
    )
    return (name or "").strip()


def _verdict_button(verdict: Verdict, *, standing: bool, enabled: bool) -> bool:
    return st.button(
        verdict.label,
        key=f"verdict-{verdict.value}",
        type="primary" if standing else "secondary",
        icon=":material/check:" if standing else None,
        shortcut=SHORTCUTS[verdict],
        disabled=not enabled,
        width="stretch",
    )


def _store_verdict(store: ReviewStore, subject: Subject, reader: str, verdict: Verdict, comment: str) -> None:
    try:
        store.add_verdict(subject, reader=reader, verdict=verdict, comment=comment)
    except GutCheckError as error:
        st.error(str(error), icon=":material/error:")
        return
    flash(f"Saved: {verdict.label}.")
    st.rerun()


def _next_and_undo(store: ReviewStore, review: ScanReview, reader: str) -> None:
    waiting = st.session_state.get(NEXT_CASE)
    mine = review.standing.get(reader)
    with st.container(gap="xsmall"):
        if st.button(
            "Next unreviewed",
            icon=":material/skip_next:",
            type="primary" if mine and waiting else "secondary",
            shortcut="g",
            disabled=waiting is None,
            width="stretch",
            help="The worst case that nobody has judged.",
        ):
            open_case(str(waiting))
        undo = st.button("Undo", icon=":material/undo:", disabled=mine is None, width="stretch", help=UNDO_HELP)
    if undo and mine:
        _withdraw(store, mine, reader, "Taken back.")


def _others(review: ScanReview, reader: str) -> None:
    for name, verdict in review.verdicts.items():
        note = f": {review.comments[name]}" if review.comments[name] else ""
        st.text(f"{'You' if name == reader else name}: {verdict.label}{note}")


def _withdraw(store: ReviewStore, event: Event, reader: str, message: str) -> None:
    try:
        store.withdraw(event, reader=reader)
    except GutCheckError as error:
        st.error(str(error), icon=":material/error:")
        return
    flash(message, ":material/undo:")
    st.rerun()


def findings_panel(store: ReviewStore, subject: Subject, review: ScanReview) -> None:
    """Pin a finding where the reader clicked, and list those that stand."""
    reader = str(st.session_state.get(READER) or "").strip()
    st.markdown("**Findings**")
    pick = st.session_state.get(PICK)
    if pick is None:
        st.caption("Click in a picture to pin a finding there.")
    elif reader:
        _finding_form(store, subject, reader)
    for event in review.findings:
        _finding_row(store, event, reader)


def _finding_form(store: ReviewStore, subject: Subject, reader: str) -> None:
    pick = st.session_state[PICK]
    with st.form("finding", clear_on_submit=True):
        st.caption(f"At slice {pick.slice_number}, column {pick.x}, row {pick.y}")
        kind = st.selectbox("Kind", [each.value for each in FindingKind], format_func=str.capitalize)
        name = st.selectbox("Organ", [each.name for each in ORGANS], format_func=lambda each: organ(each).title)
        comment = st.text_input("Comment", max_chars=4000)
        if st.form_submit_button("Add finding", type="primary"):
            finding = Finding(FindingKind(kind), name, pick.slice_number, pick.x, pick.y, comment)
            store.add_finding(subject, reader=reader, finding=finding)
            st.session_state.pop(PICK, None)
            flash("Finding saved.")
            st.rerun()


def _finding_row(store: ReviewStore, event: Event, reader: str) -> None:
    said = event.payload
    left, right = st.columns([4, 1])
    words = f"{said['kind'].capitalize()}, {organ(said['organ']).title}, slice {said['slice_number']}"
    if left.button(
        words, key=f"go-{event.id}", type="tertiary", help=f"{event.reader}: {said['comment'] or 'no comment'}. Shows the slice."
    ):
        st.session_state[JUMP] = f"{event.id}-{st.session_state.get(JUMP, '')}"[:80]
        open_case(event.subject.scan, said["slice_number"])
    if event.reader == reader and right.button("✕", key=f"drop-{event.id}", help="Take this finding back."):
        _withdraw(store, event, reader, "Finding taken back.")
