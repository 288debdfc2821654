"""What is in a data set."""

import pandas as pd
import plotly.graph_objects as go

from core.charts.style import GREY, framed, points, spread
from core.labels import ORGANS

SPLIT_COLOURS = {"train": "#7b8794", "valid": "#0e8a96"}
"""Not the organs' colours."""


def organs_per_slice(counts: pd.DataFrame, *, source: str) -> go.Figure:
    """How many slices show no organ, one, two or all three; each bar carries its split and that number.

    Args:
        counts: see `core.data.statistics.organs_per_slice`.
    """
    figure = go.Figure()
    words = {0: "none (empty)", 1: "one", 2: "two", 3: "all three"}
    for split, rows in counts.groupby("split"):
        figure.add_bar(
            x=[words[number] for number in rows["organs"]], y=rows["slices"], name=str(split),
            marker_color=SPLIT_COLOURS.get(str(split), GREY), text=[f"{count:,}" for count in rows["slices"]],
            customdata=[[str(split), int(number)] for number in rows["organs"]],
            hovertemplate="%{y:,} slices of " + str(split) + "<br>show %{x}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="organs on the slice", categoryorder="array", categoryarray=list(words.values()))
    figure.update_yaxes(title="slices")
    note = "A click shows these slices."
    return framed(figure, title="How many organs does a slice show?", source=f"{note} {source}", height=260)


def slices_of_organs(counts: pd.DataFrame, *, source: str) -> go.Figure:
    """Slices that show each organ; each bar carries its split and organ.

    Args:
        counts: see `core.data.statistics.by_split`.
    """
    figure = go.Figure()
    rows = counts[(counts["split"] != "together") & counts["empty_slices"].notna()]
    for organ in ORGANS:
        figure.add_bar(
            x=rows["split"], y=rows[f"{organ.name}_slices"], name=organ.title, marker_color=organ.chart,
            text=[f"{count:,}" for count in rows[f"{organ.name}_slices"]], customdata=[[s, organ.name] for s in rows["split"]],
            hovertemplate="%{y:,} slices of %{x} show it<extra>" + organ.title + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(title="slices")
    note = "A click shows these slices."
    return framed(figure, title="On how many slices is each organ?", source=f"{note} {source}", height=260)


def scans_overview(scans: pd.DataFrame, *, source: str) -> go.Figure:
    """Each scan's slices, and how many of them show an organ; each point carries its split and scan.

    Args:
        scans: see `core.data.statistics.scan_overview`.
    """
    figure = go.Figure()
    for split, rows in scans.groupby("split"):
        figure.add_trace(
            points(len(scans))(
                x=rows["slices"] + spread(len(rows), 2), y=rows["annotated"], mode="markers", name=f"{split} ({len(rows):,})",
                marker={"color": SPLIT_COLOURS.get(str(split), GREY), "size": 8, "opacity": 0.6},
                customdata=rows[["split", "scan", "slices"]].to_numpy(),
                hovertemplate="%{customdata[1]}<br>%{y} of %{customdata[2]} slices show an organ<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title="slices of the scan", rangemode="tozero")
    figure.update_yaxes(title="slices that show an organ", rangemode="tozero")
    note = "Each point is a scan, in brackets their number; a click shows its slices."
    return framed(figure, title="Is any scan unlike the others?", source=f"{note} {source}", height=300)
