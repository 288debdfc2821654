"""Do the volumes agree? Bland and Altman's bias and limits of agreement, per organ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.labels import ORGAN_NAMES

LIMIT = 1.96
FEWEST = 3
"""Fewest scans for limits of agreement."""


@dataclass(frozen=True)
class VolumeAgreement:
    """Bias and limits of agreement of an organ's volume (Bland and Altman, Lancet 1986).

    Every scan counts once, scans of one patient as if they were independent of each other; scans where neither side has the
    organ, or whose spacing is unknown, are left out.
    """

    scans: int
    bias_ml: float
    """Mean of prediction less reference."""
    low_ml: float | None
    """Bias less 1.96 standard deviations (with n - 1); ``None`` for fewer than `FEWEST` scans."""
    high_ml: float | None


def volume_pairs(scans: pd.DataFrame) -> pd.DataFrame:
    """``scans.parquet`` with ``mean_ml`` (of both sides) and ``difference_ml``, of the scans whose volumes are known."""
    known = scans[scans["volume_error_ml"].notna()]
    mean = (known["reference_ml"] + known["prediction_ml"]) / 2
    return known.assign(mean_ml=mean, difference_ml=known["volume_error_ml"])


def volume_agreement(scans: pd.DataFrame) -> dict[str, VolumeAgreement]:
    """The agreement of each organ that has a scan with known volumes.

    Args:
        scans: ``scans.parquet``, see `core.metrics.tables.scan_rows`.
    """
    pairs = volume_pairs(scans)
    found = {}
    for organ in ORGAN_NAMES:
        values = pairs.loc[pairs["organ"] == organ, "difference_ml"].to_numpy(np.float64)
        if len(values):
            bias = float(values.mean())
            reach = LIMIT * float(values.std(ddof=1)) if len(values) >= FEWEST else None
            limits = (None, None) if reach is None else (bias - reach, bias + reach)
            found[organ] = VolumeAgreement(len(values), bias, *limits)
    return found
