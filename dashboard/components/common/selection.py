"""Which scans of an evaluation a page looks at: all, those found by name, with or without disputed references."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.charts.overview import disputed_in
from core.charts.style import as_text
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.badge import source_line
from dashboard.components.common.headline import counted


@dataclass(frozen=True)
class Selection:
    """An evaluation and the scans of it that are looked at."""

    evaluation: Evaluation
    scans: pd.DataFrame
    """Rows of ``scans.parquet`` with each organ's worst slice."""
    whole: bool
    """All scans, so that what the evaluation stored holds for them."""
    source: str
    """The second line of every chart."""

    @property
    def slices(self) -> pd.DataFrame:
        """Rows of ``slices.parquet`` of these scans."""
        return self._of(cached.slices(self.evaluation))

    @property
    def errors(self) -> pd.DataFrame:
        """Rows of ``errors.parquet`` of these scans."""
        return self._of(cached.errors(self.evaluation))

    @property
    def file_name(self) -> str:
        """Begin of the names of files that are saved."""
        return f"{self.evaluation.run}-{self.evaluation.name}"

    def _of(self, table: pd.DataFrame) -> pd.DataFrame:
        return table if self.whole else table[table["scan"].isin(set(self.scans["scan"]))]


def disputed_scans(evaluation: Evaluation) -> dict[str, str]:
    """Scans whose reference the data set's list or a reader disputes, with the reason.

    Raises:
        DatasetError, ReviewError: the list or the review store cannot be read.
    """
    store = cached.store()
    runs = [each.run for each in cached.evaluations() if each.name == evaluation.name]
    return disputed_in(evaluation, [store.reviews(run=run, evaluation=evaluation.name) for run in runs])


def everything(evaluation: Evaluation) -> Selection:
    """All scans of an evaluation."""
    source = source_line(evaluation.run, evaluation.name, evaluation.badge)
    return Selection(evaluation, cached.scans_to_look_at(evaluation), True, source)


def choose_scans(evaluation: Evaluation, disputed: Mapping[str, str]) -> Selection:
    """The row of filters, and what it leaves."""
    whole = everything(evaluation)
    left, right = st.columns([2, 3], vertical_alignment="center")
    text = left.text_input(
        "Find", placeholder="Patient or scan, such as case12", label_visibility="collapsed", key="metrics_find"
    ).strip()
    without = bool(disputed) and right.toggle(
        f"Leave out {counted(len(disputed), 'scan')} with a disputed reference",
        key="metrics_disputed",
        help="Named in the data set's list, or by a reader's verdict “The reference is wrong”.",
    )
    keep = pd.Series(True, index=whole.scans.index)
    if text:
        keep &= whole.scans["scan"].str.contains(text, case=False, regex=False)
    if without:
        keep &= ~whole.scans["scan"].isin(list(disputed))
    if keep.all():
        return whole
    scans = whole.scans[keep]
    words = [counted(int(scans["scan"].nunique()), "scan"), *([f"“{as_text(text)}”"] if text else [])]
    source = f"{whole.source} · only {', '.join(words)}{', without disputed' if without else ''}"
    return Selection(evaluation, scans, False, source)
