"""A grid of slices with their references, filtered and paged; a click opens one large."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.data.index import UNLABELLED
from core.data.statistics import organs_shown
from core.errors import GutCheckError
from core.labels import ORGANS
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.headline import counted
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import link, set_query

ACROSS, DOWN = 8, 3
LARGE = 720
SHOWN = (
    {"any": "Any slice"}
    | {organ.name: f"With {organ.title.lower()}" for organ in ORGANS}
    | {"none": "Without an organ", "one": "With one organ", "two": "With two organs", "three": "With all three"}
)

TEXT_COLUMNS = ["split", "patient", "scan", "slice", "width", "height", *(organ.name for organ in ORGANS)]
EVERY = "every split"
COUNTS = {"none": 0, "one": 1, "two": 2, "three": 3}


def slice_grid(name: str, root: Path, table: pd.DataFrame, evaluation: Evaluation | None) -> None:
    """Choose slices and show a page of them.

    Args:
        name: of the data set, for the URL.
        table: see `core.data.survey.survey`.
        evaluation: one of this data set, whose scans can be opened in Review.
    """
    split, show, find = _filters(table)
    set_query(link(dataset=name, section="slices", show=f"{split}:{show}", find=find or None))
    found = _chosen(table, split, show, find)
    if found.empty:
        st.info("No slice matches the filters; clear them to see all.", icon=":material/search_off:")
        return
    size = ACROSS * DOWN
    pages = -(-len(found) // size)
    with st.container(horizontal=True, vertical_alignment="center"):
        page = st.pagination(pages, key=f"grid_{name}_{split}_{show}_{find}") if pages > 1 else 1
        st.caption(f"{counted(len(found), 'slice')} of {counted(found['scan'].nunique(), 'scan')}", width="content")
    rows = found.iloc[(page - 1) * size : page * size].to_dict("records")
    if not any((root / str(row["split"]) / "images").is_dir() for row in rows):
        st.info(
            f"The pictures are not here, only what was seen of them: {escape_markdown(str(root))}.", icon=":material/hide_image:"
        )
        st.dataframe(found.iloc[(page - 1) * size : page * size], hide_index=True, column_order=TEXT_COLUMNS, key="grid_text")
        return
    for start in range(0, len(rows), ACROSS):
        for column, row in zip(st.columns(ACROSS), rows[start : start + ACROSS], strict=False):
            with column:
                _cell(root, row, evaluation)
    st.caption(
        "Outlines: " + ", ".join(f"{organ.title}" for organ in ORGANS) + " in their colours. A click on a name opens it large."
    )


def _filters(table: pd.DataFrame) -> tuple[str, str, str]:
    splits = [EVERY, *sorted(table["split"].unique())] if table["split"].nunique() > 1 else list(table["split"].unique())
    split, _, show = st.query_params.get("show", "").partition(":")
    left, middle, right = st.columns([1, 1, 2])
    chosen = left.selectbox("Split", splits, index=splits.index(split) if split in splits else 0, label_visibility="collapsed")
    names = list(SHOWN)
    shown = middle.selectbox(
        "Shows",
        names,
        index=names.index(show) if show in names else 0,
        format_func=SHOWN.__getitem__,
        label_visibility="collapsed",
    )
    text = right.text_input(
        "Find",
        st.query_params.get("find", ""),
        placeholder="Patient, scan or slice, such as case12_day3",
        label_visibility="collapsed",
    )
    return str(chosen), str(shown), text.strip()


def _chosen(table: pd.DataFrame, split: str, show: str, find: str) -> pd.DataFrame:
    keep = pd.Series(True, index=table.index) if split == EVERY else table["split"] == split
    if find:
        keep &= table["name"].str.contains(find, case=False, regex=False)
    if show in COUNTS:
        keep &= (organs_shown(table) == COUNTS[show]) & (table["split"] != UNLABELLED)
    elif show != "any":
        keep &= table[show] > 0
    return table[keep]


def _cell(root: Path, row: dict[Any, Any], evaluation: Evaluation | None) -> None:
    try:
        st.image(cached.slice_picture(root, row["split"], row["scan"], row["name"]), width="stretch")
    except GutCheckError as error:
        st.caption(f"No picture. {escape_links(error.what)}.")
    if st.button(
        escape_markdown(f"{row['slice']}, {row['scan']}"),
        key=f"grid-{row['split']}-{row['name']}",
        type="tertiary",
        help="Open it large",
    ):
        _large(root, row, evaluation)


@st.dialog("Slice", width="large")
def _large(root: Path, row: dict[Any, Any], evaluation: Evaluation | None) -> None:
    st.markdown(
        f"**{escape_markdown(row['name'])}** · {row['split']} · {row['width']} × {row['height']} pixels, {row['bits']} bits"
    )
    pixels = [f"{organ.title} {row[organ.name]:,} pixels" for organ in ORGANS if row[organ.name]]
    nothing = "This scan has no reference." if row["split"] == UNLABELLED else "No organ on this slice."
    st.caption(", ".join(pixels) or nothing)
    if row["split"] == UNLABELLED and cached.unlabelled_datasets().get(root.name) == root:
        place = link(dataset=root.name, scan=row["scan"], slice=int(row["slice"]))
        if st.button("Open in the viewer", type="primary", icon=":material/visibility:", key="grid_viewer"):
            st.switch_page("views/review.py", query_params=place)
    if evaluation and evaluation.split == row["split"] and row["scan"] in evaluation.facts:
        names = link(run=evaluation.run, evaluation=evaluation.name, case=row["scan"], slice=int(row["slice"]))
        if st.button("Open in Review", type="primary", icon=":material/rate_review:", key="grid_review"):
            st.switch_page("views/review.py", query_params=names)
    try:
        st.image(cached.slice_picture(root, row["split"], row["scan"], row["name"], LARGE), width="stretch")
    except GutCheckError as error:
        st.info(f"No picture. {escape_links(str(error))}", icon=":material/broken_image:")
