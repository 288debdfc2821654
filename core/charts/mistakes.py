"""What is taken for what, and which kinds of error there are, in millilitres; each number with the worst place behind it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.charts.style import AMOUNT_SCALE, cells, framed, places
from core.labels import CLASSES, ORGANS, TITLES
from core.metrics.regions import ErrorKind

BACKGROUND = CLASSES[0].name
CONFUSION_COLUMNS = ["reference", "prediction", "amount", "scans", "scan", "slice", "organ"]
KIND_COLUMNS = ["organ", "kind", "amount", "regions", "scans", "scan", "slice"]


@dataclass(frozen=True)
class Amounts:
    """A table whose ``amount`` is in ``unit``."""

    table: pd.DataFrame
    unit: str
    """``ml``, or ``voxels`` where no scan's spacing is known."""
    scans: int
    """Scans that the amounts are added up over, those without an error among them: an amount a scan is divided by these."""
    left_out: int
    """Scans whose millilitres are unknown, which a table in ml leaves out."""

    @property
    def over(self) -> str:
        """Over which scans, in words."""
        rest = f" ({self.left_out:,} of unknown volume left out)" if self.left_out else ""
        return f"{self.scans:,} scan{'' if self.scans == 1 else 's'}{rest}"


def _measured(scans: pd.DataFrame, errors: pd.DataFrame) -> tuple[pd.DataFrame, str, int, int]:
    """The errors with their ``amount``, its unit, and how many scans they are of and leave out.

    A scan's millilitres are known or unknown as a whole, whether it has an error or not.
    """
    every = scans["scan"].nunique()
    known = set(scans.loc[scans["reference_ml"].notna(), "scan"])
    if not known:
        return errors.assign(amount=errors["voxels"].astype(np.float64)), "voxels", every, 0
    mine = errors[errors["scan"].isin(known)]
    return mine.assign(amount=mine["volume_ml"]), "ml", len(known), every - len(known)


def confusion(scans: pd.DataFrame, errors: pd.DataFrame) -> Amounts:
    """How much of each class was drawn as which; the off-diagonal cells add up the error regions, the diagonal is what is right.

    Background drawn as background is left out: its size is that of the picture. Each voxel that differs lies in exactly one
    region of ``errors.parquet``, so rows and columns add up to the organs' volumes.

    Args:
        scans: ``scans.parquet``.
        errors: ``errors.parquet``, see `core.metrics.regions`.

    Returns:
        Columns `CONFUSION_COLUMNS`; ``scan`` is the one with the most of that pair, ``slice`` that of its largest region
        (on the diagonal ``scan`` is the one with the lowest Dice, ``slice`` the table's, if it has any); ``organ`` is the one
        to look at.
    """
    measured, unit, count, left_out = _measured(scans, errors)
    is_extra = measured["side"] == "extra"
    pairs = measured.assign(
        reference=measured["organ"].where(~is_extra, BACKGROUND),
        prediction=measured["organ"].where(is_extra, measured["other"].where(measured["side"] == "exchanged", BACKGROUND)),
    )
    wrong = _summed(pairs, ["reference", "prediction"])
    wrong["organ"] = wrong["reference"].where(wrong["reference"] != BACKGROUND, wrong["prediction"])
    table = pd.concat([_right(scans, unit), wrong], ignore_index=True)[CONFUSION_COLUMNS]
    return Amounts(table.astype({"slice": "Int64"}), unit, count, left_out)


