"""One patient over days: organ volumes in reference and prediction, and the changes that are worth a look."""

import numpy as np
import pandas as pd

JUMP_SHARE = 0.5
JUMP_ML = 100.0
RULE = (
    f"A jump is a change since the scan before by more than {JUMP_SHARE:.0%} of the smaller of the two volumes and by more than "
    f"{JUMP_ML:.0f} ml. A jump of the prediction that the reference does not make is flagged as suspect."
)
COLUMNS = [
    "scan", "day", "organ", "dice", "outcome", "reference_ml", "prediction_ml", "reference_jump", "prediction_jump", "suspect",
]  # fmt: skip


def patients_by_scans(scans: pd.DataFrame) -> list[str]:
    """Patients with a scan of a known day, those with most scans first."""
    dated = scans[scans["day"].notna()]
    counts = dated.groupby("patient")["scan"].nunique()
    return [str(patient) for patient in counts.sort_values(ascending=False, kind="stable").index]


def over_days(scans: pd.DataFrame, patient: str) -> pd.DataFrame:
    """The scans of one patient by day, a row for each organ: columns `COLUMNS`, and ``slice`` where
    the table has it; jumps are marked where `RULE` holds.

    Args:
        scans: ``scans.parquet``; scans without a day are left out.
    """
    mine = scans[(scans["patient"] == patient) & scans["day"].notna()].sort_values(["organ", "day", "scan"], kind="stable")
    table = mine.reset_index(drop=True)
    for side in ("reference", "prediction"):
        volume = table[f"{side}_ml"]
        before = volume.groupby(table["organ"]).shift()
        change = (volume - before).abs()
        table[f"{side}_jump"] = (change > JUMP_ML) & (change > JUMP_SHARE * np.minimum(volume, before))
    table["suspect"] = table["prediction_jump"] & ~table["reference_jump"]
    return table[[*COLUMNS, *(["slice"] if "slice" in table else [])]]
