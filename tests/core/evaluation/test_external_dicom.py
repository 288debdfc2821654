"""evaluate masks over DICOM: segmentations and structure sets score as the NIfTI file of the same voxels."""

from pathlib import Path

import numpy as np
import pytest

from core.data.grid import Grid
from core.data.volume import LabelVolume
from core.data.writers.dicom_context import DicomContext, Made, invented_source, pseudonymous
from core.data.writers.dicom_seg import seg_bytes
from core.data.writers.nifti import nifti_bytes
from core.data.writers.rtstruct import rtstruct_bytes
from core.errors import MaskError
from core.evaluation.external import MaskFolders, evaluate_masks
from core.storage.workspace import Workspace

CORONAL = Grid.of(np.array([[0, 0, 1.5, -20], [4.0, 0, 0, 30], [0, -2.0, 0, 50], [0, 0, 0, 1]]))
MADE = Made("AUTOMATIC", "run", "0123")


def labels(shift: int = 0) -> LabelVolume:
    """Three organs over the middle slices; the first and last are empty, which a segmentation leaves out."""
    drawn = np.zeros((6, 20, 24), np.uint8)
    for organ in (1, 2, 3):
        drawn[1:5, 3 : 15 - organ, 6 * organ - 4 + shift : 6 * organ + shift] = organ
    return LabelVolume(drawn, CORONAL)


def write(folder: Path, volume: LabelVolume, kind: str) -> Path:
    folder.mkdir()
    source = invented_source("scan", len(volume.labels))
    context = DicomContext(source, pseudonymous(source, "case1"), MADE)
    if kind == "nifti":
        (folder / "case1.nii.gz").write_bytes(nifti_bytes(volume))
    elif kind == "seg":
        (folder / "case1.seg.dcm").write_bytes(seg_bytes(volume, context, "BINARY"))
    else:
        (folder / "case1.rtstruct.dcm").write_bytes(rtstruct_bytes(volume, context))
    return folder


def dice(tmp_path: Path, truth: str, prediction: str) -> list[float]:
    folders = MaskFolders(write(tmp_path / "t", labels(), truth), write(tmp_path / "p", labels(1), prediction))
    done = evaluate_masks(folders, Workspace(tmp_path / "ws"), "tool")
    table = done.scans().set_index("organ")
    assert np.isfinite(table["hd95_mm"]).all()
    return [float(table["dice"][organ]) for organ in ("stomach", "small_bowel", "large_bowel")]


@pytest.mark.parametrize(
    ("truth", "prediction"), [("nifti", "seg"), ("nifti", "rtstruct"), ("seg", "nifti"), ("rtstruct", "nifti"), ("seg", "seg")]
)
def test_dicom_scores_as_nifti_does(tmp_path: Path, truth: str, prediction: str) -> None:
    # 3 of 4 columns of each organ overlap; a small bowel's neighbours take none of them.
    assert dice(tmp_path, truth, prediction) == [0.75, 0.75, 0.75]


def test_two_structure_sets_have_no_voxels(tmp_path: Path) -> None:
    with pytest.raises(
        MaskError, match=r"^Truth: A structure set needs a scan to lie on: .*case1\.rtstruct\.dcm; give the images"
    ):
        dice(tmp_path, "rtstruct", "rtstruct")


def test_what_only_ends_like_dicom(tmp_path: Path) -> None:
    truth = write(tmp_path / "t", labels(), "nifti")
    prediction = tmp_path / "p"
    prediction.mkdir()
    (prediction / "case1.seg.dcm").write_bytes(b"no DICOM")
    with pytest.raises(MaskError, match=r"^Prediction: .*case1\.seg\.dcm; export it"):
        evaluate_masks(MaskFolders(truth, prediction), Workspace(tmp_path / "ws"), "tool")
