"""The list of cases: one row a scan, with the Dice of each organ and what readers said."""

from collections.abc import Mapping

import pandas as pd

from core.labels import ORGAN_NAMES, TITLES
from core.metrics.tables import mean_over_organs

OUTCOME_WORDS = {"missed": "missed", "false_alarm": "false alarm", "absent": "absent"}


def case_table(scans: pd.DataFrame, states: Mapping[str, str]) -> pd.DataFrame:
    """One row a scan from the long table of an evaluation, worst first.

    Args:
        scans: ``scans.parquet``, see `core.metrics.tables.scan_rows`.
        states: review state by scan; scans without one are ``Unreviewed``.

    Returns:
        Columns scan, patient, day, slices, one Dice per organ (NaN where neither reference nor prediction has it),
        mean_dice (over the organs that have a score), notes (missed organs, false alarms, absent organs), state.
    """
    wide = scans.pivot(index="scan", columns="organ", values="dice").reindex(columns=list(ORGAN_NAMES))
    facts = scans.drop_duplicates("scan").set_index("scan")[["patient", "day", "slices"]]
    table = facts.join(wide)
    table["mean_dice"] = mean_over_organs(scans, ["dice"]).set_index("scan")["dice"]
    table["notes"] = _notes(scans).reindex(table.index, fill_value="")
    table["state"] = [states.get(str(scan), "Unreviewed") for scan in table.index]
    return table.sort_values(["mean_dice", "patient", "day"], na_position="last", kind="stable").reset_index()


def _notes(scans: pd.DataFrame) -> "pd.Series[str]":
    """By scan, what is missed, a false alarm or absent, for the scans that have any of it."""
    rows = scans[scans["outcome"].isin(list(OUTCOME_WORDS))]
    titles = rows["organ"].map(TITLES)
    words = titles.astype(str) + " " + rows["outcome"].map(OUTCOME_WORDS).astype(str)
    return words.groupby(rows["scan"], sort=False).agg(", ".join)
