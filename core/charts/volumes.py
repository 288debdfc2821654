"""Do the volumes agree: Bland and Altman's plot, per organ."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.charts.style import GREY, framed, places, points, signed, symbols
from core.charts.volumes_table import VolumeAgreement
from core.labels import ORGANS


def bland_altman(pairs: pd.DataFrame, agreements: dict[str, VolumeAgreement], *, source: str) -> go.Figure:
    """Difference of the volumes against their mean, with bias and limits of agreement.

    Args:
        pairs: see `core.charts.volumes_table.volume_pairs`.
        agreements: see `core.charts.volumes_table.volume_agreement`.
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
