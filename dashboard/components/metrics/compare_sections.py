"""The sections of *Compare*."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.charts.comparison import difference_forest, scan_changes
from core.charts.run_settings import differing, evaluation_settings, evaluations_table, not_trained_here, run_config
from core.charts.scores import score_title
from core.charts.style import as_text, signed
from core.evaluation.compare import Comparison, Difference
from core.labels import ORGANS, TITLES
from core.metrics.tables import ALL_ORGANS_RULE
from core.runs.registry import Evaluation, list_runs
from dashboard import cached
from dashboard.components.common.badge import badge_words
from dashboard.components.common.charts import open_place, show_chart
from dashboard.components.common.headline import counted
from dashboard.components.common.row_table import row_table
from dashboard.components.common.sections import csv_button, headings
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import workspace

OF_SCAN = "Mean Dice over the organs that have a score in the scan."


def badges(a: Evaluation, b: Evaluation) -> None:
    """Which is A and which B, each beside its leak badge."""
    st.markdown(
        f"**A** {escape_markdown(f'{a.run} · {a.name}')} {badge_words(a.badge)} &emsp; "
        f"**B** {escape_markdown(f'{b.run} · {b.name}')} {badge_words(b.badge)}"
        " &emsp; Differences are B − A."
    )
    if {a.badge.kind, b.badge.kind} == {"leaked", "patient-clean"}:
        st.warning("One of the two knew the patients and the other did not: the difference says nothing of the models.")
    elif "unknown" in (a.badge.kind, b.badge.kind) and a.badge.kind != b.badge.kind:
        unknown = a if a.badge.kind == "unknown" else b
        st.warning(
            f"Nobody knows whether {escape_markdown(unknown.run)} was trained on these patients: "
            "the difference may be due to that."
        )


def difference(a: Evaluation, b: Evaluation) -> None:
    """Differences with interval and test, and the scans that changed; a click opens both runs side by side."""
    found = cached.comparison(a, b)
    left = "".join(f"; {counted(count, 'scan')} left out ({reason})" for reason, count in found.left_out.items())
    st.caption(
        f"{counted(found.scans, 'scan')} of {counted(found.patients, 'patient')} with the same reference on both sides{left}."
    )
    source = f"A: {as_text(found.a)}, leak: {found.leak_a}. B: {as_text(found.b)}, leak: {found.leak_b}."
    name = f"{a.run}-{b.run}-{b.name}"
    dice = [each for each in found.differences if each.score == "dice"]
    show_chart(difference_forest(dice, source=source), key="forest", name=f"{name}-differences")
    _table(found, name)
    changes = cached.changes_to_look_at(a, b)
    carried = show_chart(scan_changes(changes, source=source), key="changes", name=f"{name}-scans")
    open_place(b, carried, other=a)
    worse, better = found.most_changed(10)
    left_column, right_column = st.columns(2)
    with left_column:
        _changed("The scans that got worse most", worse, a, b, key="worse")
    with right_column:
        _changed("The scans that got better most", better, a, b, key="better")
    csv_button(changes.assign(leak_a=found.leak_a, leak_b=found.leak_b), name=f"{name}-scans", label="All scans as CSV")
    _outcomes(found, a, b)


def _table(found: Comparison, name: str) -> None:
    """Every score's difference, with interval and both tests."""
    rows = [_row(each) for each in found.differences]
    with st.expander("All scores, with Wilcoxon's signed-rank test", expanded=True):
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        st.caption(
            "Interval: 95%, bootstrap over patients. p over patients tests each patient's mean difference, since scans of one "
            "patient are not independent; p over scans takes each scan by itself. Many tests, uncorrected."
        )
        numbers = pd.DataFrame([_numbers(each) for each in found.differences])
        csv_button(numbers.assign(leak_a=found.leak_a, leak_b=found.leak_b), name=f"{name}-differences")


def _row(each: Difference) -> dict[str, str]:
    digits = 2 if each.score.endswith("mm") and each.score.startswith("hd95") else 3
    shown = "undefined" if each.difference is None else signed(each.difference, digits)
    spread = "" if each.low is None or each.high is None else f" ({signed(each.low, digits)} to {signed(each.high, digits)})"
    return {
        "Score": f"{score_title(each.score)} ({'higher' if each.higher_is_better else 'lower'} is better)",
        "Organ": TITLES[each.organ],
        "A": _number(each.a, digits),
        "B": _number(each.b, digits),
        "B − A (95%)": shown + spread,
        "Scans": f"{each.scans:,} of {each.patients:,} patients",
        "Left out, no score in A or B": f"{each.undefined:,}",
        "p over patients": _p(each.over_patients.p),
        "p over scans": _p(each.over_scans.p),
    }


def _numbers(each: Difference) -> dict[str, Any]:
    own = {key: value for key, value in vars(each).items() if not key.startswith("over_")}
    return own | {"p_over_patients": each.over_patients.p, "p_over_scans": each.over_scans.p}


def _number(value: float | None, digits: int) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"


