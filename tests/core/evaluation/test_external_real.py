"""`evaluate masks` on a real CT label map, where it lies beside the project: against a copy of itself with known errors."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from core.data.readers.label_files import LabelTable
from core.evaluation.external import MaskFolders, evaluate_masks
from core.storage.workspace import Workspace

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "totalsegmentator"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the real samples are not here: {SAMPLES}")
TABLE = LabelTable.parse("6=stomach,18=small_bowel,20=large_bowel")


def test_known_errors_are_found(tmp_path: Path, workspace: Workspace) -> None:
    image = nib.load(SAMPLES / "example_seg.nii.gz")
    truth = np.asanyarray(image.dataobj)
    drawn = truth.copy()
    lowest = int(np.flatnonzero((truth == 20).any(axis=(0, 1)))[0])
    drawn[:, :, : lowest + 5][drawn[:, :, : lowest + 5] == 20] = 0
    drawn[5:9, 5:9, 10:13] = 18
    for folder, voxels in (("truth", truth), ("drawn", drawn)):
        (tmp_path / folder).mkdir()
        nib.save(nib.Nifti1Image(voxels, image.affine), tmp_path / folder / "ct.nii.gz")
    folders = MaskFolders(tmp_path / "truth", tmp_path / "drawn", truth_table=TABLE, prediction_table=TABLE)
    done = evaluate_masks(folders, workspace, "tool")
    dice = done.scans().set_index("organ")["dice"]
    for organ, label in (("stomach", 6), ("small_bowel", 18), ("large_bowel", 20)):
        a, b = truth == label, drawn == label
        assert dice[organ] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
    errors = pd.read_parquet(done.paths.root / "errors.parquet")
    largest = errors.iloc[0]
    # The volume's axes lead to the head, so its lowest slices are the foot end, and the last ones for us.
    assert (largest["kind"], largest["organ"], largest["end"], largest["last_slice"]) == ("ends_early", "large_bowel", "foot", 30)
    (island,) = errors[errors["organ"] == "small_bowel"].to_dict("records")
    assert (island["kind"], island["voxels"]) == ("extra_island", int((drawn == 18).sum() - (truth == 18).sum()))
