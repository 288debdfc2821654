"""Curves of a training run."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from core.charts.style import GREY, compact
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
    return compact(figure, height=300, columns=2)
