"""Label maps of other tools scored: the same numbers as ours, an evaluation that the dashboard opens, and what is refused."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from core.config import ScoringConfig
from core.data.images import write_png
from core.data.index import load_index
from core.data.manifest import DatasetManifest
from core.data.masks import read_label_volume
from core.data.readers.label_files import LabelTable
from core.data.readers.nifti import NO_DISTANCES
from core.data.volume import GreyScale
from core.errors import ConfigError, DatasetError, ImageError, MaskError, WorkspaceError
from core.evaluation.external import MaskFolders, evaluate_masks
from core.evaluation.score_set import ScoreSet
from core.imaging.scan_payload import scan_payload
from core.metrics.geometry import ONE_SLICE, SHEARED, SLICES_MISSING
from core.runs.registry import open_run
from core.storage.files import write_json
from core.storage.workspace import Workspace

TABLE = LabelTable({6: 1, 18: 2, 20: 3})
AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])


def labels(seed: int) -> np.ndarray:
    """(x, y, z) labels 0, 5, 6 and 18: a liver, a stomach that moves with the seed, and a loop of bowel."""
    made = np.zeros((24, 20, 6), np.uint8)
    made[2:8, 2:18, :] = 5
    made[10 + seed : 16 + seed, 4:12, 1:5] = 6
    made[18:22, 14:18, 2:4] = 18
    return made


@pytest.fixture
def nifti(tmp_path: Path) -> MaskFolders:
    """Two scans; the predicted stomach lies one column, 2 mm, further to the right."""
    for folder, shift in (("truth", 0), ("drawn", 1)):
        (tmp_path / folder).mkdir()
        for scan in ("s1", "s2"):
            nib.save(nib.Nifti1Image(labels(shift), AFFINE), tmp_path / folder / f"{scan}.nii.gz")
    return MaskFolders(tmp_path / "truth", tmp_path / "drawn", truth_table=TABLE, prediction_table=TABLE)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for scan in ("s1", "s2"):
        voxels = np.random.default_rng(0).integers(-1000, 2000, (24, 20, 6)).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "images" / f"{scan}.nii.gz")
    return tmp_path / "images"


def with_images(folders: MaskFolders, images: Path) -> MaskFolders:
    return MaskFolders(folders.truth, folders.prediction, images, TABLE, TABLE)


def test_scores_by_hand(nifti: MaskFolders, workspace: Workspace) -> None:
    done = evaluate_masks(nifti, workspace, "tool")
    table = done.scans().set_index(["scan", "organ"])
    stomach = table.loc[("s1", "stomach")]
    # 6 columns of 8 rows and 4 slices, one of them off: 2 × 5 / 12 of them agree; a voxel has 16 mm³.
    assert stomach["dice"] == pytest.approx(10 / 12)
    assert stomach["reference_ml"] == pytest.approx(6 * 8 * 4 * 0.016)
    assert (stomach["hd95_mm"], stomach["nsd_3mm"]) == (2.0, 1.0)
    assert table.loc[("s1", "small_bowel"), "dice"] == 1
    assert table.loc[("s1", "large_bowel"), "outcome"] == "absent"
    assert done.summary["external"]["notes"][1] == "1 other labels count as background: 5"
    assert done.badge.text == "unknown"
    assert done.slices()["confidence"].isna().all()


def test_the_scores_are_those_of_our_own_evaluations(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    done = evaluate_masks(with_images(nifti, images), workspace, "tool")
    index = load_index(done.dataset_root)
    scores = ScoreSet(leak="unknown", config=ScoringConfig())
    for scan in index.scans("valid"):
        scores.add(scan, reference=scan.read_labels(), prediction=read_label_volume(done.paths.mask(scan.id)))
    pd.testing.assert_frame_equal(scores.scans(), done.scans(), check_dtype=False)


def test_the_error_regions_are_written(nifti: MaskFolders, workspace: Workspace) -> None:
    done = evaluate_masks(nifti, workspace, "tool")
    errors = pd.read_parquet(done.paths.root / "errors.parquet")
    assert errors.groupby("scan").size().to_dict() == {"s1": 2, "s2": 2}
    assert set(errors["kind"]) == {"boundary"}
    assert sorted(errors["side"]) == ["extra", "extra", "missing", "missing"]


def test_the_dashboard_opens_it_with_images(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    evaluate_masks(with_images(nifti, images), workspace, "tool")
    run = open_run(workspace.run("tool").root)
    assert (run.problem, run.status and run.status.state, run.has_model) == ("", "finished", False)
    (found,) = run.evaluations()
    assert found.dataset_root == workspace.dataset("tool")
    assert scan_payload(found, "s1").body
    image = load_index(found.dataset_root).scan("valid", "s1").read_image()
    assert (image.shape, image.dtype) == ((6, 20, 24), np.uint16)


def test_without_images_there_are_scores_and_a_note(nifti: MaskFolders, workspace: Workspace) -> None:
    done = evaluate_masks(nifti, workspace, "tool")
    assert not workspace.datasets.exists()
    assert done.summary["external"]["notes"][0].startswith("No images were given, so these are scores only")
    assert done.scan_facts("s1")["image_sha256"] == ""


def test_a_second_time_replaces_the_first(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    folders = with_images(nifti, images)
    first, second = (evaluate_masks(folders, workspace, "tool") for _ in range(2))
    assert first.summary["organs"] == second.summary["organs"]
    assert len(open_run(workspace.run("tool").root).evaluations()) == 1


def test_masks_of_a_data_set_belong_to_it(tmp_path: Path, workspace: Workspace, write_dataset) -> None:
    stems = [f"case2_day0_slice_{number:04d}" for number in (3, 4)]
    root = write_dataset(tmp_path / "set", train=["case1_day0_slice_0001"], valid=stems)
    scans = {"case2_day0": {"spacing_mm": [3.0, 1.5, 1.5], "native_size": None, "contested_pixels": 0}}
    write_json(root / "dataset.json", DatasetManifest("set").to_json() | {"scans": scans})
    (tmp_path / "drawn").mkdir()
    for stem in stems:
        write_png(tmp_path / "drawn" / f"{stem}.png", np.full((20, 24), 9, np.uint8))
    folders = MaskFolders(root / "valid" / "masks", tmp_path / "drawn", prediction_table=LabelTable({9: 2}))
    done = evaluate_masks(folders, workspace, "tool")
    assert (done.name, done.dataset_root, done.split) == ("set-valid", root, "valid")
    assert done.scan_facts("case2_day0")["slice_numbers"] == [3, 4]
    assert done.scans()["hd95_mm"].notna().all()
    assert scan_payload(done, "case2_day0").body
    assert done.badge.text == "unknown"


def test_a_training_run_is_never_overwritten(nifti: MaskFolders, workspace: Workspace) -> None:
    write_json(workspace.run("tool").manifest, {})
    with pytest.raises(WorkspaceError, match=r"^A training run has this name: .*; choose another --name\.$"):
        evaluate_masks(nifti, workspace, "tool")


def test_a_data_set_is_never_overwritten(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    write_json(workspace.dataset("tool") / "dataset.json", DatasetManifest("tool").to_json())
    with pytest.raises(WorkspaceError, match=r"^A data set has this name: .*; choose another --name\.$"):
        evaluate_masks(with_images(nifti, images), workspace, "tool")


def test_a_failure_midway_leaves_nothing(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    nib.save(nib.Nifti1Image(labels(0)[:, :, 1:], AFFINE), nifti.prediction / "s2.nii.gz")
    with pytest.raises(MaskError, match=r"^The volumes of truth and prediction differ in shape"):
        evaluate_masks(with_images(nifti, images), workspace, "tool")
    assert [path for path in workspace.root.rglob("*") if path.is_file()] == []


def test_missing_partners_are_named(nifti: MaskFolders, workspace: Workspace) -> None:
    (nifti.prediction / "s2.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"1 truth without prediction \(s2\)"):
        evaluate_masks(nifti, workspace, "tool")


def test_a_spacing_for_files_that_state_their_own(nifti: MaskFolders, workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"^Volumes state their own spacing: \(3.0, 1.5, 1.5\); "):
        evaluate_masks(replace(nifti, spacing_mm=(3.0, 1.5, 1.5)), workspace, "tool")


def test_progress_names_each_scan(nifti: MaskFolders, workspace: Workspace) -> None:
    calls: list[tuple[int, int, str]] = []
    evaluate_masks(nifti, workspace, "tool", progress=lambda *call: calls.append(call))
    assert calls == [(0, 2, "s1"), (1, 2, "s2"), (2, 2, "written")]


@pytest.mark.parametrize(("folder", "role"), [("truth", "Truth"), ("drawn", "Prediction")])
def test_whose_file_is_at_fault_is_said(nifti: MaskFolders, workspace: Workspace, folder: str, role: str) -> None:
    path = nifti.truth.parent / folder / "s2.nii.gz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MaskError, match=rf"^{role}: The volume is damaged or no NIfTI file: {path}; export or copy it again"):
        evaluate_masks(nifti, workspace, "tool")
    nib.save(nib.Nifti1Image(labels(0) + 0.5, AFFINE), path)
    with pytest.raises(MaskError, match=rf"^{role}: A label map holds values between whole numbers: "):
        evaluate_masks(nifti, workspace, "tool")


def test_damaged_headers_are_found_before_anything_is_read(nifti: MaskFolders, workspace: Workspace) -> None:
    (nifti.prediction / "s2.nii.gz").write_bytes(b"")
    calls: list[tuple[int, int, str]] = []
    with pytest.raises(MaskError, match=r"^Prediction: The volume is damaged or no NIfTI file: "):
        evaluate_masks(nifti, workspace, "tool", progress=lambda *call: calls.append(call))
    assert calls == []


def test_a_damaged_image_is_said_to_be_the_image(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    (images / "s1.nii.gz").write_bytes(b"")
    with pytest.raises(ImageError, match=r"^Image: The volume is damaged or no NIfTI file: "):
        evaluate_masks(with_images(nifti, images), workspace, "tool")


def test_the_data_set_made_for_review_has_geometry_and_grey_values(
    nifti: MaskFolders, workspace: Workspace, images: Path
) -> None:
    done = evaluate_masks(with_images(nifti, images), workspace, "tool")
    info = load_index(done.dataset_root).scan("valid", "s1").info
    assert (info.grid.orientation, info.grid.spacing_mm, info.geometry) == ("IPL", (4.0, 2.0, 2.0), "NIfTI sform")
    # The voxel that lies most to the right, the front and the head is at (46, 38, 20) in RAS.
    np.testing.assert_allclose(info.grid.points_mm(np.zeros((1, 3))), [[-46.0, -38.0, 20.0]])
    values = np.random.default_rng(0).integers(-1000, 2000, (24, 20, 6))
    assert info.grey == GreyScale(intercept=float(values.min()))
    facts = done.scan_facts("s1")
    assert (facts["geometry"], facts["partial"], facts["affine"]) == ("NIfTI sform", False, info.affine)


def test_a_sheared_volume_has_its_true_volume_and_no_distances(nifti: MaskFolders, workspace: Workspace) -> None:
    tilted = AFFINE.copy()
    tilted[1, 2] = 2.0
    for folder, shift in ((nifti.truth, 0), (nifti.prediction, 1)):
        nib.save(nib.Nifti1Image(labels(shift), tilted), folder / "s2.nii.gz")
    done = evaluate_masks(nifti, workspace, "tool")
    assert done.summary["without_distances"] == {SHEARED: ["s2"]}
    table = done.scans().set_index(["scan", "organ"])
    assert table.loc[("s2", "stomach"), "reference_ml"] == pytest.approx(6 * 8 * 4 * 0.016)
    assert table.loc["s2", ["hd95_mm", "nsd_3mm"]].isna().all(axis=None)
    assert f"s2: Truth: {NO_DISTANCES}" in done.summary["external"]["notes"]
    errors = done.errors().set_index("scan")
    assert errors.loc["s2", "volume_ml"].sum() == pytest.approx(errors.loc["s1", "volume_ml"].sum())


def test_single_slices_and_gaps_are_partial(tmp_path: Path, workspace: Workspace) -> None:
    for stem in ("a_slice_0001", "b_slice_0001", "b_slice_0003", "c_slice_0001", "c_slice_0002"):
        for folder in ("t", "p"):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_png(tmp_path / folder / f"{stem}.png", np.full((20, 24), 1, np.uint8))
    done = evaluate_masks(MaskFolders(tmp_path / "t", tmp_path / "p", spacing_mm=(3.0, 1.5, 1.5)), workspace, "tool")
    assert done.summary["without_distances"] == {ONE_SLICE: ["a"], SLICES_MISSING: ["b"]}
    assert done.summary["partial_count"] == 2
    assert done.extent == "3 scans of 3 patients, 2 of them partial (one slice alone, or slices missing)"
    assert done.summary["competition"]["scans_left_out"] == 2
    stomach = done.scans().query("organ == 'stomach'").set_index("scan")
    assert stomach["hd95_mm"].isna().to_dict() == stomach["reference_ml"].isna().to_dict() == {"a": True, "b": True, "c": False}


def test_a_table_names_files_scans_and_patients(nifti: MaskFolders, workspace: Workspace, images: Path) -> None:
    rows = ["scan,reference,prediction,image,patient"]
    rows += [f"visit{n},truth/s{n}.nii.gz,drawn/s{n}.nii.gz,images/s{n}.nii.gz,p7" for n in (1, 2)]
    table = nifti.truth.parent / "pairs.csv"
    table.write_text("\n".join(rows))
    done = evaluate_masks(MaskFolders.of_table(table, TABLE, TABLE, None), workspace, "tool")
    same = evaluate_masks(with_images(nifti, images), workspace, "folders")
    assert done.scans()["dice"].equals(same.scans()["dice"])
    assert (done.scan_facts("visit1")["patient"], done.summary["patient_count"]) == ("p7", 1)
    assert scan_payload(done, "visit2").body


def test_a_name_that_cannot_be_a_file_is_refused_before_anything_is_read(nifti: MaskFolders, workspace: Workspace) -> None:
    for folder in (nifti.truth, nifti.prediction):
        (folder / "s3 a.nii.gz").touch()
    with pytest.raises(WorkspaceError, match=r"^This is no scan: s3 a; use letters"):
        evaluate_masks(nifti, workspace, "tool")
