"""Made-up evaluations for worklists: their three tables, as large as wanted."""

import numpy as np
import pandas as pd

from core.labels import ORGAN_NAMES
from core.metrics.regions import ErrorKind
from core.reviews.queue.scan_table import ScanTable, make_scan_table

RUN, EVALUATION = "run1", "uw-valid"


def made_up(scans: int, *, slices: int = 3, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """``scans.parquet``, ``slices.parquet`` and ``errors.parquet`` of so many scans, three to a patient."""
    random = np.random.default_rng(seed)
    number = np.arange(scans)
    names = np.array([f"case{n // 3}_day{n % 3}" for n in number], object)
    organs = np.array(ORGAN_NAMES, object)
    whole = pd.DataFrame(
        {
            "patient": np.repeat([f"case{n // 3}" for n in number], 3),
            "scan": np.repeat(names, 3),
            "day": pd.array(np.repeat(number % 3, 3), "Int64"),
            "slices": slices,
            "organ": np.tile(organs, scans),
            "outcome": random.choice(["scored", "missed", "false_alarm", "absent"], 3 * scans, p=[0.9, 0.04, 0.03, 0.03]),
            "dice": random.uniform(0.4, 1.0, 3 * scans),
        }
    )
    whole.loc[whole["outcome"] == "absent", "dice"] = np.nan
    whole.loc[whole["outcome"].isin(["missed", "false_alarm"]), "dice"] = 0.0
    drawn = pd.DataFrame(
        {
            "scan": np.repeat(names, 3 * slices),
            "organ": np.tile(organs, scans * slices),
            "prediction_voxels": random.integers(0, 900, 3 * scans * slices),
            "confidence": random.uniform(0.5, 1.0, 3 * scans * slices),
        }
    )
    errors = pd.DataFrame(
        {
            "scan": np.repeat(names, 5),
            "organ": random.choice(organs, 5 * scans),
            "other": "",
            "kind": random.choice([str(kind) for kind in ErrorKind], 5 * scans),
        }
    )
    return whole, drawn, errors


def made_up_table(scans: int, *, slices: int = 3) -> ScanTable:
    """The table of `made_up`."""
    whole, drawn, errors = made_up(scans, slices=slices)
    return ScanTable(RUN, EVALUATION, make_scan_table(whole, drawn, errors, disputed=["case0_day0"]))
