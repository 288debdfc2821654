"""The largest error regions of a scan, each a click away."""

from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import WorkspaceError
from core.labels import TITLES
from core.metrics.regions import ErrorKind
from core.reviews.store.events import FindingKind
from dashboard import cached
from dashboard.components.common.headline import DOTS
from dashboard.components.common.reading import ReaderView
from dashboard.state import stand_at

MOST_REGIONS = 12


def regions_panel(view: ReaderView, scan: str, organ: str | None = None) -> None:
    """The regions, largest first; a click shows the slice where it is largest. Nothing in a blind round before a verdict.

    Args:
        organ: its largest regions come first, before the largest of the others.
    """
    if view.is_hidden(scan):
        return
    found = _regions(view, scan)
    if found is None:
        st.caption("This evaluation stores no error regions; evaluate the run again to see them here.")
        return
    worst = largest_first(found[found["kind"] != ErrorKind.BOUNDARY], organ)
    with st.expander(f"Largest errors ({len(worst)})", expanded=True), st.container(gap=None, key="regions"):
        if worst.empty:
            st.caption("None but thin rims along the outlines.")
        for place, row in enumerate(worst.to_dict("records")):
            key = view.bound(f"region-{place}", scan)
            to = (scan, int(row["slice"]))
            st.button(_words(row), key=key, type="tertiary", help=_place(row), on_click=stand_at, args=to)


def largest_first(found: pd.DataFrame, organ: str | None) -> pd.DataFrame:
    """The `MOST_REGIONS` largest, after those of ``organ`` where that is given."""
    worst = found.nlargest(MOST_REGIONS, "voxels")
    mine = found[found["organ"] == organ].nlargest(MOST_REGIONS, "voxels")
    return pd.concat([mine, worst[worst["organ"] != organ]])


def _regions(view: ReaderView, scan: str) -> pd.DataFrame | None:
    try:
        table = cached.errors(view.evaluation)
    except WorkspaceError:
        return None
    return table[table["scan"] == scan]


def _words(row: dict[Hashable, Any]) -> str:
    name = str(row["organ"])
    size = f"{row['voxels']:,} voxels" if pd.isna(row["volume_ml"]) else f"{row['volume_ml']:.1f} ml"
    return f":{DOTS[name]}[●] {TITLES[name]}, {ErrorKind(str(row['kind'])).label.lower()} · {size}"


def _place(row: dict[Hashable, Any]) -> str:
    first, last = row["first_slice"], row["last_slice"]
    return f"Slice {first}" if first == last else f"Slices {first} to {last}, largest on {row['slice']}"


def likely_finding(view: ReaderView, scan: str, slice_number: int, x: int | None, y: int | None) -> tuple[FindingKind, str]:
    """What a finding at this place most probably is: the kind and organ of the nearest error region on the slice."""
    found = None if view.is_hidden(scan) else _regions(view, scan)
    if found is None or found.empty:
        return FindingKind.MISSED, "stomach"
    here = found[(found["first_slice"] <= slice_number) & (slice_number <= found["last_slice"])]
    here = found if here.empty else here
    if x is None or y is None:
        row = here.iloc[int(here["voxels"].to_numpy().argmax())]
    else:
        row = here.iloc[int(((here["x"] - x) ** 2 + (here["y"] - y) ** 2).to_numpy().argmin())]
    return FindingKind(ErrorKind(row["kind"]).finding), str(row["organ"])
