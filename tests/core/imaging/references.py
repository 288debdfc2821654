"""Error maps by NumPy, which the viewer draws voxel by voxel."""

import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap


def error_map(reference: LabelMap, prediction: LabelMap) -> NDArray[np.uint8]:
    """Where two label maps (…) uint8 of one shape agree and differ.

    Returns:
        (…) uint8: 0 where both show background, 1 the same organ (agreement), 2 an organ only in the reference (missed),
        3 only in the prediction (extra), 4 two different organs (swapped).
    """
    kinds = np.select([reference == prediction, prediction == 0, reference == 0], [1, 2, 3], 4)
    return np.where((reference == 0) & (prediction == 0), 0, kinds).astype(np.uint8)
