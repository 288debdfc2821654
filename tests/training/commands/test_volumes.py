"""The label maps of volumes lie on their pictures, voxel by voxel, as other programs read them."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from core.config import InferenceConfig
from core.storage.partial import PartialOutput
from tests.core.data.readers.odd_files import dicom_slice, grey
from training.commands.inputs import open_inputs
from training.commands.volumes import predict_volumes

SAMPLES = Path("../shared/data/totalsegmentator").resolve()


class Threshold:
    """Stands in for a predictor: the brighter half of the pixels is class 2."""

    config = InferenceConfig()

    def __init__(self) -> None:
        self.calls = 0

    def predict_scan(self, volume: NDArray[Any], *, numbers: Any = None, progress: Any = None) -> Any:
        self.calls += 1
        assert numbers is None or len(numbers) == len(volume)
        return SimpleNamespace(labels=np.where(volume > np.median(volume), 2, 0).astype(np.uint8))


def outlined(source: Path, out: Path, predictor: Threshold | None = None) -> list[dict[str, Any]]:
    out.mkdir(exist_ok=True)
    with open_inputs(source) as inputs:
        return list(predict_volumes(inputs.volumes, predictor or Threshold(), PartialOutput(out)))  # type: ignore[arg-type]


def turned(angle_deg: float, steps: tuple[float, float, float]) -> NDArray[np.float64]:
    """A rotation about two axes times the voxels' steps, at some place."""
    a, affine = np.deg2rad(angle_deg), np.eye(4)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    affine[:3, :3] = about_z @ about_z[[2, 0, 1]][:, [2, 0, 1]] * steps
    affine[:3, 3] = 3, -40, 12
    return affine


AFFINES = {
    "axial": np.diag([-1.5, -1.5, 3.0, 1.0]),
    "axial, feet first": np.diag([1.5, 1.5, -3.0, 1.0]),
    "coronal": np.array([[-1.5, 0, 0, 9], [0, 0, 3.0, -4], [0, 1.5, 0, 0], [0, 0, 0, 1]]),
    "sagittal": np.array([[0, 0, 3.0, 9], [1.5, 0, 0, -4], [0, 1.5, 0, 0], [0, 0, 0, 1]]),
    "oblique": turned(20, (1.5, 1.25, 4.0)),
    "oblique, reversed": turned(35, (-1.5, 1.25, -4.0)),
    "slices along the first axis": turned(10, (5.0, 1.25, 1.5)),
}


@pytest.mark.parametrize("kind", AFFINES)
def test_nifti_comes_back_on_the_file_s_own_grid(tmp_path: Path, kind: str):
    sitk = pytest.importorskip("SimpleITK")
    shape = (17, 19, 21)
    voxels = np.random.default_rng(1).integers(-300, 300, shape).astype(np.int16)
    (tmp_path / "in").mkdir()
    image = nib.Nifti1Image(voxels, AFFINES[kind])
    image.set_qform(AFFINES[kind], 1)
    image.to_filename(tmp_path / "in" / "Scan 1.nii.gz")
    (fact,) = outlined(tmp_path / "in", tmp_path / "out")
    assert fact["mask"] == "Scan 1.nii.gz"
    expected = np.where(voxels > np.median(voxels), 2, 0)
    read: Any = nib.load(tmp_path / "out" / fact["mask"])
    np.testing.assert_array_equal(np.asarray(read.dataobj), expected)
    np.testing.assert_allclose(read.affine, AFFINES[kind], atol=1e-4)
    theirs, ours = (sitk.ReadImage(str(tmp_path / part / "Scan 1.nii.gz")) for part in ("in", "out"))
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(ours), np.where(sitk.GetArrayFromImage(theirs) > np.median(voxels), 2, 0)
    )
    for get in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, get)(), getattr(theirs, get)(), atol=1e-4)
    steps = np.linalg.norm(AFFINES[kind][:3, :3], axis=0)
    row = fact["classes"][2]
    assert row["pixels"] == (expected == 2).sum()
    assert row["ml"] == pytest.approx(row["pixels"] * steps.prod() / 1000, rel=1e-5)


def test_nifti_without_a_place_keeps_its_order(tmp_path: Path):
    voxels = np.random.default_rng(1).integers(0, 300, (17, 19, 21)).astype(np.int16)
    image = nib.Nifti1Image(voxels, None)
    image.header.set_zooms((4.0, 1.0, 2.0))
    (tmp_path / "in").mkdir()
    image.to_filename(tmp_path / "in" / "a.nii")
    (fact,) = outlined(tmp_path / "in", tmp_path / "out")
    read: Any = nib.load(tmp_path / "out" / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(read.dataobj), np.where(voxels > np.median(voxels), 2, 0))
    assert read.header.get_zooms() == (4.0, 1.0, 2.0)
    assert (int(read.header["sform_code"]), int(read.header["qform_code"]), fact["orientation"]) == (0, 0, None)


