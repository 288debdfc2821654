"""What the dashboard remembers: session keys, the address of a case in the URL, and which workspace is open."""

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.demo import DemoState, default_folder, demo_state
from core.workspace import ENVIRONMENT_VARIABLE, Workspace

SERVED_VARIABLE = "GUTCHECK_SERVED"
"""Set by the dashboard's own server; without it there is no route for scans."""

EVALUATION = "evaluation"
LINKED = "linked"
"""The evaluation that the URL named last."""
READER = "reader"
FLASH = "flash"
PICK = "pick"
SELECTED_RUN = "selected_run"
CASE = "case"
NEXT_CASE = "next_case"
"""The worst unreviewed case other than the one that is open."""
JUMP = "jump"
"""A new value moves the viewer to the slice in the URL."""


@dataclass(frozen=True)
class Address:
    """What a link names: each part may be missing."""

    run: str | None
    evaluation: str | None
    case: str | None
    slice_number: int | None


def address() -> Address:
    """What the page's URL names."""
    found = st.query_params
    number = found.get("slice", "")
    return Address(found.get("run"), found.get("evaluation"), found.get("case"), int(number) if number.isdecimal() else None)


def link(**parts: str | int | None) -> dict[str, str]:
    """Query parameters of a page, without those that say nothing."""
    return {key: str(value) for key, value in parts.items() if value is not None}


def set_url(**parts: str | int | None) -> None:
    """Make the URL name what the page shows, so that it can be sent to a colleague."""
    wanted = link(**parts)
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def workspace() -> Workspace:
    """The open workspace: the one that the environment names, else ``./workspace`` if it is there, else the demo's."""
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return Workspace.locate()
    own = Workspace.locate()
    return own if own.root.is_dir() else Workspace(default_folder())


def demo_of(opened: Workspace) -> DemoState:
    """How far the embedded demo in this workspace is."""
    return demo_state(opened)


def flash(message: str, icon: str = ":material/check_circle:") -> None:
    """Show a message after the next rerun."""
    st.session_state[FLASH] = (message, icon)


def show_flash() -> None:
    """Show what `flash` left."""
    if FLASH in st.session_state:
        message, icon = st.session_state.pop(FLASH)
        st.toast(message, icon=icon)


def project_root() -> Path:
    """The folder that holds ``core``, ``training`` and ``dashboard``."""
    return Path(__file__).resolve().parent.parent
