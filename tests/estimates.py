"""What a fitted model of quality says of scans that it has not seen: its formula, written out independently."""

import numpy as np
import pandas as pd

from core.evaluation.expected_dice import FEATURES, QualityModel, features


def estimates(model: QualityModel, slices: pd.DataFrame) -> pd.DataFrame:
    """``patient``, ``scan``, ``organ``, ``expected_dice`` and its interval; NaN where the model or a feature is missing."""
    table = features(slices)
    rows = []
    for row in table.to_dict("records"):
        intercept, *slopes = model.weights.get(row["organ"], (np.nan,))
        dice = intercept + sum(slope * row[name] for name, slope in zip(FEATURES, slopes, strict=False) if slope)
        dice, width = np.clip(dice, 0, 1), model.half_width.get(row["organ"], np.nan)
        rows.append((dice, np.clip(dice - width, 0, None), np.clip(dice + width, None, 1)))
    columns = ["expected_dice", "expected_dice_low", "expected_dice_high"]
    return table[["patient", "scan", "organ"]].join(pd.DataFrame(rows, columns=columns, index=table.index))
