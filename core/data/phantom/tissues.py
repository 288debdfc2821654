"""The tissues of the phantom, the class each belongs to, and how bright and how mottled each is."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Tissue(IntEnum):
    """One id a voxel; the label map is a look-up of these, so picture and label cannot disagree."""

    AIR = 0
    SKIN = 1
    FAT = 2
    VISCERAL_FAT = 3
    MUSCLE = 4
    CORTICAL_BONE = 5
    MARROW = 6
    DISC = 7
    CSF = 8
    CORD = 9
    LUNG = 10
    HEART = 11
    BLOOD = 12
    VESSEL = 13
    LIVER = 14
    SPLEEN = 15
    KIDNEY_CORTEX = 16
    KIDNEY_MEDULLA = 17
    PANCREAS = 18
    BILE = 19
    URINE = 20
    STOMACH_WALL = 21
    STOMACH_FLUID = 22
    STOMACH_FOOD = 23
    STOMACH_GAS = 24
    SMALL_BOWEL_WALL = 25
    SMALL_BOWEL_FLUID = 26
    SMALL_BOWEL_GAS = 27
    COLON_WALL = 28
    COLON_STOOL = 29
    COLON_FLUID = 30
    COLON_GAS = 31
    STRAND = 32


# Tissue: (signal in a T1-like contrast, signal in a TRUFI-like contrast, share of the signal that is texture)
_LOOK: dict[Tissue, tuple[float, float, float]] = {
    Tissue.AIR: (0.0, 0.0, 0.0),
    Tissue.SKIN: (0.42, 0.45, 0.2),
    Tissue.FAT: (1.0, 0.88, 0.12),
    Tissue.VISCERAL_FAT: (0.92, 0.8, 0.35),
    Tissue.MUSCLE: (0.27, 0.22, 0.5),
    Tissue.CORTICAL_BONE: (0.12, 0.1, 0.4),
    Tissue.MARROW: (0.5, 0.42, 0.5),
    Tissue.DISC: (0.3, 0.46, 0.4),
    Tissue.CSF: (0.25, 0.95, 0.2),
    Tissue.CORD: (0.36, 0.5, 0.2),
    Tissue.LUNG: (0.045, 0.06, 1.6),
    Tissue.HEART: (0.4, 0.62, 0.7),
    Tissue.BLOOD: (0.24, 0.55, 0.3),
    Tissue.VESSEL: (0.58, 0.68, 0.2),
    Tissue.LIVER: (0.36, 0.32, 0.3),
    Tissue.SPLEEN: (0.27, 0.36, 0.18),
    Tissue.KIDNEY_CORTEX: (0.36, 0.52, 0.3),
    Tissue.KIDNEY_MEDULLA: (0.24, 0.42, 0.4),
    Tissue.PANCREAS: (0.44, 0.42, 0.9),
    Tissue.BILE: (0.3, 0.95, 0.1),
    Tissue.URINE: (0.2, 0.95, 0.1),
    Tissue.STOMACH_WALL: (0.44, 0.38, 0.5),
    Tissue.STOMACH_FLUID: (0.27, 0.75, 0.3),
    Tissue.STOMACH_FOOD: (0.34, 0.45, 1.6),
    Tissue.STOMACH_GAS: (0.03, 0.03, 0.5),
    Tissue.SMALL_BOWEL_WALL: (0.36, 0.32, 0.6),
    Tissue.SMALL_BOWEL_FLUID: (0.36, 0.66, 0.9),
    Tissue.SMALL_BOWEL_GAS: (0.05, 0.05, 0.8),
    Tissue.COLON_WALL: (0.36, 0.31, 0.5),
    Tissue.COLON_STOOL: (0.3, 0.34, 1.7),
    Tissue.COLON_FLUID: (0.3, 0.6, 0.5),
    Tissue.COLON_GAS: (0.03, 0.03, 0.8),
    Tissue.STRAND: (0.6, 0.5, 0.3),
}

_CLASS_BY_PREFIX = {"STOMACH": 1, "SMALL_BOWEL": 2, "COLON": 3}


LABEL_OF: NDArray[np.uint8] = np.array(
    [next((c for prefix, c in _CLASS_BY_PREFIX.items() if tissue.name.startswith(prefix)), 0) for tissue in Tissue], np.uint8
)
"""Class id of each tissue, (tissues,) uint8: 0 background, 1 stomach, 2 small bowel, 3 large bowel."""

TEXTURE_OF: NDArray[np.float32] = np.array([_LOOK[tissue][2] for tissue in Tissue], dtype=np.float32)
"""Relative texture amplitude of each tissue, (tissues,) float32."""


def signal_table(trufi_share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Relative signal of each tissue, (tissues,) float32: a mix of the two contrasts with a small jitter."""
    pairs = np.array([_LOOK[tissue][:2] for tissue in Tissue])
    mixed = pairs[:, 0] * (1 - trufi_share) + pairs[:, 1] * trufi_share
    jitter: NDArray[np.float64] = 1 + 0.06 * rng.uniform(-1, 1, len(mixed))
    return (mixed * jitter).astype(np.float32)


def among(*tissues: Tissue) -> NDArray[np.bool_]:
    """A look-up table, (tissues,) bool, true for the tissues named."""
    table = np.zeros(len(Tissue), dtype=np.bool_)
    table[list(tissues)] = True
    return table
