"""`prepare nifti`, `nnunet` and `table`: whole scans in, the voxels, places and classes that nibabel wrote."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from core.config import SplitConfig
from core.data.images import write_png
from core.data.index import DatasetIndex, load_index
from core.data.prepare.nifti_folder import prepare_nifti
from core.data.prepare.nnunet import prepare_nnunet
from core.data.prepare.patients import VOLUME_PATTERN, PatientRule
from core.data.prepare.table import prepare_table
from core.data.prepare.volumes import VolumeOptions
from core.data.readers.label_files import LabelTable
from core.data.scan import Scan
from core.errors import DatasetError, InputError, MaskError, WorkspaceError

SHAPE = (20, 18, 4)
"""(x, y, z) as NIfTI has them; slices along z, which has the largest spacing."""
AFFINE = np.array([[-1.5, 0, 0, 10], [0, -2.0, 0, 20], [0, 0, 3.0, 30], [0, 0, 0, 1]])
"""Voxels lead to the left, the back and the head: RAS+ has the first two reversed."""
EACH = VolumeOptions(SplitConfig(0.5), patients=PatientRule(VOLUME_PATTERN, one_a_file=True))


def image_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, SHAPE).astype(np.int16)


def labels_of(seed: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2 + seed, 3, 1], labels[5, 6 + seed, 2] = 1, 3
    return labels


def as_shown(voxels: np.ndarray) -> np.ndarray:
    """To the feet, the back and the left: z reversed; y and x lead there already."""
    return voxels.transpose(2, 1, 0)[::-1]


def save(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def folder(root: Path, names: dict[str, bool], *, images: str = "images", labels: str = "labels", ending: str = "") -> Path:
    """NIfTI files by name, and whether each has labels."""
    for seed, (name, labelled) in enumerate(names.items()):
        save(root / images / f"{name}{ending}.nii.gz", image_of(seed))
        if labelled:
            save(root / labels / f"{name}.nii.gz", labels_of(seed))
    return root


def scans_of(index: DatasetIndex) -> dict[str, Scan]:
    return {scan.id: scan for scans in index.splits.values() for scan in scans}


@pytest.mark.parametrize(("labels", "ending"), [("labels", ""), ("masks", "_0000")])
def test_a_folder_of_nifti(tmp_path: Path, labels: str, ending: str) -> None:
    source = folder(
        tmp_path / "in", {"case1_day0": True, "case1_day3": True, "b_day1": True, "c": False}, labels=labels, ending=ending
    )
    made = prepare_nifti(source, tmp_path / "out", VolumeOptions(SplitConfig(valid_patients=("b",))))
    assert made.patients == {"train": 1, "valid": 1, "unlabelled": 1}
    assert made.slices == {"train": 8, "valid": 4, "unlabelled": 4}
    index = load_index(made.root)
    scan = index.scan("train", "case1_day3")
    assert (scan.patient, scan.day, len(scan.slices)) == ("case1", 3, 4)
    np.testing.assert_array_equal(scan.read_image(), as_shown(image_of(1)))
    np.testing.assert_array_equal(scan.read_labels(), as_shown(labels_of(1)))
    assert scan.info.spacing_mm == (3.0, 2.0, 1.5)
    assert scan.info.grid.orientation == "IPL"
    # Voxel (0, 0, 0) is the last slice of the file: z = 30 + 3·3; x and y change sign from RAS+ to LPS.
    np.testing.assert_allclose(scan.info.grid.points_mm([[0, 0, 0]]), [[-10, -20, 39]])


def test_names_of_scans_that_tell_no_patient(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"amos_1": True, "amos_2": True, "amos_3": True})
    with pytest.raises(DatasetError, match=r"^3 of 3 names tell no patient: amos_1, amos_2, amos_3; say whose they are"):
        prepare_nifti(source, tmp_path / "out", VolumeOptions())
    assert not (tmp_path / "out").exists()
    rule = PatientRule(VOLUME_PATTERN, {"amos_1": "A", "amos_2": "A", "amos_3": "B"})
    made = prepare_nifti(source, tmp_path / "out", VolumeOptions(patients=rule))
    assert {scan.id: scan.patient for scan in scans_of(load_index(made.root)).values()} == {
        "amos_1": "A", "amos_2": "A", "amos_3": "B",
    }  # fmt: skip


def test_labels_without_an_image(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a": True, "b": True})
    (source / "images/b.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"^1 label files in .* have no image: b; add the images"):
        prepare_nifti(source, tmp_path / "out", EACH)


def test_labels_that_lie_elsewhere(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a": True, "b": True})
    save(
        source / "labels/b.nii.gz",
        labels_of(1),
        AFFINE + np.eye(4)[:, [3, 3, 3, 0]] * 0 + np.array([[0, 0, 0, 5]] + [[0] * 4] * 3),
    )
    with pytest.raises(MaskError, match=r"^The volumes of image and reference do not lie in the same place"):
        prepare_nifti(source, tmp_path / "out", EACH)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_only_scans_without_a_reference(tmp_path: Path) -> None:
    made = prepare_nifti(folder(tmp_path / "in", {"a": False, "b": False}), tmp_path / "out", VolumeOptions())
    assert (made.slices, made.manifest.split) == ({"unlabelled": 8}, "not divided: no scan has a reference")


def test_two_names_that_come_to_one(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a b": True, "a_b": True})
    with pytest.raises(DatasetError, match=r"^Two scans have one name, as names of files go: a b and a_b; rename one of them\.$"):
        prepare_nifti(source, tmp_path / "out", EACH)


def test_an_output_that_holds_something_is_left(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a": True, "b": True})
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    with pytest.raises(WorkspaceError, match=r"^The output folder already holds something"):
        prepare_nifti(source, tmp_path / "out", EACH)


VERSION_2 = {"channel_names": {"0": "T2", "1": "T1"}, "labels": {"background": 0, "stomach": 1, "liver": 2, "Bowel_Large": 3}}
VERSION_1 = {"modality": {"0": "MR"}, "labels": {"0": "background", "1": "Stomach", "3": "large bowel"}, "licence": "CC0"}


@pytest.fixture
def nnunet(tmp_path: Path) -> Callable[..., Path]:
    def make(content: dict[str, object] = VERSION_2, *, channels: int = 2) -> Path:
        root = tmp_path / "nnUNet_raw/Dataset007_Gut"
        for seed, name in enumerate(("a_0001", "b", "c")):
            for channel in range(channels):
                save(root / f"imagesTr/{name}_{channel:04d}.nii.gz", image_of(seed) + 5000 * channel)
            save(root / f"labelsTr/{name}.nii.gz", labels_of(seed))
        save(root / "imagesTs/t_0000.nii.gz", image_of(9))
        (root / "dataset.json").write_text(json.dumps(content))
        return root

    return make


def test_an_nnunet_folder(nnunet: Callable[..., Path], tmp_path: Path) -> None:
    source = nnunet(channels=1)
    made = prepare_nnunet(source, tmp_path / "out", EACH)
    assert made.slices == {"train": 4, "valid": 8, "unlabelled": 4}
    scans = scans_of(load_index(made.root))
    assert sorted(scans) == ["a_0001", "b", "c", "t"]
    np.testing.assert_array_equal(scans["b"].read_labels(), as_shown(labels_of(1)))


def test_one_of_several_channels(nnunet: Callable[..., Path], tmp_path: Path) -> None:
    source = nnunet()
    save(source / "imagesTs/t_0001.nii.gz", image_of(9))
    made = prepare_nnunet(source, tmp_path / "out", EACH, channel=1)
    assert "Scans have 2 channels; this is channel 1, T1." in made.manifest.notes
    np.testing.assert_array_equal(scans_of(load_index(made.root))["b"].read_image(), as_shown(image_of(1)) + 5000)
    with pytest.raises(DatasetError, match=r"^3 scans have no channel 2: a_0001, b, c; choose another --channel"):
        prepare_nnunet(source, tmp_path / "other", EACH, channel=2)


def test_version_1_of_dataset_json(nnunet: Callable[..., Path], tmp_path: Path) -> None:
    made = prepare_nnunet(nnunet(VERSION_1, channels=1), tmp_path / "out", EACH)
    assert made.manifest.licence == "CC0"
    assert set(np.unique(scans_of(load_index(made.root))["b"].read_labels())) == {0, 1, 3}


def test_labels_of_other_names(nnunet: Callable[..., Path], tmp_path: Path) -> None:
    source = nnunet({"labels": {"background": 0, "liver": 1, "spleen": 3, "both": [1, 3]}}, channels=1)
    with pytest.raises(
        MaskError, match=r"^Labels 1 \(liver\), 3 \(spleen\) have no class: .*; say which is which, such as --map"
    ):
        prepare_nnunet(source, tmp_path / "out", EACH)
    options = VolumeOptions(EACH.split, patients=EACH.patients, labels=LabelTable.parse("1=small_bowel"))
    made = prepare_nnunet(source, tmp_path / "out", options)
    assert set(np.unique(scans_of(load_index(made.root))["b"].read_labels())) == {0, 2}
    assert "Labels without a class of ours are background: 3 (spleen)." in made.manifest.notes


def test_a_fold_of_nnunet_s_own(nnunet: Callable[..., Path], tmp_path: Path) -> None:
    source = nnunet(channels=1)
    folds = [{"train": ["a_0001", "b"], "val": ["c"]}, {"train": ["b", "c"], "val": ["a_0001"]}, {"train": ["b"], "val": ["c"]}]
    (source / "splits_final.json").write_text(json.dumps(folds))
    made = prepare_nnunet(source, tmp_path / "out", VolumeOptions(), fold=1)
    index = load_index(made.root)
    assert [scan.id for scan in index.scans("valid")] == ["a_0001"]
    assert made.manifest.split == "as fold 1 of nnU-Net's splits_final.json"
    # Nobody said whose they are: the badge will be unknown.
    assert index.unparsed("train") == 8
    with pytest.raises(DatasetError, match=r"^splits_final\.json has no such fold: 3; use 0 to 2\.$"):
        prepare_nnunet(source, tmp_path / "other", EACH, fold=3)
    with pytest.raises(DatasetError, match=r"^Fold 2 of splits_final\.json does not name each scan of labelsTr once: a_0001; "):
        prepare_nnunet(source, tmp_path / "other", EACH, fold=2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "^dataset.json is missing or cannot be read"),
        ("[]", "^dataset.json is not as nnU-Net writes it"),
        ('{"labels": {"a": "b"}}', "^dataset.json is not as nnU-Net writes it"),
        ('{"labels": {}, "file_ending": ".png"}', r"^The folder's files end in \.png: .*; convert them to \.nii\.gz"),
    ],
)
def test_a_dataset_json_that_is_none(nnunet: Callable[..., Path], tmp_path: Path, content: str, said: str) -> None:
    source = nnunet(channels=1)
    (source / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=said):
        prepare_nnunet(source, tmp_path / "out", EACH)


def test_a_table(tmp_path: Path) -> None:
    folder(tmp_path / "files", {"a": True, "b": True})
    for kind in ("slices", "drawn"):
        (tmp_path / "files" / kind).mkdir()
    for number in (1, 2, 4):
        write_png(tmp_path / f"files/slices/im {number}.png", np.full((16, 20), number, np.uint8))
        write_png(tmp_path / f"files/drawn/{number}.png", np.full((16, 20), number % 3, np.uint8))
    table = tmp_path / "files/scans.csv"
    table.write_text(
        "scan,image,reference,patient,age\n"
        "first,images/a.nii.gz,labels/a.nii.gz,P1,44\n"
        "second,./images/b.nii.gz,labels/b.nii.gz,P2,55\n"
        "third,slices,drawn,P1,44\n"
        "fourth,images/b.nii.gz,,,\n"
    )
    made = prepare_table(table, tmp_path / "out", VolumeOptions(SplitConfig(valid_patients=("P2",))))
    index = load_index(made.root)
    assert {scan.id: scan.patient for scan in index.scans("train")} == {"first": "P1", "third": "P1"}
    assert [each.name.number for each in index.scan("train", "third").slices] == [1, 2, 4]
    assert index.scan("train", "third").read_labels()[:, 0, 0].tolist() == [1, 2, 1]
    assert [scan.id for scan in index.scans("unlabelled")] == ["fourth"]
    assert made.manifest.notes[0] == "Columns of the table that are not used: age."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scan,picture\na,b\n", r"^The table of scans has no image: .*; give a CSV file with the columns scan, image\.$"),
        ("scan,image\n,a.nii\n", r"^The table of scans has a row without scan: .*scans\.csv, line 2; "),
        ("scan,image\na,none.nii\n", r"^Line 2 of the table names a file that is not there: .*scans\.csv: none\.nii; "),
        ("scan,image\na,scans.csv\na,scans.csv\n", r"^Two scans have one name, as names of files go: a; rename one of them\.$"),
        ("scan,image\na,scans.csv\n", r"^The file is no scan that can be read: .*scans\.csv; give NIfTI, DICOM or a folder"),
        ("scan,image\n", "^The table of scans has no rows"),
        ("\0", "^The table of scans (has no|cannot)"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "scans.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        prepare_table(tmp_path / "scans.csv", tmp_path / "out", EACH)
