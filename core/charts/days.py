"""One patient over days: organ volumes in reference and prediction, and the changes that are worth a look."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.charts.style import FLAG, GREY, as_text, framed, places
from core.labels import ORGANS

JUMP_SHARE = 0.5
JUMP_ML = 100.0
RULE = (
    f"A jump is a change since the scan before by more than {JUMP_SHARE:.0%} of the smaller of the two volumes and by more than "
    f"{JUMP_ML:.0f} ml. A jump of the prediction that the reference does not make is flagged as suspect."
)
COLUMNS = [
    "scan", "day", "organ", "dice", "outcome", "reference_ml", "prediction_ml", "reference_jump", "prediction_jump", "suspect",
]  # fmt: skip


def patients_by_scans(scans: pd.DataFrame) -> list[str]:
    """Patients with a scan of a known day, those with most scans first."""
    dated = scans[scans["day"].notna()]
    counts = dated.groupby("patient")["scan"].nunique()
    return [str(patient) for patient in counts.sort_values(ascending=False, kind="stable").index]


def over_days(scans: pd.DataFrame, patient: str) -> pd.DataFrame:
    """The scans of one patient by day, a row for each organ: columns `COLUMNS`, and ``slice`` where
    the table has it; jumps are marked where `RULE` holds.

    Args:
        scans: ``scans.parquet``; scans without a day are left out.
    """
    mine = scans[(scans["patient"] == patient) & scans["day"].notna()].sort_values(["organ", "day", "scan"], kind="stable")
    table = mine.reset_index(drop=True)
    for side in ("reference", "prediction"):
        volume = table[f"{side}_ml"]
        before = volume.groupby(table["organ"]).shift()
        change = (volume - before).abs()
        table[f"{side}_jump"] = (change > JUMP_ML) & (change > JUMP_SHARE * np.minimum(volume, before))
    table["suspect"] = table["prediction_jump"] & ~table["reference_jump"]
    return table[[*COLUMNS, *(["slice"] if "slice" in table else [])]]


SIDES = {"reference": ("Reference", "dot", "circle-open"), "prediction": ("Prediction", "solid", "circle")}

FLAGS = {
    title: {"symbol": symbol, "size": 18, "color": FLAG, "line": {"width": 2.5}}
    for title, symbol in (("Jump", "square-open"), ("Suspect jump", "diamond-open"))
}


def volumes_over_days(table: pd.DataFrame, patient: str, *, source: str) -> go.Figure:
    """Each organ's volume by day, in reference and prediction, with jumps ringed.

    Args:
        table: see `core.charts.days.over_days`.
    """
    figure = make_subplots(rows=1, cols=len(ORGANS), subplot_titles=[each.title for each in ORGANS], horizontal_spacing=0.06)
    _legend(figure)
    for column, each in enumerate(ORGANS, start=1):
        rows = table[table["organ"] == each.name]
        for side, (title, dash, symbol) in SIDES.items():
            figure.add_scatter(
                x=rows["day"], y=rows[f"{side}_ml"], mode="lines+markers", legendgroup=title, showlegend=False,
                line={"color": each.chart, "dash": dash}, marker={"symbol": symbol, "size": 9},
                customdata=places(rows, "dice"), row=1, col=column,
                hovertemplate="%{customdata[0]}<br>" + title.lower() + " %{y:,.0f} ml, Dice %{customdata[3]:.3f}<extra></extra>",
            )  # fmt: skip
        for title, marker in FLAGS.items():
            marked = rows[rows["suspect"] if title == "Suspect jump" else (rows["prediction_jump"] & rows["reference_jump"])]
            figure.add_scatter(
                x=marked["day"], y=marked["prediction_ml"], mode="markers", legendgroup=title, hoverinfo="skip",
                showlegend=False, marker=marker, customdata=places(marked), row=1, col=column,
            )  # fmt: skip
        highest = rows[["reference_ml", "prediction_ml"]].max().max()
        figure.update_yaxes(range=[-0.07 * highest, 1.1 * highest] if highest > 0 else None, zeroline=False, row=1, col=column)
    figure.update_xaxes(title="day", dtick=None)
    figure.update_yaxes(title="volume, ml", row=1, col=1)
    framed(figure, title=f"How do the organs of {as_text(patient)} change over days?", source=source, height=320)
    return figure.update_layout(margin_t=104, height=424, legend_y=1.09)


def _legend(figure: go.Figure) -> None:
    """Entries in grey: in the panels the colours are the organs'."""
    for title, dash, symbol in SIDES.values():
        figure.add_scatter(
            x=[None], y=[None], mode="lines+markers", name=title, legendgroup=title, line={"color": GREY, "dash": dash},
            marker={"symbol": symbol, "size": 9},
        )  # fmt: skip
    for title, marker in FLAGS.items():
        figure.add_scatter(x=[None], y=[None], mode="markers", name=title, legendgroup=title, marker=marker | {"size": 12})
