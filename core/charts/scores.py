"""Dice per organ: its distribution over scans, sorted bars, patients by organs, and the trend over runs."""

import pandas as pd
import plotly.graph_objects as go

from core.charts.style import FLAG, SCORE_SCALE, as_text, cells, framed, places, points, spread, symbols
from core.labels import ORGANS, organ

DICE_RANGE = [-0.04, 1.04]


def dice_distribution(scans: pd.DataFrame, *, source: str) -> go.Figure:
    """Every scan's Dice per organ as a point over the quartiles; scans without the organ have none.

    Args:
        scans: ``scans.parquet``, see `core.metrics.tables.scan_rows`.
    """
    figure = go.Figure()
    scored = scans[scans["dice"].notna()]
    labels = []
    for place, each in enumerate(ORGANS):
        rows = scored[scored["organ"] == each.name].sort_values(["dice", "scan"])
        dice = rows["dice"]
        if len(rows):
            figure.add_box(
                x=[place], q1=[dice.quantile(0.25)], median=[dice.median()], q3=[dice.quantile(0.75)],
                lowerfence=[dice.min()], upperfence=[dice.max()], width=0.66, line={"width": 1.5, "color": each.chart},
                fillcolor="rgba(128,128,128,0.10)", hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        figure.add_trace(
            points(len(scored))(
                x=place + spread(len(rows)), y=dice, mode="markers", name=each.title, showlegend=False,
                customdata=places(rows, "outcome"),
                marker={"color": each.chart, "size": 7, "opacity": 0.7, "symbol": symbols(rows["outcome"])},
                hovertemplate="%{customdata[0]}<br>Dice %{y:.3f} (%{customdata[3]})<extra></extra>",
            )
        )  # fmt: skip
        middle = f"median {dice.median():.3f}" if len(rows) else "no score"
        labels.append(f"{each.title}<br>{len(rows):,} scans, {middle}")
    figure.update_xaxes(tickvals=list(range(len(ORGANS))), ticktext=labels, range=[-0.5, len(ORGANS) - 0.5], showgrid=False)
    figure.update_yaxes(title="Dice of the whole scan", range=DICE_RANGE)
    title = "How good is each organ, scan by scan?"
    note = "Box: quartiles; whiskers: lowest and highest. Cross: missed organ or false alarm, Dice 0."
    return framed(figure, title=title, source=f"{note}<br>{source}", height=420, legend=False)


def dice_bars(scans: pd.DataFrame, order: list[str], *, source: str, title: str = "Which scans are worst?") -> go.Figure:
    """Dice per scan and organ, in the order given.

    Args:
        order: scans to show, see `core.charts.scan_order.worst_first`.
    """
    figure = go.Figure()
    for each in ORGANS:
        rows = scans[(scans["organ"] == each.name) & scans["dice"].notna()].set_index("scan")
        rows = rows.reindex([scan for scan in order if scan in rows.index]).reset_index()
        figure.add_bar(
            x=rows["scan"], y=rows["dice"], name=each.title, marker_color=each.chart, offsetgroup=each.name,
            customdata=places(rows, "outcome"),
            hovertemplate="%{x}<br>" + each.title + ": Dice %{y:.3f} (%{customdata[3]})<extra></extra>",
        )  # fmt: skip
        lost = rows[rows["outcome"].isin(["missed", "false_alarm"])]
        figure.add_scatter(
            x=lost["scan"], y=[0.012] * len(lost), mode="markers", offsetgroup=each.name, showlegend=False,
            marker={"symbol": "x", "size": 8, "color": each.chart}, customdata=places(lost, "outcome"),
            hovertemplate="%{x}<br>" + each.title + ": Dice 0 (%{customdata[3]})<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(title="Dice of the whole scan", range=[0, 1.0])
    figure.update_xaxes(tickangle=-60, type="category", categoryorder="array", categoryarray=order)
    figure.update_layout(scattermode="group")
    return framed(figure, title=title, source=f"Cross: missed organ or false alarm, Dice 0.<br>{source}", height=340)


def patient_heatmap(table: pd.DataFrame, patients: list[str], *, source: str) -> go.Figure:
    """Patients by organs, coloured by the mean Dice of the patient's scans.

    Args:
        table: see `core.charts.scan_order.by_patient`.
        patients: those to show, in this order.
    """
    shown = table[table["patient"].isin(patients)]
    wide = shown.pivot(index="organ", columns="patient", values="dice")
    wide = wide.reindex(index=[each.name for each in reversed(ORGANS)], columns=patients)
    titles = [organ(name).title for name in wide.index]
    text = [[("" if pd.isna(value) else f"{value:.2f}") for value in row] for row in wide.to_numpy()]
    figure = go.Figure()
    figure.add_heatmap(
        x=patients, y=titles, z=wide.to_numpy(), zmin=0, zmax=1, colorscale=SCORE_SCALE, xgap=1, ygap=1, hoverinfo="skip",
        text=text, texttemplate="%{text}" if len(patients) <= 24 else "", colorbar={"title": "Dice", "thickness": 12},
    )  # fmt: skip
    cells(
        figure,
        x=list(shown["patient"]),
        y=[organ(name).title for name in shown["organ"]],
        carried=places(shown, "dice", "scans"),
        hover="%{x}, %{y}<br>mean Dice %{customdata[3]:.3f} over %{customdata[4]} scans<br>worst: %{customdata[0]}",
    )
    figure.update_xaxes(type="category", tickangle=-60, showgrid=False, range=[-0.5, len(patients) - 0.5])
    figure.update_yaxes(showgrid=False, range=[-0.5, len(ORGANS) - 0.5])
    note = "Mean Dice over a patient's scans, worst patients first; a click opens the patient's worst scan. Blank: no such organ."
    return framed(
        figure, title="Which patients, and which of their organs?", source=f"{note}<br>{source}", height=240, legend=False
    )


def trend_over_runs(table: pd.DataFrame, *, source: str) -> go.Figure:
    """Mean Dice per organ of each run on the same split, oldest first, with its interval over patients.

    Args:
        table: see `core.charts.overview_table.trend`.
    """
    figure = go.Figure()
    runs = list(dict.fromkeys(table["run"]))
    for place, each in enumerate(ORGANS):
        rows = table[(table["organ"] == each.name) & table["dice"].notna()]
        at = [runs.index(run) + 0.08 * (place - 1) for run in rows["run"]]
        figure.add_scatter(
            x=at, y=rows["dice"], name=each.title, mode="lines+markers", line={"color": each.chart}, marker={"size": 9},
            error_y={"array": (rows["high"].astype(float) - rows["dice"]).fillna(0),
                     "arrayminus": (rows["dice"] - rows["low"].astype(float)).fillna(0), "thickness": 1.2},
            customdata=rows[["run", "evaluation", "scans", "leak"]].to_numpy(),
            hovertemplate="%{customdata[0]}<br>mean Dice %{y:.3f} over %{customdata[2]} scans<br>leak: %{customdata[3]}"
            "<extra>" + each.title + "</extra>",
        )  # fmt: skip
    leaks = table.drop_duplicates("run").set_index("run")["leak"]
    labels = [f"{as_text(run)}<br>{leaks[run].partition(' (')[0]}" for run in runs]
    figure.update_xaxes(tickvals=list(range(len(runs))), ticktext=labels, range=[-0.5, len(runs) - 0.5], showgrid=False)
    figure.update_yaxes(title="mean Dice over scans", range=DICE_RANGE)
    if any(leaks != "patient-clean"):
        figure.add_annotation(
            text="Leaked runs cannot be compared with clean ones.", showarrow=False, xref="paper", yref="paper", x=1, y=0,
            xanchor="right", yanchor="bottom", font={"color": FLAG},
        )  # fmt: skip
    note = "Bars: 95% interval over patients. A click opens that run."
    return framed(figure, title="Did the runs get better?", source=f"{note}<br>{source}", height=300)
