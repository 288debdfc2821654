"""The sections of *Metrics*: each asks `core` for a table and shows it as a figure whose marks open their scan."""

from collections.abc import Collection, Mapping

import pandas as pd
import streamlit as st

from core.charts.mistakes import confusion, confusion_map, kinds_of_error, kinds_stacked
from core.charts.overview import overview_table, summary_without, trend, trend_over_runs
from core.charts.scores import by_patient, dice_bars, dice_distribution, patient_heatmap, worst_first
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
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.charts import open_place, show_chart
from dashboard.components.common.headline import counted, headline
from dashboard.components.common.hidden_scores import hidden_rounds
from dashboard.components.common.paging import page_of
from dashboard.components.common.sections import csv_button
from dashboard.components.common.selection import Selection
from dashboard.components.common.text import escape_markdown
from dashboard.components.metrics.report_button import report_button
from dashboard.state import link

SCANS_A_PAGE, PATIENTS_A_PAGE = 40, 40
UNKNOWN_VOLUME = "of unknown volume left out: no spacing is stated, or slices are missing in between."
LEAK_KIND = {"patient-clean": "green", "leaked": "red", "unknown": "orange"}


def overview(evaluation: Evaluation, disputed: Mapping[str, str]) -> None:
    """Every score with its interval and count; the same without disputed scans; the trend over runs; the report."""
    headline(evaluation)
    table = overview_table(evaluation.summary, leak=evaluation.badge.text)
    _scores(table, f"{evaluation.run}-{evaluation.name}-overview")
    if disputed:
        kept = evaluation.summary["scan_count"] - len(disputed)
        st.markdown(
            f"**Without the {counted(len(disputed), 'scan')} whose reference is disputed** ({counted(kept, 'scan')} left)"
        )
        left = overview_table(summary_without(cached.scans(evaluation), list(disputed)), leak=evaluation.badge.text)
        _scores(left, f"{evaluation.run}-{evaluation.name}-overview-without-disputed")
        with st.expander("Which scans are disputed, and why"):
            st.dataframe(pd.DataFrame(disputed.items(), columns=["Scan", "Reason"]), hide_index=True)
    else:
        st.caption("No reference of these scans is disputed, by the data set's list or by a reader.")
    _trend(evaluation)
    with st.expander("How these numbers are made"):
        rules = {
            escape_markdown(str(name)): escape_markdown(str(rule)) for name, rule in evaluation.summary["conventions"].items()
        }
        st.table(pd.Series(rules, name="convention"))
    with st.container(horizontal=True):
        csv_button(cached.scans(evaluation), name=f"{evaluation.run}-{evaluation.name}-scans", label="All scores as CSV")
        report_button(evaluation, disputed)


def _scores(table: pd.DataFrame, name: str) -> None:
    colours = [LEAK_KIND[text.partition(" ")[0]] for text in table["Leak"]]
    shown = table.assign(Leak=[f":{colour}[{text}]" for colour, text in zip(colours, table["Leak"], strict=True)])
    st.table(shown.set_index(table.columns[0]))
    csv_button(table, name=name)


def _trend(evaluation: Evaluation) -> None:
    if evaluation.is_external:
        st.caption(f"No trend over runs: {escape_markdown(evaluation.run)} was not trained here. *Compare* lays it beside a run.")
        return
    found = [each for each in cached.evaluations() if each.name == evaluation.name and not each.is_external]
    others = hidden_rounds(each for each in found if each.run != evaluation.run)
    same = [each for each in found if each.run not in {view.evaluation.run for view in others}]
    if len(same) < 2:
        st.caption("The trend over runs appears once a second run is evaluated on this split.")
        return
    carried = show_chart(
        trend_over_runs(trend(same), source=as_text(evaluation.name)), key="trend", name=f"{evaluation.name}-trend"
    )
    if carried:
        st.switch_page("views/metrics.py", query_params=link(run=carried[0], evaluation=carried[1]))


