"""Reading NIfTI volumes into the order of our slices: head first, rows from front to back, columns from right to left."""

import logging
import warnings
import zlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from core.errors import MaskError

SUFFIXES = (".nii", ".nii.gz")
ORIENTATION = ("L", "P", "I")
"""Where columns, rows and slices lead: to the patient's left, back and feet, as axial slices are shown and as the
UW-Madison set numbers its slices."""
MAX_VOXELS = 2**30
"""Largest volume that is read; 512×512×1,000 has a quarter of that."""
SAME_PLACE_MM = 0.1
"""Two volumes lie in the same place if no corner of one is further than this from the other's."""


@dataclass(frozen=True)
class NiftiVolume:
    """A volume in the order of our slices."""

    voxels: NDArray[Any]
    """(Z, H, W), as stored or scaled by the header."""
    affine: NDArray[np.float64]
    """(4, 4), from (column, row, slice) to mm in the patient."""
    path: Path
    stated: bool
    """Whether the header states where the volume lies; without, its axes are taken as left, front and head."""

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of voxel centres (z, y, x)."""
        x, y, z = (float(step) for step in np.linalg.norm(self.affine[:3, :3], axis=0))
        return z, y, x


def stem_of(path: Path) -> str:
    """The file's name without ``.nii`` or ``.nii.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def read_nifti(path: Path, *, max_voxels: int = MAX_VOXELS) -> NiftiVolume:
    """Read a volume and turn it into the order of our slices.

    Args:
        max_voxels: a file whose header states more is refused before anything is unpacked.

    Raises:
        MaskError: the file is damaged or no NIfTI, holds something other than one volume of numbers, or states no usable
            geometry.
    """
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # What nibabel finds odd in a header and mends itself.
            warnings.simplefilter("ignore")
            image: Any = nib.load(path)  # type: ignore[attr-defined, unused-ignore]
            _check_shape(path, image.shape, max_voxels)
            voxels = np.asanyarray(image.dataobj)
            header = image.header
            stated = bool(header.get("sform_code", 0)) or bool(header.get("qform_code", 0))
            affine = np.asarray(image.affine, np.float64)
    except FileNotFoundError as error:
        raise MaskError("The volume does not exist", value=path, todo="check the path") from error
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError, AttributeError) as error:
        raise MaskError("The volume is damaged or no NIfTI file", value=path, todo="export or copy it again") from error
    if voxels.dtype.kind not in "biuf":
        raise MaskError("The volume holds no plain numbers", value=path, todo="export one number a voxel")
    return in_slice_order(path, voxels.reshape(voxels.shape[:3]), affine, stated=stated)


def _check_shape(path: Path, shape: tuple[int, ...], max_voxels: int) -> None:
    size = "×".join(map(str, shape))
    if len(shape) < 3 or min(shape) < 1 or any(side != 1 for side in shape[3:]):
        raise MaskError(f"The file holds no single 3D volume ({size})", value=path, todo="export one volume a file")
    if np.prod(shape, dtype=np.float64) > max_voxels:
        raise MaskError(f"The volume is too large ({size})", value=path, todo=f"use at most {max_voxels:,} voxels")


def in_slice_order(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64], *, stated: bool) -> NiftiVolume:
    """Turn a volume into the order of our slices.

    Args:
        voxels: (X, Y, Z).
        affine: (4, 4), from indices to mm in the patient (right to left, back to front and feet to head, as NIfTI has it).

    Raises:
        MaskError: the affine is no geometry.
    """
    usable = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9
    if not usable:
        raise MaskError("The volume's affine is no geometry", value=path, todo="export it again with its spacing")
    tools: Any = nib.orientations
    turn = tools.ornt_transform(tools.io_orientation(affine), tools.axcodes2ornt(ORIENTATION))
    turned = tools.apply_orientation(voxels, turn)
    moved = affine @ tools.inv_ornt_aff(turn, voxels.shape)
    return NiftiVolume(np.ascontiguousarray(turned.transpose(2, 1, 0)), moved, path, stated)


def check_same_place(truth: NiftiVolume, other: NiftiVolume) -> None:
    """Check that two volumes have the same voxels in the same places.

    Raises:
        MaskError: they differ in shape, or a corner of one lies more than `SAME_PLACE_MM` from the other's.
    """
    if truth.voxels.shape != other.voxels.shape:
        sizes = " and ".join("×".join(map(str, volume.voxels.shape[::-1])) for volume in (truth, other))
        raise MaskError(f"The volumes differ in shape ({sizes})", value=_both(truth, other), todo="resample one to the other")
    ends = np.array(truth.voxels.shape[::-1]) - 1
    corners = np.array([[*corner, 1] for corner in product(*((0, end) for end in ends))], np.float64)
    apart = float(np.linalg.norm((corners @ (truth.affine - other.affine).T)[:, :3], axis=1).max())
    if apart > SAME_PLACE_MM:
        what = f"The volumes do not lie in the same place (corners up to {apart:.3g} mm apart)"
        raise MaskError(what, value=_both(truth, other), todo="resample one to the other, or mend its header")


def _both(truth: NiftiVolume, other: NiftiVolume) -> str:
    return f"{truth.path} and {other.path}"
