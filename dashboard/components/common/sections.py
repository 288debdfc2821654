"""The parts of a page, of which only the open one is drawn; the URL names it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.storage.csv_cells import csv_bytes


def choose_section(titles: Mapping[str, str], *, key: str) -> str:
    """A row of buttons, one a section; return the open one, at first that of the URL.

    Args:
        titles: shown title by the name that stands in the URL.
    """
    named = st.query_params.get("section", "")
    chosen = st.segmented_control(
        "Section",
        list(titles),
        default=named if named in titles else next(iter(titles)),
        required=True,
        format_func=lambda name: titles[name],
        key=key,
        label_visibility="collapsed",
    )
    return str(chosen)


def headings(table: pd.DataFrame) -> dict[str, Any]:
    """What people read above each column of a table, for ``column_config``: ``train_slices`` becomes *Train slices*."""
    words = {name: str(name).replace("_", " ") for name in table.columns}
    return {name: text[:1].upper() + text[1:] for name, text in words.items()}


def csv_button(table: pd.DataFrame, *, name: str, leak: str | None = None, label: str = "Table as CSV") -> None:
    """Offer a table as CSV (`core.storage.csv_cells.csv_bytes`: no text is a formula), with the leak badge beside every score.

    Args:
        name: file name without suffix; the button's key too.
        leak: text of the badge; leave out for tables that hold no score, or the badge already.
    """
    st.download_button(
        label,
        lambda: csv_bytes(table if leak is None else table.assign(leak=leak)),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"csv-{name}",
        type="tertiary",
    )
