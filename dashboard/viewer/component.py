"""The scan viewer as a Streamlit component: up to four panes of a scan, scrolled in the browser."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import streamlit as st

from dashboard.viewer import assets

_LINK = re.compile(r"[\w.:~/+-]{0,400}", re.ASCII)


@dataclass(frozen=True)
class PinnedFinding:
    """A place that a reader marked; drawn in every pane."""

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
class OtherRun:
    """Another evaluation's prediction of the same picture, which a pane can show."""

    id: str
    """``RUN/EVALUATION``; part of a link."""
    title: str
    """What people read."""
    url: str
    """Its payload of this scan, see `dashboard.web.scan_route.scan_url`."""


@dataclass(frozen=True)
class ViewerState:
    """What the viewer shows, as last reported: a moment after the reader came to rest."""

    slice_number: int | None
    """Nothing until the viewer has reported, where Python asked for no slice."""
    link: str
    """Panes, planes, organs, window, zoom and the rest, for the page's address; empty where all is as usual."""


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
    organ: str | None = None,
    link: str = "",
    findings: Sequence[PinnedFinding] = (),
    others: Sequence[OtherRun] = (),
    next_url: str | None = None,
    edit: Mapping[str, Any] | None = None,
    blind: bool = False,
    scale: str = "",
    on_pick: Callable[[Pick | None], None] | None = None,
    on_work: Callable[[], None] | None = None,
) -> ViewerState:
    """Show a scan and return where the reader is.

    What the reader does in the viewer stays: a rerun neither reloads the scan nor moves the slice. Python's values
    count where there is nothing to keep.

    Args:
        url: the scan, see `dashboard.web.scan_route.scan_url`; only another one is loaded.
        key: the same for every case of a page, so that the element, its display and the scan fetched ahead stay.
        slice_number: shown when the scan is new, and again whenever ``jump`` changes; the nearest that there is. By
            default the slice where most voxels differ.
        jump: any token; a new one moves the viewer to ``slice_number``.
        organ: identifier of the organ in question: its row of the strip is marked, and the slice shown by default is the one
            where most of its voxels differ.
        link: the display at first, as an earlier `ViewerState` told it; what makes no sense in it is left out.
        findings: drawn on their slices.
        others: runs whose prediction a pane can show too.
        next_url: a scan to fetch ahead, once this one is shown.
        edit: for the tools that correct a prediction, see ``viewer/edit``.
        blind: show no slice's Dice, no leak badge, and no mark of where reference and prediction differ.
        scale: key of the container of the buttons that give this scan's verdict, for the page's keys.
        on_pick: called back with the place of a click, nothing where it was in another scan, before the page is drawn again,
            since that may be cut off by the next report.
        on_work: called back, before the page is drawn again, where the reader did something with this scan beyond a look.
    """
    asked = ViewerState(slice_number, link)
    known = read_state(st.session_state.get(key), asked, url=url, jump=jump)
    data = {
        "url": url,
        "slice": known.slice_number,
        "jump": jump,
        "organ": organ,
        "link": known.link,
        "findings": [{"slice": f.slice_number, "x": f.x, "y": f.y, "organ": f.organ, "kind": f.kind} for f in findings],
        "others": [asdict(each) for each in others],
        "next": next_url,
        "edit": edit,
        "blind": blind,
        "scale": scale,
    }

    data["told"] = _told(key, data)

    def picked() -> None:
        if on_pick is not None:
            on_pick(read_pick(st.session_state.get(key), url))

    def viewed() -> None:
        if on_work is not None and has_worked(st.session_state.get(key), url):
            on_work()

    result = _component()(key=key, data=data, on_view_change=viewed, on_pick_change=picked, on_edited_change=_nothing)
    return read_state(result, asked, url=url, jump=jump)


def _told(key: str, data: dict[str, Any]) -> int:
    """When the viewer was told this first, in ms; later than whatever it was told before, also by an earlier server."""
    name = f"{key}-told"
    at, known = st.session_state.get(name, (0, None))
    if data != known:
        at = max(at + 1, time.time_ns() // 1_000_000)
        st.session_state[name] = (at, data.copy())
    return int(at)


def _nothing() -> None:
    """Streamlit reports a value only where a callback is given."""


def slice_shown(key: str, url: str, *, jump: str | int | None = None) -> int | None:
    """The slice of this scan that the browser told last, in this rerun's messages too; nothing where it told none."""
    return read_state(st.session_state.get(key), ViewerState(None, ""), url=url, jump=jump).slice_number


def read_state(reported: Any, asked: ViewerState, *, url: str, jump: str | int | None = None) -> ViewerState:
    """The viewer's state from what the browser reported, with ``asked`` for what it did not, or not sensibly.

    Reports are about one scan: the slice of another scan, or from before the last jump, does not count.
    """
    view = _mapping(_mapping(reported).get("view"))
    here = view.get("url") == url and view.get("jump") == jump
    slice_number = view.get("slice") if here else None
    link = view.get("link")
    return ViewerState(
        slice_number=slice_number if _is_whole(slice_number) else asked.slice_number,
        link=link if isinstance(link, str) and _LINK.fullmatch(link) else asked.link,
    )


def has_worked(reported: Any, url: str) -> bool:
    """Whether the browser told that the reader did something with this scan: a key, a click, the wheel, a control."""
    view = _mapping(_mapping(reported).get("view"))
    return view.get("url") == url and _is_whole(view.get("worked")) and view["worked"] > 0


def read_pick(reported: Any, url: str) -> Pick | None:
    """Where the reader clicked; nothing where that was in another scan, or nowhere."""
    pick = _mapping(_mapping(reported).get("pick"))
    place = [pick.get(name) for name in ("slice", "x", "y")]
    if pick.get("url") != url or not all(_is_whole(number) and number >= 0 for number in place):
        return None
    return Pick(*place)


def _mapping(value: Any) -> Any:
    """The value where it can be asked by name (Streamlit's result is a mapping, not a dict), else an empty one."""
    return value if hasattr(value, "get") else {}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
