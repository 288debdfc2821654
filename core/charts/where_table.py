"""Where along the body, and at which confidence, a model is right: slices pooled by their voxels, never averaged."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BINS = 20
"""Parts of equal length that a scan is cut into along z."""
CONFIDENCE_BINS = 10

ALONG_COLUMNS = ["organ", "part", "centre", "dice", "scans", "scan", "slice"]


def along_body(slices: pd.DataFrame, *, bins: int = BINS) -> pd.DataFrame:
    """Dice by relative position along z, over all scans: 0 is a scan's first slice (the head's end), 1 its last.

    The Dice of a part pools the voxels of every slice that lies there: 2·Σ|A∩B| / Σ(|A| + |B|). Parts in which no scan has
    the organ are left out.

    Args:
        slices: ``slices.parquet``, see `core.metrics.tables.slice_rows`.

    Returns:
        Columns `ALONG_COLUMNS`: ``centre`` of the part from 0 to 1, ``scans`` with the organ there (in reference or
        prediction), and the slice with the most differing voxels: ``scan`` and ``slice``.
    """
    table = slices[(slices["reference_voxels"] + slices["prediction_voxels"]) > 0]
    if table.empty:
        return pd.DataFrame(columns=ALONG_COLUMNS)
    last = slices.groupby("scan", observed=True)["position"].max()
    length = last.reindex(table["scan"]).to_numpy(np.float64)
    share = table["position"].to_numpy(np.float64) / np.maximum(length, 1)
    part = np.minimum((share * bins).astype(np.int64), bins - 1)
    outlined = table["reference_voxels"] + table["prediction_voxels"]
    table = table[["scan", "slice", "organ", "both_voxels"]].assign(part=part, outlined=outlined)
    table["differing"] = table["outlined"] - 2 * table["both_voxels"]
    groups = table.groupby(["organ", "part"], observed=True)
    found = groups.agg(both=("both_voxels", "sum"), outlined=("outlined", "sum"), scans=("scan", "nunique"))
    worst = table.loc[groups["differing"].idxmax(), ["scan", "slice"]].set_index(found.index)
    found["dice"] = 2 * found["both"] / found["outlined"]
    joined = found.join(worst).reset_index()
    joined["centre"] = (joined["part"] + 0.5) / bins
    return joined[ALONG_COLUMNS]


def scan_confidence(slices: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """``scans.parquet`` with a column ``confidence``: each scan's confidence in an organ, beside its Dice.

    The confidence is the mean over the voxels that were drawn (slices weighted by their voxels), 0 to 1; scans where nothing
    was drawn, or nobody knows the confidence, are left out.
    """
    drawn = slices[slices["confidence"].notna() & (slices["prediction_voxels"] > 0)]
    sure = drawn.assign(sure=drawn["confidence"] * drawn["prediction_voxels"])
    sums = sure.groupby(["scan", "organ"], observed=True)[["sure", "prediction_voxels"]].sum()
    found = (sums["sure"] / sums["prediction_voxels"]).rename("confidence").reset_index()
    found = found.astype({"scan": "str", "organ": "str"})
    return scans.merge(found, on=["scan", "organ"])


CALIBRATION_COLUMNS = ["organ", "confidence", "right", "voxels", "slices", "scan", "slice"]


def calibration(slices: pd.DataFrame, *, bins: int = CONFIDENCE_BINS) -> pd.DataFrame:
    """Of what was drawn at some confidence, how much is right: the reliability diagram (DeGroot and Fienberg 1983), by organ.

    Slices are binned by their mean confidence in the organ; ``confidence`` is a bin's mean over its drawn voxels and ``right``
    the share of those voxels that the reference has too. Calibrated means that the two are equal.

    Returns:
        Columns `CALIBRATION_COLUMNS`, a row for each organ and bin that is not empty; ``scan`` and ``slice`` name the bin's
        slice with the most voxels drawn wrongly.
    """
    drawn = slices[slices["confidence"].notna() & (slices["prediction_voxels"] > 0)]
    if drawn.empty:
        return pd.DataFrame(columns=CALIBRATION_COLUMNS)
    part = np.minimum((drawn["confidence"].to_numpy(np.float64) * bins).astype(np.int64), bins - 1)
    table = drawn[["scan", "slice", "organ", "both_voxels", "prediction_voxels"]].assign(
        part=part,
        sure=drawn["confidence"] * drawn["prediction_voxels"],
        wrong=drawn["prediction_voxels"] - drawn["both_voxels"],
    )
    groups = table.groupby(["organ", "part"], observed=True)
    found = groups.agg(
        sure=("sure", "sum"), both=("both_voxels", "sum"), voxels=("prediction_voxels", "sum"), slices=("slice", "size")
    )
    worst = table.loc[groups["wrong"].idxmax(), ["scan", "slice"]].set_index(found.index)
    found["confidence"] = found["sure"] / found["voxels"]
    found["right"] = found["both"] / found["voxels"]
    return found.join(worst).reset_index()[CALIBRATION_COLUMNS]


def calibration_error(table: pd.DataFrame) -> dict[str, float]:
    """Expected calibration error by organ (Naeini and others 2015): mean gap of confidence and right, weighted by voxels.

    Args:
        table: see `calibration`.
    """
    gaps = (table["confidence"] - table["right"]).abs() * table["voxels"]
    sums = pd.DataFrame({"gap": gaps, "voxels": table["voxels"], "organ": table["organ"]}).groupby("organ", observed=True).sum()
    values: NDArray[np.float64] = (sums["gap"] / sums["voxels"]).to_numpy(np.float64)
    return dict(zip(sums.index.astype(str), (float(value) for value in values), strict=True))
