"""``export --what`` on the command line: every format, the original series, and what is refused before anything is written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from core.cli.command import run_command
from core.data.manifest import FILE_NAME, read_manifest
from core.data.masks import read_label_volume
from core.data.prepare.key_file import KeptPatient, Key, key_bytes
from core.data.readers.rtstruct import read_rtstruct
from core.data.volume import DicomSource
from core.data.writers.dicom_context import renamed
from core.data.writers.scan_files import FILE_FORMATS
from core.reviews.corrections import save_correction
from core.reviews.store.store import ReviewStore
from core.runs.registry import find_run
from core.storage.files import write_json
from core.storage.workspace import Workspace
from tests.browser.small_workspace import DEPTH, HEIGHT, RUN, SCANS, WIDTH
from tests.core.data.writers.series import PATIENT, write_series
from training.__main__ import main

AFFINE = ((0.0, 0.0, 1.0, -30.0), (0.0, 2.0, 0.0, -40.0), (-3.0, 0.0, 0.0, 50.0), (0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def workspace(small_copy: Path, tmp_path: Path) -> Workspace:
    """Two evaluated scans, each from a DICOM series in ``series``."""
    made = Workspace(small_copy)
    summary = made.run(RUN).evaluation("small-valid").summary
    content = json.loads(summary.read_text())
    content["dataset"]["root"] = str(made.dataset("small"))
    write_json(summary, content)
    manifest = read_manifest(made.dataset("small"))
    scans = {}
    for scan in SCANS:
        placed = replace(manifest.scan_info(scan), affine=AFFINE)
        pixels = np.zeros((DEPTH, HEIGHT, WIDTH), np.uint16)
        scans[scan] = replace(placed, dicom=write_series(tmp_path / "series" / scan, pixels, placed.grid, seed=scan))
    write_json(made.dataset("small") / FILE_NAME, replace(manifest, scans=manifest.scans | scans).to_json())
    return made


def said(capsys: pytest.CaptureFixture[str], workspace: Workspace, *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``export`` in a workspace."""
    code = run_command(lambda: main(["export", *(str(word) for word in words), "--workspace", str(workspace.root)]))
    return code, *capsys.readouterr()


def uids_of(source: DicomSource) -> tuple[str, ...]:
    return source.study_uid, source.series_uid, source.frame_of_reference_uid, *source.instance_uids


OF_RUN = ("--run", RUN, "--evaluation", "small-valid")


