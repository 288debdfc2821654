"""Whatever affine, number type, scale factor and labels a volume is stored with: the scores of an aligned copy."""

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.data.readers.label_files import LabelTable
from core.evaluation.external import MaskFolders, evaluate_masks
from core.storage.workspace import Workspace
from tests.core.data.readers.affines import stored

SCORES = [
    "dice", "iou", "hd95_mm", "nsd_1_5mm", "nsd_3mm", "mean_surface_distance_mm", "reference_ml", "prediction_ml",
    "volume_error_percent",
]  # fmt: skip
ORDERS, SIGNS = list(permutations(range(3))), list(product((1, -1), repeat=3))
STEPS = [(1.5, 2.0, 3.0), (3.0, 1.5, 1.5), (1.2, 1.2, 1.2), (0.75, 5.0, 0.75)]
SCALES = [1.0, 0.01, 3 / 255, 0.1]


def blobs(seed: int, shape: tuple[int, int, int] = (9, 10, 8)) -> np.ndarray:
    """Labels 0 to 3 in boxes, somewhere."""
    rng = np.random.default_rng(seed)
    made = np.zeros(shape, np.uint8)
    for label in (1, 2, 3):
        low = rng.integers(0, 5, 3)
        made[tuple(slice(int(start), int(start + size)) for start, size in zip(low, rng.integers(1, 6, 3), strict=True))] = label
    return made


def write(path: Path, labels: np.ndarray, affine: np.ndarray, kind: str, scale: float, unit: int, version: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    factor = {1: 1e-3, 2: 1.0, 3: 1e3}[unit]
    whole = kind not in ("f4", "f8")
    voxels = np.rint(labels / scale).astype(kind) if whole else labels.astype(kind) * np.array(1 + 1e-6, kind)
    image = version(voxels, np.diag([factor] * 3 + [1.0]) @ affine)
    image.header["xyzt_units"] = unit
    if whole:
        image.header.set_slope_inter(scale, 0)
    nib.save(image, path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**16), order=st.sampled_from(ORDERS), signs=st.sampled_from(SIGNS), steps=st.sampled_from(STEPS),
    angle=st.sampled_from([0.0, 0.2, -0.5, 1.3]), kind=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]),
    scale=st.sampled_from(SCALES), shift=st.integers(0, 60), unit=st.sampled_from([1, 2, 3]),
    version=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
)  # fmt: skip
def test_scores_are_those_of_an_aligned_copy(
    tmp_path: Path, seed: int, order: Any, signs: Any, steps: Any, angle: float, kind: str, scale: float, shift: int, unit: int,
    version: Any,
) -> None:  # fmt: skip
    assume(np.rint((3 + shift) / scale) <= 255 or kind != "u1")
    truth, drawn = blobs(seed), blobs(seed + 1)
    aligned, other = np.diag([*steps, 1.0]), stored(order, signs, steps, angle)
    # The same picture, its axes permuted and turned round in the file as the affine says, lies elsewhere in the patient.
    table = LabelTable({label + shift: label for label in (1, 2, 3)})
    results = []
    for name, affine, label_shift in (("plain", aligned, 0), ("odd", other, shift)):
        for folder, labels in (("t", truth), ("p", drawn)):
            moved = np.where(labels > 0, labels + label_shift, 0)
            options = ("u1", 1.0, 2, nib.Nifti1Image) if name == "plain" else (kind, scale, unit, version)
            write(tmp_path / f"{name}-{folder}" / "a.nii.gz", moved, affine, *options)
        used = table if label_shift else LabelTable()
        folders = MaskFolders(tmp_path / f"{name}-t", tmp_path / f"{name}-p", truth_table=used, prediction_table=used)
        results.append(evaluate_masks(folders, Workspace(tmp_path / "workspace"), name).scans()[["organ", "outcome", *SCORES]])
    pd.testing.assert_frame_equal(*results, rtol=1e-5)


def test_the_test_s_files_are_what_they_seem(tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.nii.gz", blobs(0), stored((2, 0, 1), (1, -1, 1), STEPS[0], 0.2), "i2", 0.01, 1, nib.Nifti1Image)
    image = nib.load(tmp_path / "t" / "a.nii.gz")
    assert np.asarray(image.dataobj).max() == pytest.approx(3)
    assert image.header.get_xyzt_units()[0] == "meter"
    assert np.linalg.norm(image.affine[:3, :3], axis=0) == pytest.approx(np.array(STEPS[0]) / 1000)
