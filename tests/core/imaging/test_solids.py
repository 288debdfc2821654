"""Solids for 3D: read back with nibabel, and counted."""

import nibabel as nib
import numpy as np
import pytest

from core.imaging.solids import MOST_VOXELS, solids


def volume(data: bytes):
    return nib.Nifti1Image.from_bytes(data)


def test_a_small_solid_keeps_every_voxel_and_its_size() -> None:
    reference = np.zeros((6, 20, 30), np.uint8)
    reference[2:4, 5:9, 10:16] = 2
    of_reference, of_prediction = solids(reference, np.zeros_like(reference), (3.0, 2.0, 1.5))
    ((organ, data),) = of_reference.organs
    image = volume(data)
    assert organ.name == "small_bowel"
    assert image.shape == (6 + 4, 4 + 4, 2 + 4)
    assert np.count_nonzero(np.asarray(image.dataobj) == 255) == 2 * 4 * 6
    assert image.header.get_zooms() == (1.5, 2.0, 3.0)
    assert nib.aff2axcodes(image.affine) == ("L", "P", "I")
    assert of_prediction.organs == ()


def test_a_large_one_is_reduced_and_keeps_its_volume_in_mm3() -> None:
    reference = np.zeros((130, 300, 200), np.uint8)
    reference[:, 10:290, 5:195] = 1
    image = volume(solids(reference, reference, (3.0, 1.0, 1.0))[1].organs[0][1])
    assert all(side <= most + 4 for side, most in zip(image.shape[::-1], MOST_VOXELS, strict=True))
    found = np.asarray(image.dataobj, float).sum() / 255 * np.prod(image.header.get_zooms())
    assert found == pytest.approx(130 * 280 * 190 * 3.0, rel=1e-3)


def test_nothing_drawn_is_no_solid() -> None:
    empty = np.zeros((4, 16, 16), np.uint8)
    assert [side.organs for side in solids(empty, empty, None)] == [(), ()]
