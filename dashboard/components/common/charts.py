"""Showing a figure: the camera that saves it, and the scan, slice and organ that a click on a mark stands for."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from core.charts.style import as_typed, carried_text
from core.runs.registry import Evaluation
from dashboard.state import link

PICTURE_FORMAT = "picture_format"


def picture_format() -> None:
    """The choice of how the camera above each chart saves it."""
    st.segmented_control(
        "Charts are saved as",
        ["png", "svg"],
        default="png",
        required=True,
        key=PICTURE_FORMAT,
        format_func=lambda shape: f":material/photo_camera: {shape.upper()}",
        help="The camera appears at a chart's upper right corner: PNG at twice the size for slides, SVG for print.",
        label_visibility="collapsed",
    )


def show_chart(figure: go.Figure, *, key: str, name: str) -> list[Any] | None:
    """Show a figure; return what the mark that was clicked carries, once for each click.

    Args:
        key: of the chart on its page.
        name: file name of a saved picture, without suffix.
    """
    figure = as_typed(figure)
    # Streamlit's own chart text is a pale grey: too faint for numbers that people read off a map's cells.
    if kind := st.context.theme.type:
        figure.update_layout(font_color=st.get_option(f"theme.{kind}.textColor"))
    shape = st.session_state.get(PICTURE_FORMAT, "png")
    camera = {"format": shape, "filename": name, "scale": 1 if shape == "svg" else 2}
    event: Any = st.plotly_chart(
        figure,
        key=key,
        on_select="rerun",
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": camera, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
    )
    clicked = event["selection"]["points"]
    return [carried_text(value) for value in clicked[0]["customdata"]] if clicked and clicked[0].get("customdata") else None


def open_place(evaluation: Evaluation, carried: list[Any] | None, *, other: Evaluation | None = None) -> None:
    """Open the scan, slice and organ that a mark carries (see `core.charts.style.places`) in Review.

    Args:
        other: an evaluation to lay beside it.
    """
    if carried is None:
        return
    number = None if carried[1] is None else int(carried[1])
    beside = f"{other.run}/{other.name}" if other else None
    names = link(run=evaluation.run, evaluation=evaluation.name, case=str(carried[0]), slice=number, organ=str(carried[2]))
    st.switch_page("views/review.py", query_params=names | link(other=beside))