def _right(scans: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The diagonal: what both sides have, with the scan of the lowest Dice."""
    voxel_ml = scans["reference_ml"] / scans["reference_voxels"].where(scans["reference_voxels"] > 0)
    right = scans["both_voxels"] * (voxel_ml if unit == "ml" else 1.0)
    shared = scans.assign(amount=right)[(scans["both_voxels"] > 0) & right.notna()]
    groups = shared.groupby("organ", observed=True)
    found = groups.agg(amount=("amount", "sum"), scans=("scan", "nunique")).reset_index()
    worst = shared.loc[groups["dice"].idxmin()] if len(found) else shared
    found["scan"] = worst["scan"].to_numpy()
    found["slice"] = worst["slice"].to_numpy() if "slice" in worst else pd.NA
    return found.assign(reference=found["organ"], prediction=found["organ"])


def kinds_of_error(scans: pd.DataFrame, errors: pd.DataFrame) -> Amounts:
    """How much of each organ's error is of which kind: columns `KIND_COLUMNS`, the largest kind first.

    ``scan`` and ``slice`` name the scan with the most of that kind and the slice of its largest region there.

    Args:
        scans, errors: as in `confusion`.
    """
    measured, unit, count, left_out = _measured(scans, errors)
    table = _summed(measured, ["organ", "kind"])
    order = table.groupby("kind")["amount"].transform("sum")
    table = table.assign(order=order).sort_values(["order", "kind", "organ"], ascending=[False, True, True], ignore_index=True)
    return Amounts(table[KIND_COLUMNS], unit, count, left_out)


def _summed(regions: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Amount, regions and scans of each group, and the worst place: most of the group in one scan, its largest region."""
    columns = [*by, "amount", "regions", "scans", "scan", "slice"]
    if regions.empty:
        return pd.DataFrame(columns=columns)
    found = regions.groupby(by).agg(amount=("amount", "sum"), regions=("scan", "size"), scans=("scan", "nunique"))
    of_scan = regions.groupby([*by, "scan"])["amount"].sum().reset_index()
    worst = of_scan.loc[of_scan.groupby(by)["amount"].idxmax()].drop(columns="amount")
    inside = regions.merge(worst, on=[*by, "scan"])
    place = inside.loc[inside.groupby(by)["voxels"].idxmax()].set_index(by)[["scan", "slice"]]
    return found.join(place).reset_index()[columns]


def kind_title(kind: str) -> str:
    """What people read for a kind of error."""
    return ErrorKind(kind).label


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
        found: see `core.charts.mistakes.confusion`.
    """
    names = [each.name for each in CLASSES]
    table = found.table
    wide = table.pivot(index="reference", columns="prediction", values="amount").reindex(index=names, columns=names)
    wrong = wide.copy()
    for name in names:
        wrong.loc[name, name] = float("nan")
    amounts = wide.to_numpy(np.float64)
    figure = go.Figure()
    figure.add_heatmap(
        x=[TITLES[name] for name in names], y=[TITLES[name] for name in names], z=wrong.to_numpy(), colorscale=AMOUNT_SCALE,
        zmin=0, xgap=2, ygap=2, showscale=False, hoverinfo="skip", hoverongaps=False,
    )  # fmt: skip
    cells(
        figure,
        x=[TITLES[name] for name in table["prediction"]],
        y=[TITLES[name] for name in table["reference"]],
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
        found: see `core.charts.mistakes.kinds_of_error`.
    """
    figure = go.Figure()
    table = found.table
    for kind in [kind for kind in KIND_COLOURS if (table["kind"] == kind).any()]:
        rows = table[table["kind"] == kind]
        figure.add_bar(
            y=[TITLES[name] for name in rows["organ"]], x=rows["amount"] / max(found.scans, 1), orientation="h",
            name=kind_title(kind), marker_color=KIND_COLOURS[kind], customdata=places(rows, "regions", "scans"),
            hovertemplate="%{y}: " + kind_title(kind).lower() + "<br>%{x:,.1f} " + found.unit + " a scan; %{customdata[3]:,} "
            "regions in %{customdata[4]:,} scans<br>most in %{customdata[0]}, slice %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title=f"{found.unit} a scan, on average over {found.over}")
    figure.update_yaxes(categoryorder="array", categoryarray=[each.title for each in reversed(ORGANS)])
    note = "Purple: too little. Brown: too much. Grey: outline off by no more than 3 mm. A click opens the worst place."
    framed(figure, title="What kind of error is it?", source=f"{note}<br>{source}", height=300)
    return figure.update_layout(barmode="stack", legend=BELOW)
