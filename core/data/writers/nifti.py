"""NIfTI files of volumes and label maps, placed where the scan lies."""

import gzip
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.data.grid import Axes, Grid, in_stored_order
from core.data.masks import LabelMap
from core.data.volume import LabelVolume, Volume

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM leads to the left and the back (PS3.3 C.7.6.2.1.1), NIfTI to the right and the front."""


def nifti_bytes(volume: LabelVolume | Volume) -> bytes:
    """A ``.nii.gz``: columns, rows, slices; millimetres; sform and qform where the place is known, else spacing only.

    A sheared grid has an sform only, as a qform cannot hold it.
    Where nobody knows the spacing, 1 mm is written and said. Grey values keep their scale (``scl_slope``).
    """
    import nibabel as nib

    voxels = volume.labels if isinstance(volume, LabelVolume) else volume.pixels
    grid, turn = volume.grid, np.eye(4)[[2, 1, 0, 3]]
    known = grid.affine is not None
    affine: Any = TO_RAS @ grid.matrix @ turn if known else np.diag([*(grid.spacing_mm or (1.0, 1.0, 1.0))[::-1], 1.0])
    image: Any = nib.Nifti1Image(voxels.transpose(2, 1, 0), affine)  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"GutCheck" + (b"" if grid.spacing_mm else b"; spacing unknown, 1 mm assumed")
    image.set_sform(affine, code=1 if known else 0)
    image.set_qform(affine if known and not grid.sheared else None, code=int(known and not grid.sheared))
    if not known:
        image.header.set_zooms([float(each) for each in (grid.spacing_mm or (1.0, 1.0, 1.0))[::-1]])
    if isinstance(volume, Volume):
        image.header.set_slope_inter(volume.grey.slope, volume.grey.intercept)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def label_bytes(labels: LabelMap, grid: Grid, *, axes: Axes = (), numbers: Sequence[int] = ()) -> bytes:
    """A label map as ``.nii.gz``, voxel by voxel on the grid of the file that its picture came from.

    Args:
        labels: (Z, H, W) class ids.
        axes, numbers: as `core.data.volume.Volume` has them; slices that are missing between others are written empty where it
            is known where they lie.
    """
    if numbers and grid.affine is not None and len(numbers) < numbers[-1]:
        whole = np.zeros((numbers[-1], *labels.shape[1:]), labels.dtype)
        whole[np.array(numbers) - 1] = labels
        labels = whole
    if axes:
        labels, grid = in_stored_order(labels, grid, axes)
    return nifti_bytes(LabelVolume(labels, grid))
