"""The report of an evaluation: one HTML file with the figures of *Metrics* that opens without a network, to be mailed."""

from collections.abc import Mapping

import pandas as pd

from core.charts.mistakes import confusion, confusion_map, kinds_of_error, kinds_stacked
from core.charts.overview import overview_table, summary_without
from core.charts.scores import dice_bars, dice_distribution, worst_first
from core.charts.style import as_text
from core.charts.volumes import bland_altman, volume_agreement, volume_pairs
from core.charts.where import (
    along_body,
    calibration,
    calibration_error,
    confidence_and_dice,
    dice_along_body,
    dice_by_volume,
    scan_confidence,
)
from core.reports.page import Section, figure, html_page, paragraph, table
from core.runs.registry import Evaluation

WORST = 40
"""Scans in the bars of the worst; all are in the distribution."""


def evaluation_report(evaluation: Evaluation, disputed: Mapping[str, str]) -> str:
    """The whole report as one HTML document; scan ids stand in it, so it goes only where patient data may.

    Args:
        disputed: see `core.charts.overview.disputed_in`.

    Raises:
        WorkspaceError: a table is missing or damaged.
    """
    summary, leak = evaluation.summary, evaluation.badge.text
    scans, slices, errors = evaluation.scans(), evaluation.slices(), evaluation.errors()
    source = f"{as_text(evaluation.run)} · {as_text(evaluation.name)} · leak: {leak}"
    sections = [
        _overview(evaluation, scans, disputed),
        _dice(scans, source),
        _where(evaluation, scans, slices, source),
        _volumes(scans, source),
        _confidence(scans, slices, source),
        _mistakes(scans, errors, source),
        Section("How these numbers are made", [table(_conventions(summary["conventions"]))]),
    ]
    title = f"Evaluation of {evaluation.run} on {evaluation.name}"
    made = f"{evaluation.extent}, evaluated {summary['created_at'][:10]}"
    return html_page(title, sections, badge=leak, subtitle=made)


def _overview(evaluation: Evaluation, scans: pd.DataFrame, disputed: Mapping[str, str]) -> Section:
    leak = evaluation.badge.text
    parts = [table(overview_table(evaluation.summary, leak=leak))]
    if disputed:
        parts.append(paragraph(f"Without the {len(disputed)} of these scans whose reference is disputed:"))
        parts.append(table(overview_table(summary_without(scans, list(disputed)), leak=leak)))
        parts.append(table(pd.DataFrame(disputed.items(), columns=["Disputed scan", "Reason"])))
    return Section("Overview", parts)


def _dice(scans: pd.DataFrame, source: str) -> Section:
    worst = worst_first(scans)[:WORST]
    bars = dice_bars(scans, worst, source=source)
    parts = [figure(dice_distribution(scans, source=source), height=480), figure(bars, height=440)]
    return Section("Dice per organ", parts)


def _where(evaluation: Evaluation, scans: pd.DataFrame, slices: pd.DataFrame, source: str) -> Section:
    table = along_body(slices, crosswise=evaluation.crosswise_scans)
    along = figure(dice_along_body(table, source=source), height=520)
    return Section("Where it fails", [along, figure(dice_by_volume(scans, source=source), height=470)])


def _volumes(scans: pd.DataFrame, source: str) -> Section:
    pairs = volume_pairs(scans)
    if pairs.empty:
        return Section("Volumes", [paragraph("Volumes are unknown: the spacing is not stated, or slices are missing.")])
    unknown = scans.loc[scans["reference_ml"].isna(), "scan"].nunique()
    left_out = [paragraph(f"Scans of unknown volume, left out: {unknown:,}.", quiet=True)] if unknown else []
    return Section("Volumes", [*left_out, figure(bland_altman(pairs, volume_agreement(scans), source=source), height=490)])


def _confidence(scans: pd.DataFrame, slices: pd.DataFrame, source: str) -> Section:
    bins = calibration(slices)
    if bins.empty:
        return Section("Confidence", [paragraph("The confidence of these predictions is unknown.")])
    drawn = confidence_and_dice(scan_confidence(slices, scans), bins, calibration_error(bins), source=source)
    return Section("Confidence", [figure(drawn, height=510)])


def _mistakes(scans: pd.DataFrame, errors: pd.DataFrame, source: str) -> Section:
    pairs, kinds = confusion(scans, errors), kinds_of_error(scans, errors)
    parts = [
        figure(confusion_map(pairs, source=source), height=420),
        figure(kinds_stacked(kinds, source=source), height=440),
    ]
    return Section("Mistakes", parts)


def _conventions(conventions: Mapping[str, object]) -> pd.DataFrame:
    return pd.DataFrame([(key.replace("_", " "), str(text)) for key, text in conventions.items()], columns=["", "Convention"])