def _p(value: float | None) -> str:
    if value is None:
        return "too few"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _changed(title: str, rows: pd.DataFrame, a: Evaluation, b: Evaluation, *, key: str) -> None:
    st.markdown(f"**{title}**")
    if rows.empty:
        st.caption("None.")
        return
    picked = row_table(
        rows.assign(organ=rows["organ"].map(TITLES)),
        key=key,
        column_order=["scan", "dice_a", "dice_b", "difference", "organ", "organ_difference"],
        column_config={
            "scan": "Scan",
            "dice_a": st.column_config.NumberColumn("A", format="%.3f", width=70, help=OF_SCAN),
            "dice_b": st.column_config.NumberColumn("B", format="%.3f", width=70, help=OF_SCAN),
            "difference": st.column_config.NumberColumn("Change", format="%+.3f", width=80),
            "organ": "Most changed",
            "organ_difference": st.column_config.NumberColumn("by", format="%+.3f"),
        },
    )
    if picked is not None:
        row = rows.iloc[picked]
        open_place(b, [row["scan"], None, row["organ"]], other=a)


def _outcomes(found: Comparison, a: Evaluation, b: Evaluation) -> None:
    with st.expander(f"Changed outcomes ({len(found.outcomes):,})"):
        if found.outcomes.empty:
            st.caption("None: every organ is scored, missed or absent in both.")
            return
        shown = found.outcomes.assign(organ=found.outcomes["organ"].map(TITLES))
        picked = row_table(shown, key="outcomes", column_config=headings(shown))
        if picked is not None:
            row = found.outcomes.iloc[picked]
            open_place(b, [row["scan"], None, row["organ"]], other=a)


def all_runs(evaluations: Sequence[Evaluation]) -> None:
    """A table of all evaluated runs, to be sorted and filtered."""
    table = evaluations_table(list_runs(workspace()), evaluations)
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="center")
    text = left.text_input("Find", placeholder="Run", label_visibility="collapsed", key="runs_find").strip()
    splits = middle.multiselect(
        "Data set", sorted(set(table["evaluation"])), placeholder="Any data set", label_visibility="collapsed", key="runs_data"
    )
    clean = right.toggle("Clean only", help="Runs that never saw the patients they are measured on.", key="runs_clean")
    keep = table["run"].str.contains(text, case=False, regex=False)
    keep &= table["evaluation"].isin(splits) if splits else True
    keep &= (table["leak"] == "patient-clean") if clean else True
    if not keep.any():
        st.info("No run matches the filters; clear them to see all.", icon=":material/search_off:")
        return
    dice = {f"dice_{organ.name}": st.column_config.NumberColumn(organ.title, format="%.3f") for organ in ORGANS}
    st.dataframe(
        table[keep],
        hide_index=True,
        key="all_runs",
        column_config=dice
        | {
            "run": st.column_config.TextColumn("Run", pinned=True),
            "evaluation": "Evaluation",
            "created_at": st.column_config.DatetimeColumn("Evaluated", format="D MMM YYYY"),
            "leak": "Leak",
            "scans": "Scans",
            "dice": st.column_config.NumberColumn("All organs", format="%.3f", help=f"Dice: {ALL_ORGANS_RULE}."),
            "hd95_mm": st.column_config.NumberColumn("HD95, mm", format="%.1f", help=f"All organs: {ALL_ORGANS_RULE}."),
            "missed": st.column_config.NumberColumn("Missed", help="Organs of scans, over all organs."),
            "false_alarms": "False alarms",
        },
    )
    st.caption(f"{counted(int(keep.sum()), 'evaluation')}. A click on a column's head sorts. Scores of leaked runs are too good.")
    csv_button(table[keep], name="runs")


def settings(a: Evaluation, b: Evaluation) -> None:
    """Only what differs in the runs' settings and in how they were evaluated."""
    _trained(a, b)
    evaluated = differing(evaluation_settings(a), evaluation_settings(b))
    _settings("Evaluation", evaluated, "The two were evaluated alike.", key="evaluation")


def _trained(a: Evaluation, b: Evaluation) -> None:
    if told := not_trained_here(a, b):
        st.subheader("Training", anchor=False)
        st.caption(escape_links(told))
        return
    runs = {run.name: run for run in list_runs(workspace())}
    configs = {name: run_config(runs[name]) for name in (a.run, b.run)}
    unknown = [name for name, config in configs.items() if not config]
    if unknown:
        st.subheader("Training", anchor=False)
        st.caption(f"No settings to compare: none are stored of {escape_markdown(' and '.join(unknown))}.")
        return
    table = differing(configs[a.run], configs[b.run])
    same = "A and B are of one run." if a.run == b.run else "The two runs were trained with the same settings."
    _settings("Training", table, same, key="training")


def _settings(title: str, table: pd.DataFrame, same: str, *, key: str) -> None:
    st.subheader(title, anchor=False)
    if table.empty:
        st.caption(same)
        return
    config = {"setting": "Setting", "a": "A", "b": "B"}
    st.dataframe(table, hide_index=True, column_config=config, key=f"settings_{key}")
    csv_button(table, name=f"settings-{key}")
