"""Curves of a training run, and Dice along one scan."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from core.charts.style import GREY
from core.labels import ORGANS

CURVE_LINES: dict[str, dict[str, object]] = {
    "valid_loss": {"color": GREY, "width": 3},
    "train_loss": {"color": GREY, "dash": "dot"},
    "valid_f1_organs": {"color": GREY, "width": 3},
    "valid_f1_with_background": {"color": GREY, "dash": "dash"},
    "train_f1_with_background": {"color": GREY, "dash": "dot"},
    **{f"valid_dice_{organ.name}": {"color": organ.chart} for organ in ORGANS},
}
"""Colour is kept for the organs; curves over several are grey."""
LINE_PX = 20
MOST_TICKS = 8


def training_curves(metrics: pd.DataFrame, columns: Mapping[str, str], title: str) -> go.Figure:
    """Curves over epochs.

    Args:
        metrics: ``metrics.csv`` of a run.
        columns: shown name by column; columns that the file lacks are left out.
    """
    figure = go.Figure()
    for column, name in columns.items():
        if column in metrics:
            figure.add_scatter(
                x=metrics["epoch"], y=metrics[column], name=name, mode="lines+markers", marker={"size": 5},
                line=CURVE_LINES.get(column),
            )  # fmt: skip
    last = int(metrics["epoch"].max()) if len(metrics) else 1
    figure.update_xaxes(title="epoch", tick0=0, dtick=max(-(-last // MOST_TICKS), 1))
    figure.update_yaxes(title=title)
    # Two columns: in a narrow window the legend would otherwise be as high as the curves.
    figure.update_layout(legend={"entrywidth": 0.5, "entrywidthmode": "fraction"})
    return _plain(figure, height=300, columns=2)


def dice_along_scan(slices: pd.DataFrame) -> go.Figure:
    """Dice of each slice along a scan, for finding the slice to look at; a slice's score is never averaged.

    Args:
        slices: rows of ``slices.parquet`` of one scan.
    """
    figure = go.Figure()
    for organ in ORGANS:
        rows = slices[slices["organ"] == organ.name]
        figure.add_scatter(
            x=rows["slice"], y=rows["dice"], name=organ.title, mode="lines+markers",
            line={"color": organ.chart}, marker={"size": 5},
            hovertemplate="slice %{x}: Dice %{y:.3f}<extra>" + organ.title + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(title="Dice of the slice", range=[-0.03, 1.03])
    figure.update_xaxes(title="slice")
    return _plain(figure, height=220)


def _plain(figure: go.Figure, *, height: int, columns: int = 1) -> go.Figure:
    # In a narrow window the legend's entries stand below each other; the figure grows by them, and the plot keeps its height.
    figure.update_layout(
        height=height + LINE_PX * -(-len(figure.data) // columns),
        margin={"l": 10, "r": 10, "t": 16, "b": 10},
        showlegend=True,
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        hoverlabel={"namelength": -1},
    )
    return figure
