"""Long work beside the page: a thread does it, and the page asks twice a second how far it is."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.cli.progress import ReportProgress
from core.errors import GutCheckError
from dashboard.components.common.text import escape_links, escape_markdown

AT_ONCE = 2
"""Pieces of work at once, all readers together; the others wait."""


@dataclass
class BackgroundWork:
    """One piece of work; belongs to the session that began it, and goes with it."""

    title: str
    future: Future[Any]
    done: int = 0
    total: int = 0
    step: str = ""


def start_work(key: str, title: str, run: Callable[[ReportProgress], Any]) -> None:
    """Begin the work, in place of what was kept under this key, and show the page anew.

    Args:
        run: must not use Streamlit; an error of GutCheck's own tree is shown as its sentence.
    """
    work = BackgroundWork(title, Future())

    def report(done: int, total: int, what: str) -> None:
        work.done, work.total, work.step = done, total, what

    work.future = _threads().submit(run, report)
    st.session_state[_name(key)] = work
    st.rerun()


def result_of(key: str) -> Any | None:
    """What the work gave; nothing where none was begun, it goes on, or it failed. Progress and failure are shown."""
    work: BackgroundWork | None = st.session_state.get(_name(key))
    if work is None:
        return None
    if not work.future.done():
        _watch(key)
        return None
    try:
        return work.future.result()
    except GutCheckError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
        return None


def forget(key: str) -> None:
    """Drop the work's result."""
    st.session_state.pop(_name(key), None)


def is_work_running(key: str) -> bool:
    """Whether the work goes on."""
    work: BackgroundWork | None = st.session_state.get(_name(key))
    return work is not None and not work.future.done()


@st.fragment(run_every=0.5)
def _watch(key: str) -> None:
    work: BackgroundWork | None = st.session_state.get(_name(key))
    if work is None or work.future.done():
        st.rerun()
    count = f" ({work.done} of {work.total})" if work.total else ""
    st.progress(work.done / work.total if work.total else 0.0, text=escape_markdown(f"{work.title}{count}"))


def _name(key: str) -> str:
    return f"work-{key}"


@st.cache_resource(show_spinner=False)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gutcheck-work")
