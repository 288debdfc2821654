"""Pictures that are the same or nearly so: a difference hash of each slice, and pairs whose hashes are close.

The hash is the difference hash (dHash, N. Krawetz 2013) at 16 × 16: the slice is shrunk to 17 × 16 by area, and each bit says
whether a pixel is darker than its right neighbour. It changes little under another format, size, brightness or contrast.
"""

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.images import Pixels

SIDE = 16
HASH_WORDS = SIDE * SIDE // 64
NEAR_BITS = 16
"""Most bits, of 256, in which the hashes of two copies differ; what this finds and misses stands in docs/measurements.md."""
FLAT_BITS = 24
"""A hash with fewer bits set, or unset, is of a picture without content, which is like any other such."""
BLOCK = 512
"""Hashes that are compared with all others at once: about 200 MB of work space at 38,000 slices."""

Hashes = NDArray[np.uint64]


def difference_hash(image: Pixels) -> Hashes:
    """The 256 bits of a slice's difference hash as (4,) uint64.

    Args:
        image: (H, W) uint8 or uint16.
    """
    small = cv2.resize(image, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    bits = small[:, 1:] > small[:, :-1]
    return np.packbits(bits).view(np.uint64)


def is_flat(hashes: Hashes) -> NDArray[np.bool_]:
    """Which of (N, 4) hashes are of pictures with hardly any content, such as an empty slice."""
    ones = np.bitwise_count(hashes).sum(axis=1)
    flat: NDArray[np.bool_] = (ones < FLAT_BITS) | (ones > SIDE * SIDE - FLAT_BITS)
    return flat


PAIR_COLUMNS = ["first", "second", "bits"]


def near_pairs(hashes: Hashes, groups: NDArray[np.int64], *, bits: int = NEAR_BITS) -> pd.DataFrame:
    """Pairs of slices of different groups whose hashes differ in at most ``bits`` bits; every pair is compared.

    Neighbouring slices of one scan look alike without being copies, so only pairs across groups count; flat pictures are left
    out.

    Args:
        hashes: (N, 4) uint64, see `difference_hash`.
        groups: (N,) the scan of each slice, as a number.

    Returns:
        Columns `PAIR_COLUMNS`: positions ``first`` < ``second``, and the differing bits; the nearest first.
    """
    rows = np.flatnonzero(~is_flat(hashes)) if len(hashes) else np.empty(0, np.int64)
    kept, scans = hashes[rows], groups[rows]
    found = []
    for start in range(0, len(rows), BLOCK):
        block = kept[start : start + BLOCK]
        distance = np.zeros((len(block), len(rows) - start), np.uint16)
        for word in range(HASH_WORDS):
            distance += np.bitwise_count(block[:, word, None] ^ kept[None, start:, word])
        near = (distance <= bits) & (scans[start : start + BLOCK, None] != scans[None, start:])
        first, second = np.nonzero(near)
        after = second > first
        found.append(np.stack([first[after] + start, second[after] + start, distance[first[after], second[after]]]))
    if not found:
        return pd.DataFrame(columns=PAIR_COLUMNS, dtype=np.int64)
    first, second, differing = np.concatenate(found, axis=1).astype(np.int64)
    pairs = pd.DataFrame({"first": rows[first], "second": rows[second], "bits": differing})
    return pairs.sort_values(PAIR_COLUMNS[::-1], ignore_index=True)
