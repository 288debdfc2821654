"""What the dashboard remembers: session keys, the address of a case in the URL, and which workspace is open."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from core.demo.prepare import default_folder
from core.labels import ORGAN_NAMES
from core.storage.workspace import ENVIRONMENT_VARIABLE, Workspace

if TYPE_CHECKING:
    from dashboard.demo.lazy import LazyDemo


@dataclass
class Server:
    """What the dashboard's own server tells the pages that run in its process."""

    is_serving: bool = False
    """Without it there is no route for scans."""
    workspace: Workspace | None = None
    demo: "LazyDemo | None" = None
    """The mounted Gradio demo."""


SERVER = Server()

EVALUATION = "evaluation"
EVALUATIONS = "evaluations"
"""Those of the workspace as this run of the page found them, see `dashboard.cached.evaluations`."""
LINKED = "linked"
"""The evaluation that the URL named last."""
READER = "reader"
FLASH = "flash"
PICK = "pick"
PINS = "pins"
"""How often Python has heard that the reader wants to pin a finding."""
SELECTED_RUN = "selected_run"
CASE = "case"
JUMP = "jump"
"""A new value moves the viewer to the slice in the URL."""
VIEWER_KEY = "viewer"
QUEUE = "queue"
"""The `dashboard.components.common.queue_choice.Queue` that the reader works through, and whose evaluation it is of."""
LAST_SAID = "last_said"
"""The reader's last verdict or finding of this session, which *Undo* takes back."""
PLACE = "place"
"""The `Address` that *Review* is at, see `arrive`."""
REFUSED = "refused"
"""Why what the reader said was not stored: sentences, and whether a page was drawn to its end with each."""
HELD = "held"
"""The scan that this session has leased."""
SCORES_SEEN = "scores_seen"
"""Of which blind rounds this session was shown the scores, see `dashboard.components.common.score_seen`."""
AT_WORK = "at_work"
"""The scan that the reader of this session did something with, beyond a look."""
ROUND_PARAMETER = "round"
"""Names an evaluation in the URL where its run is to stay hidden, see `dashboard.components.common.blind`."""


@dataclass(frozen=True)
class Address:
    """What a link names: each part may be missing."""

    run: str | None
    evaluation: str | None
    token: str | None
    """Stands for run and evaluation where the run is to stay hidden."""
    dataset: str | None
    """The data set whose scan without a reference is meant; then there is no evaluation."""
    case: str | None
    slice_number: int | None
    organ: str | None
    """The organ that a chart or a table led here for, see `core.labels`."""
    view: str
    """How the viewer shows it, see `dashboard.viewer.component.ViewerState.link`; may be anything that somebody typed."""

    def at(self, case: str, slice_number: int | None, view: str) -> "Address":
        """The same place, as the viewer shows it now."""
        return replace(self, case=case, slice_number=slice_number, view=view)


def address() -> Address:
    """What the page's URL names."""
    found = st.query_params
    number = found.get("slice", "")
    position = int(number) if number.isdecimal() else None
    organ = next((name for name in ORGAN_NAMES if name == found.get("organ")), None)
    token, dataset = found.get(ROUND_PARAMETER), found.get("dataset")
    case = found.get("scan" if dataset else "case")
    return Address(found.get("run"), found.get("evaluation"), token, dataset, case, position, organ, found.get("view", ""))


def arrive() -> Address:
    """Where *Review* is: where it was, unless the reader came by a link, by Back or by Forward.

    A message of the browser carries the address of when it was sent, which the page may have left meanwhile.
    """
    if PLACE not in st.session_state:
        st.session_state[PLACE] = address()
    here: Address = st.session_state[PLACE]
    return here


def follow_address() -> None:
    """The reader pressed Back or Forward: *Review* goes where the address leads."""
    st.session_state.pop(PLACE, None)


def stand_at(case: str, slice_number: int | None = None) -> None:
    """*Review* shows this scan from now on, at a slice where one is given."""
    here: Address = st.session_state.get(PLACE) or address()
    organ = here.organ if here.case == case else None  # what a link led here for holds for its scan
    if slice_number is not None:
        st.session_state[JUMP] = int(st.session_state.get(JUMP, 0)) + 1
    st.session_state[PLACE] = replace(here, case=case, slice_number=slice_number, organ=organ)


def link(**parts: str | int | None) -> dict[str, str]:
    """Query parameters of a page, without those that say nothing."""
    return {key: str(value) for key, value in parts.items() if value is not None}


def set_query(wanted: Mapping[str, str | list[str]]) -> None:
    """Make the URL name what the page shows, so that it can be sent to a colleague."""
    now = {key: st.query_params.get_all(key) for key in st.query_params}
    if now != {key: [value] if isinstance(value, str) else value for key, value in wanted.items()}:
        st.query_params.from_dict(wanted)


def workspace() -> Workspace:
    """The open workspace: the server's, else the one that the environment names, else ``./workspace`` or the demo's."""
    if SERVER.workspace:
        return SERVER.workspace
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return Workspace.locate()
    own = Workspace.locate()
    return own if own.root.is_dir() else Workspace(default_folder())


def refuse(sentence: str) -> None:
    """What the reader said was not stored: show why until they have seen it and say something else."""
    st.session_state[REFUSED] = [*st.session_state.get(REFUSED, []), (sentence, False)]


def forget_refusals() -> bool:
    """The reader says something else: drop what they have seen; true where something is left that they have not."""
    st.session_state[REFUSED] = [(sentence, seen) for sentence, seen in st.session_state.get(REFUSED, []) if not seen]
    return bool(st.session_state[REFUSED])


def note_refusals_seen() -> None:
    """The page is drawn to its end."""
    st.session_state[REFUSED] = [(sentence, True) for sentence, _ in st.session_state.get(REFUSED, [])]


def flash(message: str, icon: str = ":material/check_circle:") -> None:
    """Show a message, after those that no run has shown yet, once the page is drawn anew."""
    st.session_state[FLASH] = [*st.session_state.get(FLASH, []), (message, icon)]


def show_flash() -> None:
    """Show what `flash` left."""
    for message, icon in st.session_state.pop(FLASH, []):
        st.toast(message, icon=icon)
