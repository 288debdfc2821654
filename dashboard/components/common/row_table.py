"""A table whose rows open: a click in any cell, or Enter on the row that has the focus."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

_SCRIPT = Path(__file__).with_name("row_table.js")


@cache
def _component() -> Any:
    return st.components.v2.component("gutcheck_row_table", html="<span hidden></span>", js=_SCRIPT.read_text(encoding="utf-8"))


def row_table(table: pd.DataFrame, *, key: str, **settings: Any) -> int | None:
    """Show a table; return the position in ``table`` of the row that was opened, however the reader sorted it.

    Streamlit's own selection of rows takes clicks on a small box alone, and its selection of cells follows the arrow keys too,
    so that nobody could look through the rows with them.

    Args:
        settings: of `st.dataframe`, such as ``column_config``.
    """
    with st.container(gap=None):
        event: Any = st.dataframe(table, key=key, hide_index=True, on_select="rerun", selection_mode="single-row", **settings)
        _component()(key=f"{key}-rows", data={"table": key}, height=0)
    rows = event["selection"]["rows"]
    return int(rows[0]) if rows and rows[0] < len(table) else None
