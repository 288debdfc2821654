"""Two evaluations side by side: differences per organ, and every scan that changed."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from core.charts.style import GREY, framed, places, points, signed
from core.evaluation.compare import Difference
from core.labels import ALL_ORGANS, ORGANS, TITLES

BETTER, WORSE = "#2a7f9e", "#b06c14"
"""Not the organs' colours: a gain and a loss over several organs."""


def difference_forest(differences: Sequence[Difference], *, source: str) -> go.Figure:
    """Difference of the mean Dice per organ, B less A, with its interval over patients.

    Args:
        differences: those of one score, see `core.evaluation.compare.compare`.
    """
    figure = go.Figure()
    colours = {each.name: each.chart for each in ORGANS}
    for each in differences:
        if each.difference is None:
            continue
        title, colour = TITLES[each.organ], colours.get(each.organ, GREY)
        low, high = (each.difference if edge is None else edge for edge in (each.low, each.high))
        figure.add_scatter(
            x=[each.difference], y=[title], mode="markers", marker={"color": colour, "size": 13}, showlegend=False,
            error_x={"type": "data", "symmetric": False, "array": [high - each.difference],
                     "arrayminus": [each.difference - low], "thickness": 2, "width": 7},
            hovertemplate=f"{title}: {signed(each.difference, 3)} ({signed(low, 3)} to {signed(high, 3)})<br>"
            f"{each.scans:,} scans of {each.patients:,} patients<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_xaxes(title="difference of the mean Dice: left of 0, B is worse; right of 0, B is better", zeroline=False)
    figure.update_yaxes(categoryorder="array", categoryarray=[TITLES[ALL_ORGANS], *[each.title for each in reversed(ORGANS)]])
    note = "Point: B less A over the same scans. Line: 95% interval over patients; where it crosses 0, B may be no better."
    return framed(figure, title="Is B better than A?", source=f"{note}<br>{source}", height=230, legend=False)


def scan_changes(changes: pd.DataFrame, *, source: str) -> go.Figure:
    """Each scan's change in mean Dice, from the largest loss to the largest gain.

    Args:
        changes: see `core.evaluation.compare.Comparison`.
    """
    figure = go.Figure()
    rows = changes.reset_index(drop=True)
    rows["most"] = [most_changed(*each) for each in zip(rows["organ"], rows["organ_difference"], strict=True)]
    sides = (("worse", WORSE, rows["difference"] < 0), ("the same", GREY, rows["difference"] == 0),
             ("better", BETTER, rows["difference"] > 0))  # fmt: skip
    for word, colour, which in sides:
        mine = rows[which]
        figure.add_trace(
            points(len(rows))(
                x=mine.index + 1, y=mine["difference"], mode="markers", name=f"{len(mine):,} {word}",
                marker={"color": colour, "size": 7}, customdata=places(mine, "dice_a", "dice_b", "most"),
                hovertemplate="%{customdata[0]}<br>mean Dice %{customdata[3]:.3f} → %{customdata[4]:.3f}<br>"
                "most: %{customdata[5]}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": GREY, "width": 1.5})
    figure.update_xaxes(title="scans, from the largest loss to the largest gain")
    figure.update_yaxes(title="change of the mean Dice, B less A", zeroline=False)
    note = "A click opens the scan with both runs side by side."
    return framed(figure, title="Which scans got worse, and which better?", source=f"{note}<br>{source}", height=320)


def most_changed(organ: str, difference: float) -> str:
    """The organ that changed most in a scan, and by how much."""
    return f"{TITLES[organ]} {'drawn falsely in one' if pd.isna(difference) else signed(difference, 3)}"
