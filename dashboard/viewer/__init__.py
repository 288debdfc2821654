"""The scan viewer as a Streamlit component: reference and prediction side by side, scrolled in the browser."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import streamlit as st

from core.labels import ORGANS
from dashboard.viewer import assets

Mode = Literal["fill", "contour"]
ALL_ORGANS: tuple[int, ...] = tuple(organ.id for organ in ORGANS)


@dataclass(frozen=True)
class Finding:
    """A place that a reader marked; drawn in both panes."""

    slice_number: int
    x: int
    """Voxel column."""
    y: int
    """Voxel row."""
    organ: str
    """Identifier as in `core.labels`; decides the colour."""
    kind: str
    """missed, extra, boundary or swapped; its first letter is drawn."""


@dataclass(frozen=True)
class Pick:
    """Where the reader clicked, in voxels of the pictures as stored."""

    slice_number: int
    x: int
    y: int


@dataclass(frozen=True)
class ViewerState:
    """What the viewer shows, as last reported: a moment after the reader came to rest."""

    slice_number: int | None
    """Nothing until the viewer has reported, where Python asked for no slice."""
    organs: tuple[int, ...]
    """Class ids shown."""
    opacity: float
    mode: Mode
    picked: Pick | None = None
    """A click on a pane; present in the one rerun that the click caused."""


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "gutcheck_viewer", html=assets.read_text("viewer.html"), css=assets.read_text("viewer.css"), js=assets.entry()
    )


def viewer(
    *,
    url: str,
    key: str,
    slice_number: int | None = None,
    jump: str | int | None = None,
    organs: Collection[int] = ALL_ORGANS,
    opacity: float = 0.5,
    mode: Mode = "fill",
    findings: Sequence[Finding] = (),
    labels: tuple[str, str] = ("Reference", "Prediction"),
    next_url: str | None = None,
    pane_height: int | None = None,
) -> ViewerState:
    """Show a scan and return where the reader is.

    What the reader does in the viewer stays: a rerun neither reloads the scan nor moves the slice. Python's values
    count where there is nothing to keep.

    Args:
        url: the scan, see `dashboard.scan_route.scan_url`; only another one is loaded.
        key: the same for every case of a page, so that the element, its display and the scan fetched ahead stay.
        slice_number: shown when the scan is new, and again whenever ``jump`` changes; the nearest that there is. By
            default the slice where most voxels differ.
        jump: any token; a new one moves the viewer to ``slice_number``.
        organs: class ids shown at first.
        opacity: 0 to 1, at first.
        mode: filled or outlined, at first.
        findings: drawn on their slices.
        labels: of the left and the right pane.
        next_url: a scan to fetch ahead, once this one is shown.
        pane_height: at most, in CSS pixels; by default what leaves room for the rest of the viewer and a page's head.
    """
    asked = ViewerState(slice_number, tuple(sorted(organs)), opacity, mode)
    known = read_state(st.session_state.get(key), asked, url=url, jump=jump)
    data = {
        "url": url,
        "slice": known.slice_number,
        "jump": jump,
        "organs": list(known.organs),
        "opacity": known.opacity,
        "mode": known.mode,
        "labels": list(labels),
        "findings": [{"slice": f.slice_number, "x": f.x, "y": f.y, "organ": f.organ, "kind": f.kind} for f in findings],
        "next": next_url,
        "paneHeight": pane_height,
    }
    result = _component()(key=key, data=data, on_view_change=_nothing, on_pick_change=_nothing)
    return read_state(result, asked, url=url, jump=jump)


def _nothing() -> None:
    """Streamlit reports a value only where a callback is given."""


def read_state(reported: Any, asked: ViewerState, *, url: str, jump: str | int | None = None) -> ViewerState:
    """The viewer's state from what the browser reported, with ``asked`` for what it did not, or not sensibly.

    Reports are about one scan: the slice of another scan, or from before the last jump, does not count.
    """
    view = _mapping(_mapping(reported).get("view"))
    here = view.get("url") == url and view.get("jump") == jump
    slice_number = view.get("slice") if here else None
    organs, opacity, mode = view.get("organs"), view.get("opacity"), view.get("mode")
    return ViewerState(
        slice_number=slice_number if _is_whole(slice_number) else asked.slice_number,
        organs=tuple(i for i in ALL_ORGANS if i in organs) if isinstance(organs, list) else asked.organs,
        opacity=float(opacity) if _is_share(opacity) else asked.opacity,
        mode=mode if mode in get_args(Mode) else asked.mode,
        picked=_read_pick(_mapping(reported).get("pick"), url),
    )


def _read_pick(value: Any, url: str) -> Pick | None:
    pick = _mapping(value)
    place = [pick.get(name) for name in ("slice", "x", "y")]
    if pick.get("url") != url or not all(_is_whole(number) and number >= 0 for number in place):
        return None
    return Pick(*place)


def _mapping(value: Any) -> Any:
    """The value where it can be asked by name (Streamlit's result is a mapping, not a dict), else an empty one."""
    return value if hasattr(value, "get") else {}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1