@pytest.mark.parametrize("fmt", FILE_FORMATS)
def test_every_format(workspace: Workspace, fmt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    code, words, error = said(capsys, workspace, *OF_RUN, "--what", "prediction", "--format", fmt, "--out", out)
    assert (code, error) == (0, "")
    assert words.startswith(f"Exported 2 scans to {out} (")
    assert "Note" not in words
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert (
        found
        == {
            "nifti": [f"{scan}.nii.gz" for scan in SCANS],
            "dicom-seg": [f"{scan}.seg.dcm" for scan in SCANS],
            "dicom-labelmap": [f"{scan}.seg.dcm" for scan in SCANS],
            "rtstruct": [f"{scan}.rtstruct.dcm" for scan in SCANS],
            "nnunet": [
                "dataset.json",
                *(f"imagesTr/{scan}_0000.nii.gz" for scan in SCANS),
                *(f"labelsTr/{scan}.nii.gz" for scan in SCANS),
            ],
            "rle": ["masks.csv"],
            "png": [f"{scan}_slice_{5 + z:04d}_mask.png" for scan in SCANS for z in range(DEPTH)],
        }[fmt]
    )


def test_the_original_series_gives_patient_and_study(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*OF_RUN, "--what", "prediction", "--format", "rtstruct", "--source", tmp_path / "series")
    code, printed, _ = said(capsys, workspace, *words, "--out", tmp_path / "out", "--json")
    about = json.loads(printed)
    assert (code, about["made_up_series"]) == (0, [])
    assert about["files"] == {scan: [f"{scan}.rtstruct.dcm"] for scan in SCANS}
    info = read_manifest(workspace.dataset("small")).scan_info(SCANS[0])
    path = tmp_path / "out" / f"{SCANS[0]}.rtstruct.dcm"
    made = pydicom.dcmread(path)
    assert info.dicom is not None
    assert (made.PatientID, made.StudyInstanceUID) == (PATIENT, info.dicom.study_uid)
    prediction = read_label_volume(workspace.run(RUN).evaluation("small-valid").mask(SCANS[0]))
    assert np.array_equal(read_rtstruct(path, info.grid, prediction.shape).labels, prediction)
    shutil.rmtree(tmp_path / "series" / SCANS[1])
    code, printed, error = said(capsys, workspace, *words, "--out", tmp_path / "other")
    assert (code, printed) == (2, "")
    assert error.startswith(f"The folder lacks the series that scan {SCANS[1]} came from: ")
    assert PATIENT not in error
    assert not list(tmp_path.glob("*other*"))


def test_the_key_tells_the_patient_and_the_original_series(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `prepare dicom --new_uids` leaves it: the data set has other UIDs than the files, and a pseudonym for a patient."""
    root = workspace.dataset("small")
    manifest, original = read_manifest(root), {}
    key = Key({"case2": KeptPatient(PATIENT, -400)})
    for scan in SCANS:
        original[scan] = manifest.scan_info(scan).dicom
        new = renamed(original[scan], {uid: key.new_uid(uid) for uid in uids_of(original[scan])})
        manifest.scans[scan] = replace(manifest.scan_info(scan), dicom=new)
    write_json(root / FILE_NAME, manifest.to_json())
    place = tmp_path / "the.key.json"
    place.write_bytes(key_bytes(key))
    words = (*OF_RUN, "--what", "prediction", "--format", "dicom-seg")
    error = said(capsys, workspace, *words, "--source", tmp_path / "series", "--out", tmp_path / "none")[2]
    assert error.startswith("The folder lacks the series that scan")
    for more, name in (((), ""), (("--source", tmp_path / "series"), "Real^Name")):
        out = tmp_path / f"out{len(more)}"
        assert said(capsys, workspace, *words, "--key", place, *more, "--out", out)[0] == 0
        for scan in SCANS:
            made = pydicom.dcmread(out / f"{scan}.seg.dcm")
            assert (made.PatientID, str(made.PatientName).rstrip("^")) == (PATIENT, name or PATIENT)
            assert made.StudyInstanceUID == original[scan].study_uid
            used = {each.ReferencedSOPInstanceUID for each in made.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
            assert used == set(original[scan].instance_uids)
    place.write_bytes(key_bytes(Key()))
    code, _, error = said(capsys, workspace, *words, "--key", place, "--out", tmp_path / "none")
    assert (code, error[:37]) == (2, "The key has no such patient: case2; g")
    assert not list(tmp_path.glob("*none*"))


def test_corrections_of_a_reader(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*OF_RUN, "--what", "correction", "--format", "nifti", "--out", tmp_path / "out")
    assert said(capsys, workspace, *words)[2] == "Nobody has corrected a scan: stub · small-valid; correct one in Review.\n"
    evaluation = find_run(workspace, RUN).evaluation("small-valid")
    store = ReviewStore.open(workspace.reviews_db)
    drawn = {}
    for reader, organ in (("Ada", 1), ("Ben", 2)):
        drawn[reader] = np.zeros((DEPTH, HEIGHT, WIDTH), np.uint8)
        drawn[reader][4:6, 3:9, 3:9] = organ
        save_correction(workspace, store, evaluation, SCANS[0], drawn[reader], base="empty", reader=reader, seconds=1)
    store.close()
    error = said(capsys, workspace, *words)[2]
    assert error == f"Several readers corrected scan {SCANS[0]}: Ada, Ben; choose one with --reader.\n"
    assert not (tmp_path / "out").exists()
    assert said(capsys, workspace, *words, "--reader", "Ada")[0] == 0
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == f"{SCANS[0]}.nii.gz"
    assert np.array_equal(np.asarray(nib.load(path).dataobj).transpose(2, 1, 0), drawn["Ada"])


def test_the_references_of_a_data_set(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = workspace.dataset("small"), tmp_path / "out"
    words = ("--data", root, "--what", "reference", "--format")
    assert said(capsys, workspace, *words, "nnunet", "--out", out)[0] == 0
    assert len(list((out / "labelsTr").iterdir())) == 3
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 3
    code, _, _ = said(capsys, workspace, *words, "dicom-seg", "--scan", SCANS[1], "--out", tmp_path / "one")
    assert (code, [path.name for path in (tmp_path / "one").iterdir()]) == (0, [f"{SCANS[1]}.seg.dcm"])
    code, _, error = said(capsys, workspace, *words, "dicom-seg", "--out", tmp_path / "all")
    assert (code, error) == (
        2,
        "A DICOM segmentation has to say where the scan lies in the patient, and nobody knows: case1_day0; "
        "export nifti, nnunet, rle or png.\n",
    )
    assert not list(tmp_path.glob("*all*"))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((*OF_RUN, "--what", "prediction"), "Something is missing: --format; see python -m training export --help."),
        (("--what", "prediction", "--format", "png"), "Something is missing: --run and --evaluation, or --data; see"),
        (
            ("--data", "x", "--what", "prediction", "--format", "png"),
            "A data set has references only: --data with --what prediction",
        ),
        ((*OF_RUN, "--what", "reference", "--format", "png", "--reader", "Ada"), "--reader chooses among corrections: --what"),
        (
            (*OF_RUN, "--what", "reference", "--format", "nifti", "--source", "."),
            "--source is for DICOM files: --format nifti; use",
        ),
        (
            (*OF_RUN, "--what", "reference", "--format", "rtstruct", "--source", "no"),
            "The folder of the original series does not",
        ),
        (
            (*OF_RUN, "--what", "reference", "--format", "doc"),
            "--format wants one of nifti, dicom-seg, dicom-labelmap, rtstruct,",
        ),
        (
            (*OF_RUN, "--what", "reference", "--format", "png", "--scan", "case9"),
            "The evaluation small-valid of stub has no such",
        ),
        (OF_RUN, "These options need --what: --evaluation; see python -m training export --help."),
        ((), "Something is missing: --run; see python -m training export --help."),
    ],
)
def test_what_does_not_go_together(
    words: tuple[str, ...], error: str, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, sentence = said(capsys, workspace, *words, "--out", tmp_path / "out")
    assert (code, printed, sentence[: len(error)]) == (2, "", error)
    assert sentence.count("\n") == 1
    assert not list(tmp_path.glob("*out*"))


def test_a_folder_that_holds_something_is_left_alone(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    code, _, _ = said(capsys, workspace, *OF_RUN, "--what", "prediction", "--format", "nifti", "--out", tmp_path / "out")
    assert (code, [path.name for path in (tmp_path / "out").iterdir()]) == (2, ["mine.txt"])
