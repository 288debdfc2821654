"""Dice per organ: scans and patients in order, its distribution, sorted bars, patients by organs, and along one scan."""

import pandas as pd
import plotly.graph_objects as go

from core.charts.style import SCORE_SCALE, cells, compact, framed, places, points, spread, symbols
from core.labels import ORGAN_NAMES, ORGANS, TITLES
from core.metrics.surface import nsd_columns, nsd_tolerance_mm
from core.metrics.tables import mean_over_organs


def score_title(column: str) -> str:
    """What people read for a score's column: ``NSD at 3 mm`` for ``nsd_3mm``."""
    return f"NSD at {nsd_tolerance_mm(column):g} mm" if nsd_columns([column]) else SCORE_TITLES.get(column, column)


def worst_first(scans: pd.DataFrame) -> list[str]:
    """Scans by the mean Dice over their organs, the lowest first; scans without any organ are left out."""
    means = mean_over_organs(scans, ["dice"]).set_index("scan")["dice"].dropna().sort_index()
    return [str(scan) for scan in means.sort_values(kind="stable").index]


def by_patient(scans: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each patient's scans per organ: columns patient, organ, dice, scans, scan (its worst); worst patients first.

    A patient none of whose scans has the organ gets no row for it.
    """
    scored = scans[scans["dice"].notna()]
    if scored.empty:
        return pd.DataFrame(columns=["patient", "organ", "dice", "scans", "scan"])
    groups = scored.groupby(["patient", "organ"])
    found = groups.agg(dice=("dice", "mean"), scans=("scan", "nunique"))
    worst = scored.loc[groups["dice"].idxmin()]
    found["scan"] = worst["scan"].to_numpy()
    if "slice" in worst:
        found["slice"] = worst["slice"].to_numpy()
    table = found.reset_index()
    table["order"] = table["patient"].map(mean_over_organs(scored, ["dice"]).groupby("patient")["dice"].mean())
    table["place"] = table["organ"].map({name: place for place, name in enumerate(ORGAN_NAMES)})
    table = table.sort_values(["order", "patient", "place"], kind="stable", ignore_index=True)
    return table.drop(columns=["order", "place"])


def with_worst_slice(scans: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """The scan table with a column ``slice``: where most of an organ's voxels differ; missing where none does.

    Args:
        scans, slices: ``scans.parquet`` and ``slices.parquet`` of one evaluation.
    """
    differing = slices["reference_voxels"] + slices["prediction_voxels"] - 2 * slices["both_voxels"]
    table = slices.loc[differing > 0, ["scan", "organ", "slice"]].assign(differing=differing[differing > 0])
    worst = table.loc[table.groupby(["scan", "organ"], observed=True)["differing"].idxmax(), ["scan", "organ", "slice"]]
    worst = worst.astype({"scan": "str", "organ": "str", "slice": "Int64"})
    return scans.merge(worst, on=["scan", "organ"], how="left")


SCORE_TITLES = {
    "dice": "Dice",
    "hd95_mm": "HD95, mm",
    "volume_error_ml": "Volume error, ml (prediction less reference)",
    "absolute_volume_error_ml": "Absolute volume error, ml",
}
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
        order: scans to show, see `core.charts.scores.worst_first`.
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
        table: see `core.charts.scores.by_patient`.
        patients: those to show, in this order.
    """
    shown = table[table["patient"].isin(patients)]
    wide = shown.pivot(index="organ", columns="patient", values="dice")
    wide = wide.reindex(index=[each.name for each in reversed(ORGANS)], columns=patients)
    titles = [TITLES[name] for name in wide.index]
    text = [[("" if pd.isna(value) else f"{value:.2f}") for value in row] for row in wide.to_numpy()]
    figure = go.Figure()
    figure.add_heatmap(
        x=patients, y=titles, z=wide.to_numpy(), zmin=0, zmax=1, colorscale=SCORE_SCALE, xgap=1, ygap=1, hoverinfo="skip",
        text=text, texttemplate="%{text}" if len(patients) <= 24 else "", colorbar={"title": "Dice", "thickness": 12},
    )  # fmt: skip
    cells(
        figure,
        x=list(shown["patient"]),
        y=[TITLES[name] for name in shown["organ"]],
        carried=places(shown, "dice", "scans"),
        hover="%{x}, %{y}<br>mean Dice %{customdata[3]:.3f} over %{customdata[4]} scans<br>worst: %{customdata[0]}",
    )
    figure.update_xaxes(type="category", tickangle=-60, showgrid=False, range=[-0.5, len(patients) - 0.5])
    figure.update_yaxes(showgrid=False, range=[-0.5, len(ORGANS) - 0.5])
    note = "Mean Dice over a patient's scans, worst patients first; a click opens the patient's worst scan. Blank: no such organ."
    return framed(
        figure, title="Which patients, and which of their organs?", source=f"{note}<br>{source}", height=240, legend=False
    )


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
    return compact(figure, height=220)
