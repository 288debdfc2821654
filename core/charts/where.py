"""Where along the body, at which volume and at which confidence a model is right: slices pooled by voxels, never averaged."""

from collections.abc import Collection

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from core.charts.scores import DICE_RANGE
from core.charts.style import GREY, framed, places, points, symbols, tens
from core.labels import ORGANS

BINS = 20
"""Parts of equal length that a scan is cut into along z."""
CONFIDENCE_BINS = 10

ALONG_COLUMNS = ["organ", "part", "centre", "dice", "scans", "scan", "slice"]


def along_body(slices: pd.DataFrame, *, crosswise: Collection[str] = (), bins: int = BINS) -> pd.DataFrame:
    """Dice by relative position along z, over all whole scans: 0 is a scan's first slice (the head's end), 1 its last.

    The Dice of a part pools the voxels of every slice that lies there: 2·Σ|A∩B| / Σ(|A| + |B|). Parts in which no scan has
    the organ are left out, and so are partial scans (one slice alone, or slices missing), whose place in the body nobody knows.

    Args:
        slices: ``slices.parquet``, see `core.metrics.tables.slice_rows`.
        crosswise: scans to leave out since their slices don't lead from head to foot.

    Returns:
        Columns `ALONG_COLUMNS`: ``centre`` of the part from 0 to 1, ``scans`` with the organ there (in reference or
        prediction), and the slice with the most differing voxels: ``scan`` and ``slice``.
    """
    by_scan = slices.groupby("scan", observed=True)[["slice", "position"]]
    extent = by_scan.max() - by_scan.min()
    whole = extent.index[(extent["slice"] == extent["position"]) & (extent["position"] > 0) & ~extent.index.isin(list(crosswise))]
    table = slices[((slices["reference_voxels"] + slices["prediction_voxels"]) > 0) & slices["scan"].isin(whole)]
    if table.empty:
        return pd.DataFrame(columns=ALONG_COLUMNS)
    last = slices.groupby("scan", observed=True)["position"].max()
    length = last.reindex(table["scan"]).to_numpy(np.float64)
    share = table["position"].to_numpy(np.float64) / np.maximum(length, 1)
    part = np.minimum((share * bins).astype(np.int64), bins - 1)
    outlined = table["reference_voxels"] + table["prediction_voxels"]
    table = table[["scan", "slice", "organ", "both_voxels"]].assign(part=part, outlined=outlined)
    table["differing"] = table["outlined"] - 2 * table["both_voxels"]
    groups = table.groupby(["organ", "part"], observed=True)
    found = groups.agg(both=("both_voxels", "sum"), outlined=("outlined", "sum"), scans=("scan", "nunique"))
    worst = table.loc[groups["differing"].idxmax(), ["scan", "slice"]].set_index(found.index)
    found["dice"] = 2 * found["both"] / found["outlined"]
    joined = found.join(worst).reset_index()
    joined["centre"] = (joined["part"] + 0.5) / bins
    return joined[ALONG_COLUMNS]