def organs(chosen: Selection) -> None:
    """Distribution per organ, sorted bars and the patients' heat map."""
    distribution = dice_distribution(chosen.scans, source=chosen.source)
    open_place(chosen.evaluation, show_chart(distribution, key="spread", name=f"{chosen.file_name}-distribution"))
    order = worst_first(chosen.scans)
    page = page_of(len(order), SCANS_A_PAGE, "scans, worst first", key="bars_page")
    bars = dice_bars(chosen.scans, order[page], source=chosen.source)
    open_place(chosen.evaluation, show_chart(bars, key="bars", name=f"{chosen.file_name}-scans"))
    table = by_patient(chosen.scans)
    patients = list(dict.fromkeys(table["patient"]))
    page = page_of(len(patients), PATIENTS_A_PAGE, "patients, worst first", key="patients_page")
    heatmap = patient_heatmap(table, patients[page], source=chosen.source)
    open_place(chosen.evaluation, show_chart(heatmap, key="patients", name=f"{chosen.file_name}-patients"))
    _csv(chosen, chosen.scans, "scans")


def where(chosen: Selection) -> None:
    """Dice along the body, and against the organ's volume."""
    crosswise = cached.crosswise_scans(chosen.evaluation)
    _left_out(chosen, cached.partial_scans(chosen.evaluation), "partial scan", "nobody knows how far down their slices lie")
    _left_out(chosen, crosswise, "coronal or sagittal scan", "their slices don't lead from head to foot")
    along = along_body(chosen.slices, crosswise=crosswise)
    figure = dice_along_body(along, source=chosen.source)
    open_place(chosen.evaluation, show_chart(figure, key="along", name=f"{chosen.file_name}-along-body"))
    _csv(chosen, along, "along-body")
    figure = dice_by_volume(chosen.scans, source=chosen.source)
    open_place(chosen.evaluation, show_chart(figure, key="by_volume", name=f"{chosen.file_name}-by-volume"))


def _left_out(chosen: Selection, scans: Collection[str], noun: str, why: str) -> None:
    count = chosen.scans.loc[chosen.scans["scan"].isin(list(scans)), "scan"].nunique()
    if count:
        st.caption(f"The Dice along the body leaves out {counted(count, noun)}: {why}.")


def volumes(chosen: Selection) -> None:
    """Bland and Altman's plot of each organ."""
    pairs = volume_pairs(chosen.scans)
    if pairs.empty:
        st.info(
            "Volumes are unknown: the data set states no spacing, or slices are missing between those given; "
            "give `--spacing_mm` when it is prepared.",
            icon=":material/straighten:",
        )
        return
    unknown = chosen.scans.loc[chosen.scans["reference_ml"].isna(), "scan"].nunique()
    if unknown:
        st.caption(f"{counted(unknown, 'scan')} {UNKNOWN_VOLUME}")
    found = volume_agreement(chosen.scans)
    figure = bland_altman(pairs, found, source=chosen.source)
    open_place(chosen.evaluation, show_chart(figure, key="bland_altman", name=f"{chosen.file_name}-volumes"))
    table = pd.DataFrame([{"organ": organ} | vars(each) for organ, each in found.items()])
    _csv(chosen, table, "bland-altman")


def confidence(chosen: Selection) -> None:
    """Confidence against Dice, and the reliability of what was drawn."""
    scans, bins = scan_confidence(chosen.slices, chosen.scans), calibration(chosen.slices)
    if bins.empty:
        st.info("Nobody knows the confidence here: these predictions came without one.", icon=":material/help:")
        return
    figure = confidence_and_dice(scans, bins, calibration_error(bins), source=chosen.source)
    open_place(chosen.evaluation, show_chart(figure, key="confidence", name=f"{chosen.file_name}-confidence"))
    _csv(chosen, bins, "calibration")


def mistakes(chosen: Selection) -> None:
    """The confusion between classes and the kinds of error."""
    pairs, kinds = confusion(chosen.scans, chosen.errors), kinds_of_error(chosen.scans, chosen.errors)
    if pairs.left_out:
        st.caption(f"{counted(pairs.left_out, 'scan')} {UNKNOWN_VOLUME}")
    figure = confusion_map(pairs, source=chosen.source)
    open_place(chosen.evaluation, show_chart(figure, key="confusion", name=f"{chosen.file_name}-confusion"))
    _csv(chosen, pairs.table.assign(unit=pairs.unit, over_scans=pairs.scans), "confusion")
    figure = kinds_stacked(kinds, source=chosen.source)
    open_place(chosen.evaluation, show_chart(figure, key="kinds", name=f"{chosen.file_name}-kinds"))
    _csv(chosen, kinds.table.assign(unit=kinds.unit, over_scans=kinds.scans), "kinds")


def _csv(chosen: Selection, table: pd.DataFrame, what: str) -> None:
    csv_button(table, name=f"{chosen.file_name}-{what}", leak=chosen.evaluation.badge.text)
