"""Plotly figures; colours come from the class table, and every mark carries the scan it stands for."""

import pandas as pd
import plotly.graph_objects as go

from core.labels import ORGANS

CURVE_LINES: dict[str, dict[str, object]] = {
    "valid_f1_organs": {"color": "#808080", "width": 3},
    "valid_f1_with_background": {"color": "#808080", "dash": "dash"},
    "train_f1_with_background": {"color": "#808080", "dash": "dot"},
    **{f"valid_dice_{organ.name}": {"color": organ.chart} for organ in ORGANS},
}
"""Colour is kept for the organs; curves over several are grey."""


def dice_distribution(scans: pd.DataFrame) -> go.Figure:
    """Every scan's Dice per organ as a point, with quartiles; scans without the organ have none.

    Args:
        scans: ``scans.parquet``, see `core.metrics.tables.scan_rows`.
    """
    figure = go.Figure()
    for organ in ORGANS:
        rows = scans[(scans["organ"] == organ.name) & scans["dice"].notna()]
        figure.add_box(
            y=rows["dice"],
            x=[organ.title] * len(rows),
            name=organ.title,
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"color": organ.chart, "size": 8, "opacity": 0.75},
            fillcolor="rgba(128,128,128,0.12)",
            line={"width": 1.5},
            customdata=rows[["scan", "outcome"]],
            hovertemplate="%{customdata[0]}<br>Dice %{y:.3f} (%{customdata[1]})<extra></extra>",
        )
    figure.update_yaxes(title="Dice of the whole scan", range=[-0.03, 1.03])
    return _tidy(figure, height=420)


def dice_bars(scans: pd.DataFrame) -> go.Figure:
    """Dice per scan and organ, worst scan first by its mean."""
    order = scans.groupby("scan")["dice"].mean().sort_values().index
    figure = go.Figure()
    for organ in ORGANS:
        rows = scans[scans["organ"] == organ.name].set_index("scan").reindex(order)
        figure.add_bar(
            x=rows.index,
            y=rows["dice"],
            name=organ.title,
            marker_color=organ.chart,
            customdata=list(zip(rows.index, rows["outcome"], strict=True)),
            hovertemplate="%{customdata[0]}<br>Dice %{y:.3f} (%{customdata[1]})<extra></extra>",
        )
    figure.update_yaxes(title="Dice of the whole scan", range=[0, 1.0])
    figure.update_xaxes(tickangle=-40)
    return _tidy(figure, height=380, legend=True)


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
    return _tidy(figure, height=260, legend=True)


def training_curves(metrics: pd.DataFrame, columns: dict[str, str], title: str) -> go.Figure:
    """Curves over epochs.

    Args:
        metrics: ``metrics.csv`` of a run.
        columns: shown name by column; columns that the file lacks are left out.
    """
    figure = go.Figure()
    for column, name in columns.items():
        if column in metrics:
            figure.add_scatter(
                x=metrics["epoch"],
                y=metrics[column],
                name=name,
                mode="lines+markers",
                marker={"size": 5},
                line=CURVE_LINES.get(column),
            )
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title=title)
    return _tidy(figure, height=360, legend=True)


def _tidy(figure: go.Figure, *, height: int, legend: bool = False) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 24, "b": 10},
        showlegend=legend,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        hoverlabel={"namelength": -1},
    )
    return figure
