"""Do the volumes agree? Bland and Altman's bias, limits of agreement and plot, per organ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.charts.style import GREY, framed, places, points, signed, symbols
from core.labels import ORGAN_NAMES, ORGANS

LIMIT = 1.96
FEWEST = 3
"""Fewest scans for limits of agreement."""


@dataclass(frozen=True)
class VolumeAgreement:
    """Bias and limits of agreement of an organ's volume (Bland and Altman, Lancet 1986).

    Every scan counts once, scans of one patient as if they were independent of each other; scans where neither side has the
    organ, or whose spacing is unknown, are left out.
    """

    scans: int
    bias_ml: float
    """Mean of prediction less reference."""
    low_ml: float | None
    """Bias less 1.96 standard deviations (with n - 1); ``None`` for fewer than `FEWEST` scans."""
    high_ml: float | None


def volume_pairs(scans: pd.DataFrame) -> pd.DataFrame:
    """``scans.parquet`` with ``mean_ml`` (of both sides) and ``difference_ml``, of the scans whose volumes are known."""
    known = scans[scans["volume_error_ml"].notna()]
    mean = (known["reference_ml"] + known["prediction_ml"]) / 2
    return known.assign(mean_ml=mean, difference_ml=known["volume_error_ml"])


def volume_agreement(scans: pd.DataFrame) -> dict[str, VolumeAgreement]:
    """The agreement of each organ that has a scan with known volumes.

    Args:
        scans: ``scans.parquet``, see `core.metrics.tables.scan_rows`.
    """
    pairs = volume_pairs(scans)
    found = {}
    for organ in ORGAN_NAMES:
        values = pairs.loc[pairs["organ"] == organ, "difference_ml"].to_numpy(np.float64)
        if len(values):
            bias = float(values.mean())
            reach = LIMIT * float(values.std(ddof=1)) if len(values) >= FEWEST else None
            limits = (None, None) if reach is None else (bias - reach, bias + reach)
            found[organ] = VolumeAgreement(len(values), bias, *limits)
    return found


def bland_altman(pairs: pd.DataFrame, agreements: dict[str, VolumeAgreement], *, source: str) -> go.Figure:
    """Difference of the volumes against their mean, with bias and limits of agreement.

    Args:
        pairs: see `core.charts.volumes.volume_pairs`.
        agreements: see `core.charts.volumes.volume_agreement`.
    """
    heads = [_head(each.title, agreements.get(each.name)) for each in ORGANS]
    figure = make_subplots(rows=1, cols=len(ORGANS), subplot_titles=heads, horizontal_spacing=0.07)
    for column, each in enumerate(ORGANS, start=1):
        rows = pairs[pairs["organ"] == each.name]
        figure.add_trace(
            points(len(pairs))(
                x=rows["mean_ml"], y=rows["difference_ml"], mode="markers", name=each.title, showlegend=False,
                marker={"color": each.chart, "size": 7, "opacity": 0.7, "symbol": symbols(rows["outcome"])},
                customdata=places(rows, "outcome"),
                hovertemplate="%{customdata[0]}<br>prediction less reference %{y:+,.1f} ml<br>mean of both %{x:,.0f} ml"
                "<extra></extra>",
            ), row=1, col=column,
        )  # fmt: skip
        found = agreements.get(each.name)
        lines = [(found.bias_ml, "solid"), (found.low_ml, "dash"), (found.high_ml, "dash")] if found else []
        for level, dash in lines:
            if level is not None:
                figure.add_hline(y=level, line={"color": GREY, "dash": dash, "width": 1.5}, row=1, col=column)
    figure.update_xaxes(title="mean of both, ml", rangemode="tozero")
    figure.update_yaxes(title="prediction less reference, ml", row=1, col=1)
    note = "Solid line: bias. Dashed: limits of agreement, bias ± 1.96 SD. Cross: missed organ or false alarm."
    framed(figure, title="Do the volumes agree?", source=f"{note}<br>{source}", height=360, legend=False)
    return figure.update_layout(margin_t=144, height=504)


def _head(title: str, found: VolumeAgreement | None) -> str:
    if found is None:
        return f"{title}: no known volume"
    bias = f"bias {signed(found.bias_ml)} ml"
    if found.low_ml is None or found.high_ml is None:
        return f"{title}, {found.scans:,} scans<br>{bias}<br>too few for limits"
    return f"{title}, {found.scans:,} scans<br>{bias}<br>limits {signed(found.low_ml)} to {signed(found.high_ml)} ml"
