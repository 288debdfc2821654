"""What is taken for what, and which kinds of error there are."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.charts.mistakes_table import Amounts, kind_title
from core.charts.style import AMOUNT_SCALE, cells, framed, places
from core.labels import CLASSES, ORGANS, organ

KIND_COLOURS = {
    "missed_organ": "#4b2a7b", "missed_part": "#8e6bbf", "ends_early": "#c3aee0",
    "extra_organ": "#7a4a0b", "extra_part": "#c98a2b", "ends_late": "#e6b25c", "extra_island": "#f1d7a3",
    "boundary": "#9aa5ad", "swapped": "#0e8a96",
}  # fmt: skip
"""Too little is purple, too much brown, the outline grey, one organ for another teal: none is an organ's colour."""


BELOW = {"y": -0.25, "yanchor": "top", "x": 0, "xanchor": "left", "traceorder": "normal"}
"""Nine kinds above the plot would eat it in a narrow window."""


def confusion_map(found: Amounts, *, source: str) -> go.Figure:
    """Which class was drawn as which; rows are the reference, columns the prediction.

    Args:
        found: see `core.charts.mistakes_table.confusion`.
    """
    titles = {each.name: each.title for each in CLASSES}
    names = [each.name for each in CLASSES]
    table = found.table
    wide = table.pivot(index="reference", columns="prediction", values="amount").reindex(index=names, columns=names)
    wrong = wide.copy()
    for name in names:
        wrong.loc[name, name] = float("nan")
    amounts = wide.to_numpy(np.float64)
    figure = go.Figure()
    figure.add_heatmap(
        x=[titles[name] for name in names], y=[titles[name] for name in names], z=wrong.to_numpy(), colorscale=AMOUNT_SCALE,
        zmin=0, xgap=2, ygap=2, showscale=False, hoverinfo="skip", hoverongaps=False,
    )  # fmt: skip
    cells(
        figure,
        x=[titles[name] for name in table["prediction"]],
        y=[titles[name] for name in table["reference"]],
        carried=places(table, "amount", "scans"),
        hover="%{y} drawn as %{x}<br>%{customdata[3]:,.1f} " + found.unit + " in %{customdata[4]} scans<br>"
        "opens %{customdata[0]}",
    )
    _write(figure, amounts, found.unit)
    edges = [-0.5, len(names) - 0.5]
    figure.update_xaxes(title="drawn as (prediction)", showgrid=False, range=edges)
    figure.update_yaxes(title="is (reference)", showgrid=False, range=edges[::-1])
    note = f"{found.unit} over {found.over}; bold: right. A click opens the scan with the most of that pair."
    title = "What is taken for what?"
    return framed(figure, title=title, source=f"{note}<br>{source}", height=340, legend=False)


def _write(figure: go.Figure, amounts: NDArray[np.float64], unit: str) -> None:
    """Write the amounts into the cells, as annotations: a heat map's own text takes its cells for opaque."""
    for i, row in enumerate(CLASSES):
        for j, column in enumerate(CLASSES):
            text = _amount(float(amounts[i, j]), row.name, column.name, unit)
            font = {"size": 14, "weight": 700 if i == j and i else 400}
            figure.add_annotation(x=column.title, y=row.title, text=text, showarrow=False, font=font)


def _amount(value: float, row: str, column: str, unit: str) -> str:
    if row == column == CLASSES[0].name:
        return "not counted"
    if row == column or pd.isna(value):
        return f"{value:,.1f}" if not pd.isna(value) else "0"
    return f"{value:,.0f}" if unit == "voxels" else f"{value:,.1f}"


def kinds_stacked(found: Amounts, *, source: str) -> go.Figure:
    """Kinds of error stacked per organ, on average over the scans that the amounts are of.

    Args:
        found: see `core.charts.mistakes_table.kinds_of_error`.
    """
    figure = go.Figure()
    table = found.table
    for kind in [kind for kind in KIND_COLOURS if (table["kind"] == kind).any()]:
        rows = table[table["kind"] == kind]
        figure.add_bar(
            y=[organ(name).title for name in rows["organ"]], x=rows["amount"] / max(found.scans, 1), orientation="h",
            name=kind_title(kind), marker_color=KIND_COLOURS[kind], customdata=places(rows, "regions", "scans"),
            hovertemplate="%{y}: " + kind_title(kind).lower() + "<br>%{x:,.1f} " + found.unit + " a scan; %{customdata[3]:,} "
            "regions in %{customdata[4]:,} scans<br>most in %{customdata[0]}, slice %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title=f"{found.unit} a scan, on average over {found.over}")
    figure.update_yaxes(categoryorder="array", categoryarray=[each.title for each in reversed(ORGANS)])
    note = "Purple: too little. Brown: too much. Grey: outline off by no more than 3 mm. A click opens the worst place."
    framed(figure, title="What kind of error is it?", source=f"{note}<br>{source}", height=300)
    return figure.update_layout(barmode="stack", legend=BELOW)