def scan_confidence(slices: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """``scans.parquet`` with a column ``confidence``: each scan's confidence in an organ, beside its Dice.

    The confidence is the mean over the voxels that were drawn (slices weighted by their voxels), 0 to 1; scans where nothing
    was drawn, or nobody knows the confidence, are left out.
    """
    drawn = slices[slices["confidence"].notna() & (slices["prediction_voxels"] > 0)]
    sure = drawn.assign(sure=drawn["confidence"] * drawn["prediction_voxels"])
    sums = sure.groupby(["scan", "organ"], observed=True)[["sure", "prediction_voxels"]].sum()
    found = (sums["sure"] / sums["prediction_voxels"]).rename("confidence").reset_index()
    found = found.astype({"scan": "str", "organ": "str"})
    return scans.merge(found, on=["scan", "organ"])


CALIBRATION_COLUMNS = ["organ", "confidence", "right", "voxels", "slices", "scan", "slice"]


def calibration(slices: pd.DataFrame, *, bins: int = CONFIDENCE_BINS) -> pd.DataFrame:
    """Of what was drawn at some confidence, how much is right: the reliability diagram (DeGroot and Fienberg 1983), by organ.

    Slices are binned by their mean confidence in the organ; ``confidence`` is a bin's mean over its drawn voxels and ``right``
    the share of those voxels that the reference has too. Calibrated means that the two are equal.

    Returns:
        Columns `CALIBRATION_COLUMNS`, a row for each organ and bin that is not empty; ``scan`` and ``slice`` name the bin's
        slice with the most voxels drawn wrongly.
    """
    drawn = slices[slices["confidence"].notna() & (slices["prediction_voxels"] > 0)]
    if drawn.empty:
        return pd.DataFrame(columns=CALIBRATION_COLUMNS)
    part = np.minimum((drawn["confidence"].to_numpy(np.float64) * bins).astype(np.int64), bins - 1)
    table = drawn[["scan", "slice", "organ", "both_voxels", "prediction_voxels"]].assign(
        part=part,
        sure=drawn["confidence"] * drawn["prediction_voxels"],
        wrong=drawn["prediction_voxels"] - drawn["both_voxels"],
    )
    groups = table.groupby(["organ", "part"], observed=True)
    found = groups.agg(
        sure=("sure", "sum"), both=("both_voxels", "sum"), voxels=("prediction_voxels", "sum"), slices=("slice", "size")
    )
    worst = table.loc[groups["wrong"].idxmax(), ["scan", "slice"]].set_index(found.index)
    found["confidence"] = found["sure"] / found["voxels"]
    found["right"] = found["both"] / found["voxels"]
    return found.join(worst).reset_index()[CALIBRATION_COLUMNS]


def calibration_error(table: pd.DataFrame) -> dict[str, float]:
    """Expected calibration error by organ (Naeini and others 2015): mean gap of confidence and right, weighted by voxels.

    Args:
        table: see `calibration`.
    """
    gaps = (table["confidence"] - table["right"]).abs() * table["voxels"]
    sums = pd.DataFrame({"gap": gaps, "voxels": table["voxels"], "organ": table["organ"]}).groupby("organ", observed=True).sum()
    values: NDArray[np.float64] = (sums["gap"] / sums["voxels"]).to_numpy(np.float64)
    return dict(zip(sums.index.astype(str), (float(value) for value in values), strict=True))


def dice_along_body(table: pd.DataFrame, *, source: str) -> go.Figure:
    """Pooled Dice by relative position along z, and how many scans stand behind it.

    Args:
        table: see `core.charts.where.along_body`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.74, 0.26], vertical_spacing=0.06)
    for each in ORGANS:
        rows = table[table["organ"] == each.name]
        carried = places(rows, "scans")
        figure.add_scatter(
            x=rows["centre"], y=rows["dice"], name=each.title, mode="lines+markers", line={"color": each.chart},
            marker={"size": 9}, customdata=carried, row=1, col=1,
            hovertemplate="%{x:.0%} of the way down<br>Dice %{y:.3f}, %{customdata[3]} scans<br>"
            "worst: %{customdata[0]}, slice %{customdata[1]}<extra>" + each.title + "</extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=rows["centre"], y=rows["scans"], mode="lines", line={"color": each.chart, "shape": "hvh"}, showlegend=False,
            hovertemplate="%{y} scans<extra>" + each.title + "</extra>", row=2, col=1,
        )  # fmt: skip
    figure.update_yaxes(title="Dice, voxels pooled", range=DICE_RANGE, row=1, col=1)
    figure.update_yaxes(title="scans", rangemode="tozero", row=2, col=1)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    labels = ["first slice<br>(head)", "20%", "40%", "60%", "80%", "last slice<br>(foot)"]
    figure.update_xaxes(range=[-0.03, 1.03], tickvals=ticks, ticktext=labels, zeroline=False)
    note = "Dice of all slices at that height together, and the scans that have the organ there. A click opens the worst slice."
    return framed(figure, title="Where in the body does it fail?", source=f"{note}<br>{source}", height=430)


def dice_by_volume(scans: pd.DataFrame, *, source: str) -> go.Figure:
    """Dice against the organ's volume in the reference; scans whose reference has none of it are left out."""
    unit = "ml" if scans["reference_ml"].notna().any() else "voxels"
    figure = go.Figure()
    known = scans[(scans["reference_voxels"] > 0) & scans[f"reference_{unit}"].notna()]
    for each in ORGANS:
        rows = known[known["organ"] == each.name]
        figure.add_trace(
            points(len(known))(
                x=rows[f"reference_{unit}"], y=rows["dice"], name=f"{each.title} ({len(rows):,})", mode="markers",
                marker={"color": each.chart, "size": 7, "opacity": 0.7, "symbol": symbols(rows["outcome"])},
                customdata=places(rows, "outcome"),
                hovertemplate="%{customdata[0]}<br>%{x:,.0f} " + unit + ", Dice %{y:.3f} (%{customdata[3]})<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title=f"volume in the reference, {unit} (logarithmic)", type="log")
    if len(known):
        ticks, labels = tens(known[f"reference_{unit}"])
        figure.update_xaxes(tickvals=ticks, ticktext=labels)
    figure.update_yaxes(title="Dice of the whole scan", range=DICE_RANGE)
    note = "Dice falls on small organs by its own nature. Cross: missed organ. In brackets: scans."
    return framed(figure, title="Is a low Dice just a small organ?", source=f"{note}<br>{source}", height=380)


def confidence_and_dice(scans: pd.DataFrame, bins: pd.DataFrame, errors: dict[str, float], *, source: str) -> go.Figure:
    """Left, each scan's confidence against its Dice; right, of what was drawn at some confidence, how much is right.

    Args:
        scans: see `core.charts.where.scan_confidence`.
        bins: see `core.charts.where.calibration`.
        errors: see `core.charts.where.calibration_error`.
    """
    gap = "".join(f"{each.title} {errors[each.name]:.3f}  " for each in ORGANS if each.name in errors)
    heads = ["Each scan: is a low Dice announced?", "All slices: how much of it is right?"]
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.09, subplot_titles=heads)
    for each in ORGANS:
        rows = scans[scans["organ"] == each.name]
        figure.add_trace(
            points(len(scans))(
                x=rows["confidence"], y=rows["dice"], name=each.title, mode="markers", legendgroup=each.name,
                marker={"color": each.chart, "size": 7, "opacity": 0.7, "symbol": symbols(rows["outcome"])},
                customdata=places(rows),
                hovertemplate="%{customdata[0]}<br>confidence %{x:.3f}, Dice %{y:.3f}<extra></extra>",
            ), row=1, col=1,
        )  # fmt: skip
        mine = bins[bins["organ"] == each.name]
        figure.add_scatter(
            x=mine["confidence"], y=mine["right"], mode="lines+markers", line={"color": each.chart}, marker={"size": 9},
            legendgroup=each.name, showlegend=False, customdata=places(mine, "slices"), row=1, col=2,
            hovertemplate="confidence %{x:.3f}: %{y:.1%} of the drawn voxels are right<br>%{customdata[3]:,} slices<br>"
            "worst: %{customdata[0]}, slice %{customdata[1]}<extra>" + each.title + "</extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dot"}, name="calibrated", hoverinfo="skip", row=1, col=2
    )
    lowest = min([0.5, *scans["confidence"].tolist(), *bins["confidence"].tolist()])
    figure.update_xaxes(title="mean confidence where drawn", range=[max(lowest - 0.03, 0), 1.01])
    figure.update_yaxes(title="Dice of the scan", range=DICE_RANGE, row=1, col=1)
    figure.update_yaxes(title="share of voxels that are right", range=DICE_RANGE, row=1, col=2)
    note = f"Below the dotted line the network is too sure. Expected calibration error: {gap or 'unknown'}"
    framed(figure, title="Does its confidence tell when it is wrong?", source=f"{note}<br>{source}", height=400)
    return figure.update_layout(margin_t=108, height=508, legend_y=1.06)
