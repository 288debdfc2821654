"""Label volumes reduced to small solids, one NIfTI file in memory an organ, for a look at them in 3D."""

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from core.data.masks import LabelMap
from core.labels import ORGANS, LabelClass
from core.metrics.disagreement import box_of

MOST_VOXELS = (64, 96, 96)
"""Largest solid (z, y, x); a browser without a graphics card turns more than this too slowly."""
MARGIN = 2
"""Empty voxels around an organ, so that it is closed on every side."""


@dataclass(frozen=True)
class Solids:
    """What one label volume shows."""

    whole: bytes
    """All organs as one, NIfTI of uint8."""
    organs: tuple[tuple[LabelClass, bytes], ...]
    """Each organ that there is: NIfTI of uint8, 255 inside, less where a reduced voxel is partly inside."""


def solids(reference: LabelMap, prediction: LabelMap, spacing_mm: tuple[float, float, float] | None) -> tuple[Solids, Solids]:
    """Solids of two label volumes (Z, H, W) uint8 in the same box, so that they can be compared.

    Args:
        spacing_mm: distance of voxel centres (z, y, x); ``None`` where unknown, and then voxels are drawn as cubes.

    Returns:
        of the reference and of the prediction; slices lead from head to feet, as in `core.data.readers.nifti`.
    """
    box = box_of(reference, prediction)
    if box is None:
        return Solids(b"", ()), Solids(b"", ())
    factors = tuple(-(-(side.stop - side.start) // most) for side, most in zip(box, MOST_VOXELS, strict=True))
    steps = np.array(spacing_mm or (1.0, 1.0, 1.0)) * factors
    return _solids(reference[box], factors, steps), _solids(prediction[box], factors, steps)


def _solids(labels: LabelMap, factors: tuple[int, ...], steps: NDArray[np.float64]) -> Solids:
    present = [organ for organ in ORGANS if (labels == organ.id).any()]
    organs = tuple((organ, _nifti(_reduced(labels == organ.id, factors), steps)) for organ in present)
    return Solids(_nifti(_reduced(labels > 0, factors), steps), organs)


def _reduced(mask: NDArray[np.bool_], factors: tuple[int, ...]) -> NDArray[np.uint8]:
    """The share of each block of voxels that is inside, 0 to 255."""
    filled = np.pad(mask, [(0, -side % factor) for side, factor in zip(mask.shape, factors, strict=True)])
    blocks = [part for side, factor in zip(filled.shape, factors, strict=True) for part in (side // factor, factor)]
    shares = filled.reshape(blocks).mean(axis=(1, 3, 5))
    return np.pad(np.rint(255 * shares).astype(np.uint8), MARGIN)


def _nifti(voxels: NDArray[np.uint8], steps: NDArray[np.float64]) -> bytes:
    # NIfTI counts to the right, front and head; our columns, rows and slices lead to the left, back and feet.
    affine = np.diag([*(-steps[::-1]), 1.0])
    image: Any = nib.Nifti1Image(voxels.transpose(2, 1, 0), affine)  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
    encoded: bytes = image.to_bytes()
    return encoded
