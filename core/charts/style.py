"""What all figures share: the frame with question, source and leak badge, and marks that name the scan they stand for."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

GREY = "#808080"
"""Where a mark stands for several organs: colour is kept for the organs."""
SCORE_SCALE = "Cividis"
"""Dice from 0 (dark blue) to 1 (yellow); reads alike for the colour-blind."""
AMOUNT_SCALE = [[0.0, "rgba(128,128,128,0.06)"], [1.0, "rgba(190,120,30,0.6)"]]
"""Errors, from none to most."""
FLAG = "#d98a00"
"""Marks that ask for a look."""
SVG_POINTS = 3000
"""Above so many points a browser draws faster by WebGL than one page element each."""
NO_SCORE_SYMBOLS = {"missed": "x", "false_alarm": "x"}
TITLE_PX, LEGEND_PX, LEGEND_LINE_PX = 70, 26, 20
GOLDEN = 0.6180339887498949


def framed(figure: go.Figure, *, title: str, source: str, height: int, legend: bool = True) -> go.Figure:
    """Give a figure its title, a question that it answers, and a second line that says what the scores are of.

    Args:
        source: run, evaluation and leak badge, so that a saved picture still says them.
        height: of the plot itself, in CSS pixels; title and legend come on top of it.
    """
    top = TITLE_PX + (LEGEND_PX if legend else 0)
    figure.update_layout(
        title={"text": title, "subtitle": {"text": source, "font": {"size": 12}}, "x": 0, "xref": "container", "xanchor": "left"}
        | {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8, "l": 4}},
        height=height + top,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        showlegend=legend,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "yref": "paper", "x": 1, "xanchor": "right", "title": ""},
        hoverlabel={"namelength": -1},
        barmode="group",
    )
    return figure


def places(rows: pd.DataFrame, *more: str) -> list[list[Any]]:
    """What each mark carries: scan, slice (or nothing), organ, then further columns for the hover text.

    Args:
        rows: needs ``scan`` and ``organ``; ``slice`` where a mark stands for one.
    """
    numbers = [None if pd.isna(n) else int(n) for n in rows["slice"]] if "slice" in rows else [None] * len(rows)
    columns: Iterable[Iterable[Any]] = (rows[name].tolist() for name in more)
    return [list(each) for each in zip(rows["scan"].astype(str), numbers, rows["organ"].astype(str), *columns, strict=True)]


def as_text(text: str) -> str:
    """A name for a title, a tick or a hover text, in which Plotly would read tags: links, bold, line breaks."""
    return html.escape(text, quote=False)


def as_typed(figure: go.Figure) -> go.Figure:
    """The figure with `as_text` of every text in its data: names of scans, readers and patients on axes and in hover texts.

    What a mark carries is escaped too; `carried_text` gives it back. Titles hold tags of ours: names in them are escaped where
    they are put there.
    """
    shown = go.Figure(figure)
    for trace in shown.data:
        for part in ("x", "y", "text", "customdata"):
            if trace[part] is not None and not _is_numeric(trace[part]):
                trace[part] = _escaped(trace[part])
    for axis in shown.select_xaxes():
        axis.categoryarray = _escaped(axis.categoryarray)
    return shown


def carried_text(carried: Any) -> Any:
    """A value that a mark carried, as it was before `as_typed`."""
    return html.unescape(carried) if isinstance(carried, str) else carried


def _is_numeric(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype != object and values.dtype.kind not in "US"


def _escaped(values: Any) -> Any:
    if isinstance(values, str):
        return as_text(values)
    return [_escaped(value) for value in values] if isinstance(values, list | tuple | np.ndarray) else values


def points(count: int) -> Any:
    """The trace for so many points: page elements, or WebGL where those get slow."""
    return go.Scattergl if count > SVG_POINTS else go.Scatter


def spread(count: int, width: float = 0.5) -> NDArray[np.float64]:
    """Sideways shifts within ±``width``/2 that keep points apart; the same each time."""
    return (((np.arange(count) * GOLDEN) % 1 - 0.5) * width).astype(np.float64)


def symbols(outcomes: "pd.Series[Any]") -> list[str]:
    """A circle for what has a score, a cross for a missed organ or a false alarm."""
    return [NO_SCORE_SYMBOLS.get(str(outcome), "circle") for outcome in outcomes]


def cells(figure: go.Figure, *, x: Sequence[Any], y: Sequence[Any], carried: Sequence[Sequence[Any]], hover: str) -> None:
    """Lay an unseen mark over each cell of a heat map, since a heat map itself tells nobody that it was clicked."""
    figure.add_scatter(
        x=list(x), y=list(y), customdata=[list(each) for each in carried], hovertemplate=hover + "<extra></extra>",
        mode="markers", marker={"symbol": "square", "size": 24, "opacity": 0}, showlegend=False,
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
    figure.update_layout(hoverdistance=-1)


def tens(values: "pd.Series[float]") -> tuple[list[float], list[str]]:
    """Ticks of a logarithmic axis over these positive values: 1, 2 and 5 times powers of ten, written out."""
    low, high = np.log10(values.min()) - 0.1, np.log10(values.max()) + 0.1
    ticks = [step * 10.0**power for power in range(int(low) - 1, int(high) + 2) for step in (1, 2, 5)]
    kept = [tick for tick in ticks if low <= np.log10(tick) <= high]
    return kept, [f"{tick:,g}" for tick in kept]


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, a true minus among them."""
    return f"{value:+.{digits}f}".replace("-", "−")


def compact(figure: go.Figure, *, height: int, columns: int = 1) -> go.Figure:
    """The look of a small figure without a title, its legend below."""
    # In a narrow window the legend's entries stand below each other; the figure grows by them, and the plot keeps its height.
    figure.update_layout(
        height=height + LEGEND_LINE_PX * -(-len(figure.data) // columns),
        margin={"l": 10, "r": 10, "t": 16, "b": 10},
        showlegend=True,
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        hoverlabel={"namelength": -1},
    )
    return figure
