"""Which label map is exported, at which size and place, and as which file."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from core.data.index import load_index
from core.data.manifest import FILE_NAME, ScanInfo, read_manifest
from core.data.masks import read_label_volume
from core.data.readers.dicom import ACROSS
from core.data.readers.dicom_labels import placed_on
from core.data.readers.dicom_seg import read_seg
from core.data.readers.rtstruct import read_rtstruct
from core.data.volume import DicomSource
from core.data.writers.dicom_context import invented_source
from core.data.writers.scan_files import FILE_FORMATS, one_file
from core.errors import DatasetError, ReviewError, WorkspaceError
from core.reviews.corrections import save_correction
from core.reviews.scan_files import export_scan, reference_labels, scan_labels
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, find_run
from core.storage.files import read_json, write_json
from core.storage.workspace import Workspace
from tests.browser.small_workspace import DEPTH, HEIGHT, RUN, WIDTH

SCAN = "case2_day0"
AFFINE = ((0.0, 0.0, 1.0, -30.0), (0.0, 2.0, 0.0, -40.0), (-3.0, 0.0, 0.0, 50.0), (0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def evaluation(small_copy: Path) -> Evaluation:
    workspace = Workspace(small_copy)
    path = workspace.run(RUN).evaluation("small-valid").summary
    content = read_json(path)
    content["dataset"]["root"] = str(workspace.dataset("small"))  # a copy that is changed would not be taken for one
    write_json(path, content)
    return find_run(workspace, RUN).evaluation("small-valid")


def state(evaluation: Evaluation, **facts: Any) -> None:
    """Put facts of every scan into ``dataset.json``."""
    manifest = read_manifest(evaluation.dataset_root)
    scans = {scan: replace(manifest.scan_info(scan), **facts) for scan in ("case1_day0", "case2_day0", "case2_day7")}
    write_json(evaluation.dataset_root / FILE_NAME, replace(manifest, scans=scans).to_json())


def series(slices: int = DEPTH) -> DicomSource:
    return invented_source("a series", slices)


def correct(evaluation: Evaluation, reader: str, organ: int) -> np.ndarray:
    workspace = Workspace(evaluation.paths.root.parents[3])
    drawn = np.zeros((DEPTH, HEIGHT, WIDTH), np.uint8)
    drawn[3:6, 4:9, 5 : organ + 9] = organ
    store = ReviewStore.open(workspace.reviews_db)
    save_correction(workspace, store, evaluation, SCAN, drawn, base="prediction", reader=reader, seconds=3)
    store.close()
    return drawn


def test_prediction_and_reference(evaluation: Evaluation) -> None:
    found = scan_labels(evaluation, SCAN, "prediction")
    assert np.array_equal(found.labels, read_label_volume(evaluation.paths.mask(SCAN)))
    assert (found.made.algorithm, found.made.model, found.made.version) == ("AUTOMATIC", RUN, "0" * 12)
    reference = scan_labels(evaluation, SCAN, "reference")
    assert np.array_equal(reference.labels, evaluation.find_scan(SCAN).read_labels())
    assert (reference.made.algorithm, reference.made.model) == ("MANUAL", "reference of small")


def test_the_newest_correction_of_a_reader(evaluation: Evaluation) -> None:
    with pytest.raises(ReviewError, match=r"^Nobody has corrected this scan: case2_day0; export the prediction"):
        scan_labels(evaluation, SCAN, "correction")
    correct(evaluation, "Ada", 1)
    newer = correct(evaluation, "Ada", 2)
    found = scan_labels(evaluation, SCAN, "correction")
    assert np.array_equal(found.labels, newer)
    assert (found.made.algorithm, found.made.model, found.made.person) == ("SEMIAUTOMATIC", "stub, corrected", "Ada")
    other = correct(evaluation, "Ben", 3)
    with pytest.raises(ReviewError, match=r"^Several readers corrected scan case2_day0: Ada, Ben; choose one with --reader\.$"):
        scan_labels(evaluation, SCAN, "correction")
    assert np.array_equal(scan_labels(evaluation, SCAN, "correction", reader="ben").labels, other)
    with pytest.raises(ReviewError, match=r"^Cyd has not corrected this scan"):
        scan_labels(evaluation, SCAN, "correction", reader="Cyd")


@pytest.mark.parametrize("fmt", FILE_FORMATS)
def test_a_file_of_every_format(evaluation: Evaluation, fmt: Any) -> None:
    state(evaluation, affine=AFFINE, dicom=series())
    name, content = export_scan(evaluation, SCAN, "prediction", fmt)
    ending = {"nifti": "nii.gz", "rtstruct": "rtstruct.dcm", "rle": "csv", "png": "zip", "nnunet": "zip"}.get(fmt, "seg.dcm")
    assert name == f"{SCAN}.{ending}"
    if ending == "zip":
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        whole = {"png": f"{SCAN}_slice_0005_mask.png", "nnunet": "labelsTr/case2_day0.nii.gz"}
        assert whole[fmt] in names
        assert len(names) == {"png": DEPTH, "nnunet": 3}[fmt]


def test_resized_pictures_are_exported_at_native_size(evaluation: Evaluation, tmp_path: Path) -> None:
    """Stored at half the size: every pixel becomes four, which lie where the native ones do."""
    native = (2 * HEIGHT, 2 * WIDTH)
    state(evaluation, affine=AFFINE, dicom=series(), native_size=native)
    prediction = scan_labels(evaluation, SCAN, "prediction")
    large = prediction.labels.repeat(2, axis=1).repeat(2, axis=2)
    assert np.array_equal(prediction.native().labels, large)
    for fmt, ending in (("nifti", ".nii.gz"), ("dicom-seg", ".seg.dcm"), ("rtstruct", ".rtstruct.dcm")):
        (tmp_path / f"x{ending}").write_bytes(export_scan(evaluation, SCAN, "prediction", fmt)[1])  # type: ignore[arg-type]
    grid = ScanInfo(affine=AFFINE).grid
    assert np.array_equal(np.asarray(nib.load(tmp_path / "x.nii.gz").dataobj).transpose(2, 1, 0), large)
    assert np.array_equal(read_rtstruct(tmp_path / "x.rtstruct.dcm", grid, large.shape).labels, large)
    seg = tmp_path / "x.seg.dcm"
    assert np.array_equal(placed_on(read_seg(seg), grid, large.shape, seg).labels, large)
    # Stored pixels of an nnU-Net case lie in the middle of their four.
    assert prediction.stored().grid.points_mm(np.array([[0, 0, 0]]))[0].tolist() == [-29.5, -39.0, 50.0]


def test_slices_that_a_split_tore_away_keep_their_place(evaluation: Evaluation, tmp_path: Path) -> None:
    """The first four slices of the scan are trained on: what is left begins 12 mm lower, and names its own pictures."""
    state(evaluation, affine=AFFINE, dicom=series())
    root = evaluation.dataset_root
    for kind in ("images", "masks"):
        for number in range(5, 9):
            path = root / "valid" / kind / f"{SCAN}_slice_{number:04d}.png"
            path.rename(root / "train" / kind / path.name)
    with pytest.raises(WorkspaceError, match="has changed since it was evaluated"):
        scan_labels(evaluation, SCAN, "prediction")
    index = load_index(root)
    assert len(reference_labels(index, SCAN).labels) == DEPTH
    part = replace(reference_labels(index, SCAN), scan=index.scan("valid", SCAN), skipped=4)
    part = replace(part, labels=part.labels[4:])
    assert part.grid.points_mm(np.array([[0, 0, 0]]))[0].tolist() == [-30.0, -40.0, 38.0]
    assert part.source().instance_uids == series().instance_uids[4:]


def test_gaps_are_no_volume(evaluation: Evaluation) -> None:
    state(evaluation, affine=AFFINE)
    for kind in ("images", "masks"):
        (evaluation.dataset_root / "valid" / kind / f"{SCAN}_slice_0009.png").unlink()
    labels = reference_labels(load_index(evaluation.dataset_root), SCAN)
    for fmt in ("nifti", "dicom-seg", "rtstruct", "nnunet"):
        with pytest.raises(DatasetError, match=r"^Slices are missing between those of scan case2_day0.*; export rle or png\.$"):
            one_file(labels, fmt)  # type: ignore[arg-type]
    assert one_file(labels, "rle")[0] == f"{SCAN}.csv"


def test_a_scan_from_no_series_always_refers_to_the_same_one(evaluation: Evaluation, tmp_path: Path) -> None:
    state(evaluation, affine=AFFINE)
    found = []
    for fmt in ("dicom-seg", "rtstruct", "rtstruct"):
        (tmp_path / "x.dcm").write_bytes(export_scan(evaluation, SCAN, "prediction", fmt)[1])  # type: ignore[arg-type]
        found.append(pydicom.dcmread(tmp_path / "x.dcm"))
    assert len({each.StudyInstanceUID for each in found}) == len({each.FrameOfReferenceUID for each in found}) == 1
    assert len({each.SOPInstanceUID for each in found}) == 3
    other = scan_labels(evaluation, "case2_day7", "prediction").source()
    assert other.study_uid != found[0].StudyInstanceUID


def test_slices_cut_across_the_series_refer_to_it_as_a_whole(evaluation: Evaluation, tmp_path: Path) -> None:
    for slices, notes in ((DEPTH + 9, ()), (DEPTH, (ACROSS,))):
        state(evaluation, affine=AFFINE, dicom=series(slices), notes=notes)
        for fmt in ("dicom-seg", "rtstruct"):
            (tmp_path / "x.dcm").write_bytes(export_scan(evaluation, SCAN, "prediction", fmt)[1])  # type: ignore[arg-type]
            made = pydicom.dcmread(tmp_path / "x.dcm")
            if fmt == "rtstruct":
                whole = made.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
                assert len(whole.ContourImageSequence) == slices
                assert "ContourImageSequence" not in made.ROIContourSequence[0].ContourSequence[0]
            else:
                assert len(made.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == slices
                assert not any(frame.DerivationImageSequence for frame in made.PerFrameFunctionalGroupsSequence)


def test_without_a_place_there_is_no_dicom(evaluation: Evaluation) -> None:
    with pytest.raises(DatasetError, match=r"^A DICOM structure set has to say where the scan lies.*; export nifti, nnunet, rle"):
        export_scan(evaluation, SCAN, "prediction", "rtstruct")
    with pytest.raises(WorkspaceError, match="has no such scan: case9"):
        export_scan(evaluation, "case9", "prediction", "nifti")
