"""NIfTI files of volumes and label maps, placed where the scan lies."""

import gzip
from typing import Any

import numpy as np

from core.data.volume import LabelVolume, Volume

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM leads to the left and the back (PS3.3 C.7.6.2.1.1), NIfTI to the right and the front."""


def nifti_bytes(volume: LabelVolume | Volume) -> bytes:
    """A ``.nii.gz``: columns, rows, slices; millimetres; sform and qform where the place is known, else spacing only.

    A sheared grid has an sform only, as a qform cannot hold it. Grey values keep their scale (``scl_slope``).
    """
    import nibabel as nib

    voxels = volume.labels if isinstance(volume, LabelVolume) else volume.pixels
    grid, turn = volume.grid, np.eye(4)[[2, 1, 0, 3]]
    known = grid.affine is not None
    affine: Any = TO_RAS @ grid.matrix @ turn if known else np.diag([*(grid.spacing_mm or (1.0, 1.0, 1.0))[::-1], 1.0])
    image: Any = nib.Nifti1Image(voxels.transpose(2, 1, 0), affine)  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1 if known else 0)
    image.set_qform(affine if known and not grid.sheared else None, code=int(known and not grid.sheared))
    if not known:
        image.header.set_zooms([float(each) for each in (grid.spacing_mm or (1.0, 1.0, 1.0))[::-1]])
    if isinstance(volume, Volume):
        image.header.set_slope_inter(volume.grey.slope, volume.grey.intercept)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
