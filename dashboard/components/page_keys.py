"""What Streamlit has no word for: keys that lead into a text field and out again, and a reader's name kept in the browser."""

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from dashboard.access import current_reader
from dashboard.components.reader import reader_name
from dashboard.state import READER

COMMENT_KEY, LEAVE_KEY = "t", "Escape"
_NAME = "page_keys"
_SCRIPT = """
const NAME = "gutcheck-reader";
const FIELDS = ['input[aria-label="Comment on the finding"]', 'input[aria-label="Comment"]'];
const takesText = (target) => target.matches?.("input:not([type=range]), textarea, select, [contenteditable=true]");

function viewerRoot(page) {
  for (const each of page.querySelectorAll("[class*=st-key-viewer] *")) {
    const root = each.shadowRoot?.querySelector("[data-part=root]");
    if (root) return root;
  }
  return null;
}

export default function ({ data, parentElement, setStateValue }) {
  const page = parentElement.ownerDocument;
  const listening = new AbortController();
  page.addEventListener("keydown", (event) => {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === data.comment && !takesText(target)) {
      const field = FIELDS.map((each) => page.querySelector(each)).find(Boolean);
      if (!field) return;
      event.preventDefault();
      event.stopPropagation();
      field.focus();
    } else if (event.key === data.leave && takesText(target) && target.closest(".st-key-verdict_panel")) {
      target.blur(); // which makes Streamlit take what was typed
      viewerRoot(page)?.focus({ preventScroll: true });
    }
  }, { capture: true, signal: listening.signal });
  if (data.place && data.place !== page.gutcheckPlace) {
    setTimeout(() => { // the form comes with this rerun
      if (!takesText(page.activeElement)) page.querySelector(".st-key-verdict_panel form button")?.focus();
    }, 200);
  }
  page.gutcheckPlace = data.place;
  try {
    const { localStorage } = page.defaultView;
    if (data.reader) localStorage.setItem(NAME, data.reader);
    else if (data.ask && localStorage.getItem(NAME)) setStateValue("reader", localStorage.getItem(NAME));
  } catch { /* a browser that keeps nothing */ }
  return () => listening.abort();
}
"""


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("gutcheck_page_keys", html="<span hidden></span>", js=_SCRIPT)


def page_keys(place: str = "") -> None:
    """Mount the keys; before the field for the name.

    Args:
        place: where a finding is being pinned; a new one takes the focus into its form.
    """
    reader = reader_name()
    data = {
        "comment": COMMENT_KEY,
        "leave": LEAVE_KEY,
        "place": place,
        "reader": "" if current_reader() else reader,
        "ask": not reader and READER not in st.session_state,
    }
    _component()(key=_NAME, data=data, height=0, on_reader_change=_remembered)


def _remembered() -> None:
    """The browser knows who read here last; a name that was typed meanwhile goes before."""
    name = getattr(st.session_state.get(_NAME), "reader", None)
    if isinstance(name, str) and not st.session_state.get(READER):
        st.session_state[READER] = name
