"""Scans and patients in order of their Dice, and the slice of a scan to look at first."""

import pandas as pd

from core.labels import ORGAN_NAMES
from core.metrics.tables import mean_over_organs


def worst_first(scans: pd.DataFrame) -> list[str]:
    """Scans by the mean Dice over their organs, the lowest first; scans without any organ are left out."""
    means = mean_over_organs(scans, ["dice"]).set_index("scan")["dice"].dropna().sort_index()
    return [str(scan) for scan in means.sort_values(kind="stable").index]


def by_patient(scans: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each patient's scans per organ: columns patient, organ, dice, scans, scan (its worst); worst patients first.

    A patient none of whose scans has the organ gets no row for it.
    """
    scored = scans[scans["dice"].notna()]
    if scored.empty:
        return pd.DataFrame(columns=["patient", "organ", "dice", "scans", "scan"])
    groups = scored.groupby(["patient", "organ"])
    found = groups.agg(dice=("dice", "mean"), scans=("scan", "nunique"))
    worst = scored.loc[groups["dice"].idxmin()]
    found["scan"] = worst["scan"].to_numpy()
    if "slice" in worst:
        found["slice"] = worst["slice"].to_numpy()
    table = found.reset_index()
    table["order"] = table["patient"].map(mean_over_organs(scored, ["dice"]).groupby("patient")["dice"].mean())
    table["place"] = table["organ"].map({name: place for place, name in enumerate(ORGAN_NAMES)})
    table = table.sort_values(["order", "patient", "place"], kind="stable", ignore_index=True)
    return table.drop(columns=["order", "place"])


def with_worst_slice(scans: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """The scan table with a column ``slice``: where most of an organ's voxels differ; missing where none does.

    Args:
        scans, slices: ``scans.parquet`` and ``slices.parquet`` of one evaluation.
    """
    differing = slices["reference_voxels"] + slices["prediction_voxels"] - 2 * slices["both_voxels"]
    table = slices.loc[differing > 0, ["scan", "organ", "slice"]].assign(differing=differing[differing > 0])
    worst = table.loc[table.groupby(["scan", "organ"], observed=True)["differing"].idxmax(), ["scan", "organ", "slice"]]
    worst = worst.astype({"scan": "str", "organ": "str", "slice": "Int64"})
    return scans.merge(worst, on=["scan", "organ"], how="left")
