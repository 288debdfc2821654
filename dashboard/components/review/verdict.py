"""What a reader says of a scan as a whole: the verdict with a comment, on to the next case, and back again."""

import streamlit as st

from core.errors import GutCheckError
from core.reviews.corrections import subject_of
from core.reviews.store.events import MAX_COMMENT, Event, Verdict
from core.reviews.store.state import ScanReview
from dashboard.components.common.page_keys import ACCEPT_AND_NEXT, NEXT, SCALE_KEY, SHORTCUTS, UNDO
from dashboard.components.common.reader import ask_reader
from dashboard.components.common.reading import ReaderView, leave_scan, note_work
from dashboard.components.common.score_seen import saw_scores
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import HELD, LAST_SAID, REFUSED, flash, forget_refusals, refuse, stand_at


def verdict_panel(view: ReaderView, scan: str, *, free: bool) -> None:
    """Reader, comment, the scale, each stored at once, and the way on and back.

    Args:
        free: nobody else has the scan at hand, or the reader wants to judge it all the same.
    """
    ask_reader()
    for sentence, _ in st.session_state.get(REFUSED, []):
        st.error(escape_links(sentence), icon=":material/error:")
    review, reader = view.seen(scan), view.reader
    st.text_input(
        "Comment",
        review.comments.get(reader, ""),
        key=f"comment-{scan}",
        placeholder="Comment (key t)",
        max_chars=MAX_COMMENT,
        label_visibility="collapsed",
        on_change=note_work,
        args=(scan,),
    )
    _scale(view, scan, review, enabled=bool(reader) and free)
    _next_and_undo(view, scan, review)
    _said(review, reader)


def _scale(view: ReaderView, scan: str, review: ScanReview, *, enabled: bool) -> None:
    with st.container(gap="xsmall", key=view.bound(SCALE_KEY, scan)):
        st.button(
            "Accept and next",
            key=view.bound("accept-and-next", scan),
            icon=":material/done_all:",
            shortcut=ACCEPT_AND_NEXT,
            disabled=not enabled,
            width="stretch",
            on_click=_say,
            args=(view, scan, Verdict.ACCEPT, True),
        )
        for verdict in Verdict:
            standing = review.verdicts.get(view.reader) == verdict
            st.button(
                verdict.label,
                key=view.bound(f"verdict-{verdict.value}", scan),
                type="primary" if standing else "secondary",
                icon=":material/check:" if standing else None,
                shortcut=SHORTCUTS[verdict],
                disabled=not enabled,
                width="stretch",
                on_click=_say,
                args=(view, scan, verdict, False),
            )


# What follows is called back before the page is drawn again: a page that is drawn may be cut off by the next thing the reader
# does, and a key pressed in the middle of scrolling would be lost.


def _say(view: ReaderView, scan: str, verdict: Verdict, onward: bool) -> None:
    """Store the verdict; what was typed stays in its field."""
    forget_refusals()
    comment = str(st.session_state.get(f"comment-{scan}") or "")
    try:
        subject = subject_of(view.evaluation, scan)
        event = view.store.add_verdict(
            subject, reader=view.reader, verdict=verdict, comment=comment, score_seen=saw_scores(view.evaluation)
        )
    except GutCheckError as error:
        refuse(f"{scan}, {verdict.label}: {error}")
        return
    st.session_state[LAST_SAID] = event
    st.session_state[HELD] = None
    leave_scan(view.reader)
    flash(f"Saved: {verdict.label}, {escape_markdown(scan)}.")
    if onward:
        _onward(view, scan, passed_over=False)


def _onward(view: ReaderView, scan: str, passed_over: bool) -> None:
    """To the next case that wants this reader; where there is none, or they have not seen a refusal, stay."""
    if forget_refusals():
        return
    try:
        judged = view.store.scan_review(subject_of(view.evaluation, scan)).standing  # the button may have been drawn before it
        if passed_over and view.reader not in judged:
            view.worklist.skip(view.reader, scan)
            st.session_state[HELD] = None
        found = view.next_case()
    except GutCheckError as error:
        refuse(str(error))
        return
    if found is None:
        flash("No more cases for you in this queue.", ":material/done_all:")
        return
    st.session_state[HELD] = found
    stand_at(found)


def _undo(view: ReaderView, scan: str) -> None:
    """Asks anew what was said last: the button may have been drawn before it, which is why it is never off for a reader."""
    forget_refusals()
    try:
        last = _to_take_back(view, view.store.scan_review(subject_of(view.evaluation, scan)))
    except GutCheckError as error:
        refuse(str(error))
        return
    if last is None:
        flash("You have nothing to take back here.", ":material/undo:")
    else:
        take_back(view, last)


def take_back(view: ReaderView, event: Event) -> None:
    """Withdraw one of the reader's own events, and show the scan that it was about."""
    forget_refusals()
    try:
        view.store.withdraw(event, reader=view.reader)
    except GutCheckError as error:
        refuse(str(error))
        return
    st.session_state.pop(LAST_SAID, None)
    stand_at(event.subject.scan)
    note_work(event.subject.scan)
    flash(escape_markdown(f"Taken back: {_words(event)}."), ":material/undo:")


def _next_and_undo(view: ReaderView, scan: str, review: ScanReview) -> None:
    last = _to_take_back(view, review)
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Next",
            key=view.bound("next-case", scan),
            icon=":material/skip_next:",
            type="primary" if view.reader in review.standing else "secondary",
            shortcut=NEXT,
            disabled=not view.reader,
            width="stretch",
            help="The next case that wants your verdict. A case without one is passed over, and comes again at the end.",
            on_click=_onward,
            args=(view, scan, True),
        )
        st.button(
            "Undo",
            key=view.bound("undo", scan),
            icon=":material/undo:",
            shortcut=UNDO,
            disabled=not view.reader,
            width="stretch",
            help="Takes back your last verdict or finding; both stay on record."
            + (f" Now: {escape_markdown(_words(last))}." if last else ""),
            on_click=_undo,
            args=(view, scan),
        )


def _to_take_back(view: ReaderView, review: ScanReview) -> Event | None:
    """What the reader said last in this session, else the verdict that stands here."""
    last: Event | None = st.session_state.get(LAST_SAID)
    here = (view.evaluation.run, view.evaluation.name, view.reader)
    if last is not None and (last.subject.run, last.subject.evaluation, last.reader) == here:
        return last
    return review.standing.get(view.reader)


def _words(event: Event) -> str:
    said = Verdict(event.payload["verdict"]).label if "verdict" in event.payload else "finding"
    return f"{said}, {event.subject.scan}"


def _said(review: ScanReview, reader: str) -> None:
    """Each reader's verdict as far as this one may see it, as the text it is."""
    for name, verdict in review.verdicts.items():
        note = f": {review.comments[name]}" if review.comments[name] else ""
        st.text(f"{'You' if name == reader else name}: {verdict.label}{note}")
        if name in review.carried:
            st.caption(escape_markdown(f"Carried over: {review.standing[name].payload['basis']}."))