def test_a_sheared_volume_has_its_millilitres_by_the_determinant(tmp_path: Path):
    affine = np.array([[2.0, 0, 0, 0], [0, 2.0, 1.5, 0], [0, 0, 5.0, 0], [0, 0, 0, 1]])
    (tmp_path / "in").mkdir()
    nib.Nifti1Image(grey(shape=(17, 19, 20)), affine).to_filename(tmp_path / "in" / "a.nii.gz")
    (fact,) = outlined(tmp_path / "in", tmp_path / "out")
    assert fact["classes"][2]["ml"] == pytest.approx(fact["classes"][2]["pixels"] * 0.02)
    assert any("sheared" in note for note in fact["notes"])
    np.testing.assert_allclose(nib.load(tmp_path / "out" / "a.nii.gz").affine, affine, atol=1e-5)


def write_series(folder: Path, directions: list[float], step: list[float], numbers: list[int]) -> Path:
    folder.mkdir()
    for n in numbers:
        place = [-10 + step[0] * n, 20 + step[1] * n, 30 + step[2] * n]
        dicom_slice(
            folder / f"im{99 - n}.dcm",
            n,
            grey(n).astype(np.uint16) * 4,
            ImageOrientationPatient=directions,
            ImagePositionPatient=place,
            FrameOfReferenceUID="1.2.3",
        )
    return folder


STACKS = {
    "axial": ([1, 0, 0, 0, 1, 0], [0, 0, 4.0]),
    "coronal": ([1, 0, 0, 0, 0, -1], [0, 4.0, 0]),
    "sagittal": ([0, 1, 0, 0, 0, -1], [4.0, 0, 0]),
    "oblique": ([0.8, 0.6, 0, -0.6, 0.8, 0], [0, 0, -4.0]),
    "upside down": ([-1, 0, 0, 0, 1, 0], [0, 0, 4.0]),
}


@pytest.mark.parametrize("kind", STACKS)
def test_a_dicom_series_s_label_map_has_its_voxels(tmp_path: Path, kind: str):
    sitk = pytest.importorskip("SimpleITK")
    folder = write_series(tmp_path / "in", *STACKS[kind], numbers=list(range(18)))
    (fact,) = outlined(folder, tmp_path / "out")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    theirs, ours = reader.Execute(), sitk.ReadImage(str(tmp_path / "out" / fact["mask"]))
    voxels = sitk.GetArrayFromImage(theirs)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), np.where(voxels > np.median(voxels), 2, 0))
    for get in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, get)(), getattr(theirs, get)(), atol=1e-4)
    assert fact["mask"].startswith("series_")
    assert "Doe" not in str(fact)


def test_missing_slices_are_empty_and_there_is_no_volume(tmp_path: Path):
    folder = write_series(tmp_path / "in", *STACKS["axial"], numbers=[0, 1, 2, 5, 6, 7, 8])
    (fact,) = outlined(folder, tmp_path / "out")
    read: Any = nib.load(tmp_path / "out" / fact["mask"])
    labels = np.asarray(read.dataobj)
    assert (labels.shape[2], fact["slices"], fact["partial"], fact["classes"][2]["ml"]) == (9, 7, True, None)
    assert [z for z in range(9) if not labels[..., z].any()] == [3, 4]
    # DICOM's (-10, 20, 30) left-posterior-superior, as NIfTI has it.
    np.testing.assert_allclose(read.affine[:3, 3], [10, -20, 30])


def test_what_is_done_is_not_done_again(tmp_path: Path):
    (tmp_path / "in").mkdir()
    nib.Nifti1Image(grey(shape=(17, 19, 20)), np.eye(4)).to_filename(tmp_path / "in" / "a.nii.gz")
    predictor = Threshold()
    first = outlined(tmp_path / "in", tmp_path / "out", predictor)
    assert outlined(tmp_path / "in", tmp_path / "out", predictor) == first
    assert predictor.calls == 1
    nib.Nifti1Image(grey(shape=(17, 19, 20)), np.diag([1, 1, 2, 1])).to_filename(tmp_path / "in" / "a.nii.gz")
    outlined(tmp_path / "in", tmp_path / "out", predictor)
    assert predictor.calls == 2


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
def test_masks_of_real_scans_lie_on_them(tmp_path: Path):
    sitk = pytest.importorskip("SimpleITK")
    (tmp_path / "in").mkdir()
    for name in ("example_ct_sm", "example_mr_sm"):
        shutil.copy(SAMPLES / f"{name}.nii.gz", tmp_path / "in")
    for fact in outlined(tmp_path / "in", tmp_path / "out"):
        theirs, ours = (sitk.ReadImage(str(tmp_path / part / fact["mask"])) for part in ("in", "out"))
        for get in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
            np.testing.assert_allclose(getattr(ours, get)(), getattr(theirs, get)(), atol=1e-3)
        grey_values, labels = sitk.GetArrayFromImage(theirs), sitk.GetArrayFromImage(ours)
        assert grey_values[labels == 2].min() > grey_values[labels == 0].max() - 1
