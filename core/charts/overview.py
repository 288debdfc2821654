"""The overview of an evaluation: every score with its interval and count, without disputed scans, and over runs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.charts.scores import DICE_RANGE, score_title
from core.charts.style import FLAG, as_text, framed
from core.data.manifest import read_manifest
from core.evaluation.disputes import disputed_scans
from core.labels import ALL_ORGANS, ORGANS, TITLES
from core.metrics.surface import nsd_columns
from core.metrics.tables import over_all_organs, summarise
from core.reviews.store.events import Verdict
from core.reviews.store.state import ScanReview
from core.runs.registry import Evaluation

COUNTS = {
    "missed": "Missed: in the reference, nothing drawn",
    "false_alarm": "False alarms: drawn, not in the reference",
    "absent": "Scans without the organ (left out)",
}
READER_REASON = "a reader's verdict: the reference is wrong"


def overview_table(summary: Mapping[str, Any], *, leak: str) -> pd.DataFrame:
    """One row a score, one column an organ, each cell the mean, its 95% interval over patients and the scans behind it.

    Args:
        summary: ``evaluation.json``, or what `summary_without` gives.
        leak: text of the leak badge, beside every score.
    """
    organs = summary["organs"]
    nsd = sorted(nsd_columns(next(iter(organs.values()))))
    scores = ["dice", "hd95_mm", *nsd, "volume_error_ml", "absolute_volume_error_ml"]
    columns = {organ.title: organs[organ.name] for organ in ORGANS} | {TITLES[ALL_ORGANS]: summary["all_organs"]}
    rows = [
        {"Mean over scans (95% interval over patients)": score_title(name)}
        | {column: _cell(row, name, 1 if name.endswith(("_mm", "_ml")) else 3) for column, row in columns.items()}
        | {"Leak": leak}
        for name in scores
    ]
    counts = [
        {"Mean over scans (95% interval over patients)": title}
        | {column: _count(row[name], "scan") for column, row in columns.items()}
        | ({} if name == "absent" else {TITLES[ALL_ORGANS]: _count(summary["all_organs"][name], "organ")})
        | {"Leak": leak}
        for name, title in COUNTS.items()
    ]
    return pd.DataFrame([*rows, *counts])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cell(row: Mapping[str, Any], name: str, digits: int) -> str:
    if name not in row:
        return "–"  # millilitres have no mean over organs
    # Older evaluations have neither intervals nor counts of their own.
    mean, interval = row[name], (row.get("intervals") or {}).get(name)
    scans = (row.get("counts") or {}).get(name, row["scans"])
    if mean is None:
        return "undefined"
    spread = f" ({interval['low']:.{digits}f} to {interval['high']:.{digits}f})" if interval else ""
    # A true minus: a cell that begins with a hyphen is taken for a formula by a spreadsheet.
    return f"{mean:.{digits}f}{spread}, {_count(scans, 'scan')}".replace("-", "\N{MINUS SIGN}")


def disputed_in(evaluation: Evaluation, reviews: Sequence[Mapping[str, ScanReview]]) -> dict[str, str]:
    """Scans of an evaluation whose reference is disputed, with the reason: the data set's list, and readers' verdicts.

    Args:
        reviews: the present state by scan, of every evaluation of the same split.

    Raises:
        DatasetError: the data set's list cannot be read.
    """
    root = evaluation.dataset_root
    listed = disputed_scans(root, read_manifest(root)) if root.is_dir() else {}
    by_readers = {
        scan: READER_REASON
        for each in reviews
        for scan, review in each.items()
        if Verdict.REFERENCE_WRONG in review.verdicts.values()
    }
    return {scan: reason for scan, reason in (by_readers | listed).items() if scan in evaluation.facts}


def summary_without(scans: pd.DataFrame, left_out: Collection[str]) -> dict[str, Any]:
    """``organs`` and ``all_organs`` as in ``evaluation.json``, of the scans that are not left out."""
    kept = scans[~scans["scan"].isin(list(left_out))]
    return {"organs": summarise(kept), "all_organs": over_all_organs(kept)}


TREND_COLUMNS = ["run", "evaluation", "created_at", "organ", "dice", "low", "high", "scans", "leak"]


def trend(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Mean Dice per organ of each evaluation, oldest first, as ``evaluation.json`` holds it: columns `TREND_COLUMNS`.

    Evaluations of other tools' label maps are left out: they are no step of a training.
    """
    rows = []
    trained = [each for each in evaluations if not each.is_external]
    for each in sorted(trained, key=lambda one: str(one.summary.get("created_at", ""))):
        for organ in ORGANS:
            stored = each.summary["organs"][organ.name]
            interval = (stored.get("intervals") or {}).get("dice") or {}
            score = {"organ": organ.name, "dice": stored["dice"], "low": interval.get("low"), "high": interval.get("high")}
            facts = {"run": each.run, "evaluation": each.name, "created_at": each.summary.get("created_at", "")}
            rows.append(facts | score | {"scans": stored["scans"], "leak": each.badge.text})
    return pd.DataFrame(rows, columns=TREND_COLUMNS)


def trend_over_runs(table: pd.DataFrame, *, source: str) -> go.Figure:
    """Mean Dice per organ of each run on the same split, oldest first, with its interval over patients.

    Args:
        table: see `core.charts.overview.trend`.
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
