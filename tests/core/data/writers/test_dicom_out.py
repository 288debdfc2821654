"""DICOM files that we write, read back by us, highdicom, SimpleITK, nibabel and plastimatch, and checked by dciodvfy."""

import shutil
import subprocess
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from core.data.grid import Grid, in_display_order
from core.data.readers.dicom_labels import placed_on, referenced_series
from core.data.readers.dicom_seg import read_seg
from core.data.readers.rtstruct import read_rtstruct
from core.data.volume import DicomSource, LabelVolume
from core.data.writers.dicom_context import DicomContext, Made, SourceFolder, invented_source, pseudonymous
from core.data.writers.dicom_seg import SegKind, seg_bytes
from core.data.writers.nifti import TO_RAS, nifti_bytes
from core.data.writers.rtstruct import rtstruct_bytes
from core.errors import DatasetError
from core.labels import ORGANS
from tests.core.data.writers.series import PATIENT, labelled_places, write_series

MADE = Made("AUTOMATIC", "run-b0", "0123456789ab")
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
OF_ITS_AGE = (
    "Error - SegmentNumber not monotonically increasing from one by one - have SegmentSequence item number 1 (from one) with "
    "SegmentNumber of 0",
    "Error - Information Object Not found",
)
"""What dciodvfy of 2022 says of label map segmentations, a kind of file of 2024 whose background is a segment too."""


def small_labels(shape: tuple[int, int, int] = (9, 13, 11)) -> NDArray[np.uint8]:
    """All organs, an island and a hole; empty slices at both ends and between."""
    labels = np.zeros(shape, np.uint8)
    labels[2:7, 1:8, 1:6] = 1
    labels[2:7, 3:5, 3] = 0
    labels[2:6, 9:12, 2:5] = 2
    labels[3, 11, 9] = 2
    labels[4:7, 2:6, 7:10] = 3
    labels[5] = 0
    return labels


def axes(slices: str, rows: str, columns: str) -> NDArray[np.float64]:
    """An affine whose axes lead where the letters say, 3 mm between slices, 1.25 and 0.8 mm in them."""
    steps = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
    matrix = np.eye(4)
    matrix[:3, :3] = 0
    for column, (letter, mm) in enumerate(((slices, 3.0), (rows, 1.25), (columns, 0.8))):
        axis, sign = steps[letter]
        matrix[axis, column] = sign * mm
    matrix[:3, 3] = -101.3, 52.77, 1234.5
    return matrix


def oblique() -> NDArray[np.float64]:
    turn = np.eye(4)
    a, b = 0.31, -0.17
    turn[:3, :3] = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    tilt = np.eye(4)
    tilt[:3, :3] = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    return turn @ tilt @ axes("I", "P", "L")


STACKS = {
    "axial": axes("I", "P", "L"),
    "axial, reversed": axes("S", "P", "L"),
    "coronal": axes("P", "I", "L"),
    "coronal, reversed": axes("A", "I", "L"),
    "sagittal": axes("L", "I", "P"),
    "sagittal, reversed": axes("R", "I", "P"),
    "upside down": axes("I", "A", "R"),
    "oblique": oblique(),
}


@pytest.fixture(params=STACKS)
def volume(request: pytest.FixtureRequest) -> LabelVolume:
    return LabelVolume(small_labels(), Grid.of(STACKS[request.param], request.param))


def context_of(volume: LabelVolume) -> DicomContext:
    source = invented_source("content", len(volume.labels))
    return DicomContext(source, pseudonymous(source, "case7"), MADE, "case7_day0")


def assert_same(labels: NDArray[np.generic], matrix: NDArray[np.float64], volume: LabelVolume) -> None:
    """Labelled voxels and corners lie where the volume has them, to a hundredth of a millimetre."""
    ours, theirs = labelled_places(volume.labels, volume.grid.matrix), labelled_places(labels, matrix)
    assert ours.shape == theirs.shape
    assert np.abs(ours[np.lexsort(np.round(ours, 1).T)] - theirs[np.lexsort(np.round(theirs, 1).T)]).max() < 0.01


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_segmentation_comes_back_by_us_and_by_highdicom(volume: LabelVolume, kind: SegKind, tmp_path: Path) -> None:
    path, context = tmp_path / "x.dcm", context_of(volume)
    path.write_bytes(seg_bytes(volume, context, kind))
    theirs = highdicom.seg.segread(path).get_volume(combine_segments=True)
    assert_same(theirs.array, theirs.affine, volume)
    ours = read_seg(path)
    assert_same(ours.labels, ours.grid.matrix, volume)
    assert ours.names == {organ.id: organ.tg263 for organ in ORGANS}
    assert ours.contested_pixels == 0
    assert referenced_series(path) == context.source.series_uid
    turned = in_display_order(volume.labels, volume.grid.matrix)
    assert np.array_equal(ours.labels, turned.voxels)
    assert np.array_equal(placed_on(ours, volume.grid, volume.shape, path).labels, volume.labels)


def test_a_structure_set_comes_back_by_us(volume: LabelVolume, tmp_path: Path) -> None:
    path, context = tmp_path / "x.dcm", context_of(volume)
    path.write_bytes(rtstruct_bytes(volume, context))
    ours = read_rtstruct(path, volume.grid, volume.shape)
    assert np.array_equal(ours.labels, volume.labels)
    assert ours.names == {organ.id: organ.tg263 for organ in ORGANS}
    assert (ours.notes, ours.contested_pixels, referenced_series(path)) == ((), 0, context.source.series_uid)
    turned = in_display_order(volume.labels, volume.grid.matrix)
    again = read_rtstruct(path, Grid.of(turned.matrix), turned.voxels.shape)
    assert np.array_equal(again.labels, turned.voxels)


def test_nifti_comes_back_by_simpleitk_and_nibabel(volume: LabelVolume, tmp_path: Path) -> None:
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(volume))
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    assert_same(sitk.GetArrayFromImage(image).transpose(2, 1, 0), matrix, volume)
    theirs = nib.load(path)
    assert (int(theirs.header["sform_code"]), int(theirs.header["qform_code"])) == (1, 1)
    assert theirs.header.get_xyzt_units()[0] == "mm"
    assert_same(np.asarray(theirs.dataobj), TO_RAS @ theirs.affine, volume)
    assert_same(np.asarray(theirs.dataobj), TO_RAS @ theirs.get_qform(), volume)


@pytest.mark.parametrize("stack", STACKS)
def test_simpleitk_reads_the_frames(stack: str, tmp_path: Path) -> None:
    """Of sizes that fill whole bytes: it takes every frame to begin at one."""
    volume = LabelVolume(small_labels((9, 13, 16)), Grid.of(STACKS[stack]))
    path = tmp_path / "x.dcm"
    path.write_bytes(seg_bytes(volume, context_of(volume), "BINARY"))
    frames = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    planes = [plane == organ.id for organ in ORGANS for plane in volume.labels]
    assert sorted((frame > 0).tobytes() for frame in frames) == sorted(plane.tobytes() for plane in planes)


def test_without_organs_everything_is_written_too(tmp_path: Path) -> None:
    empty = LabelVolume(np.zeros((4, 6, 5), np.uint8), Grid.of(STACKS["axial"]))
    path = tmp_path / "x.dcm"
    for kind in ("BINARY", "LABELMAP"):
        path.write_bytes(seg_bytes(empty, context_of(empty), kind))
        assert read_seg(path).shape == empty.shape
        assert not read_seg(path).labels.any()
    path.write_bytes(rtstruct_bytes(empty, context_of(empty)))
    assert not read_rtstruct(path, empty.grid, empty.shape).labels.any()


def test_headers_say_who_made_it_from_what(tmp_path: Path) -> None:
    volume = LabelVolume(small_labels(), Grid.of(STACKS["axial"]))
    context = context_of(volume)
    for content in (seg_bytes(volume, context, "BINARY"), rtstruct_bytes(volume, context)):
        (tmp_path / "x.dcm").write_bytes(content)
        made = pydicom.dcmread(tmp_path / "x.dcm")
        assert (made.ManufacturerModelName, made.SoftwareVersions) == (MADE.model, MADE.version)
        assert (made.PatientID, str(made.PatientName).rstrip("^"), made.PatientBirthDate) == ("case7", "case7", "")
        assert (made.StudyInstanceUID, made.FrameOfReferenceUID) == (
            context.source.study_uid,
            context.source.frame_of_reference_uid,
        )
    assert [each.RTROIInterpretedType for each in made.RTROIObservationsSequence] == ["ORGAN"] * 3
    codes = [each.RTROIIdentificationCodeSequence[0].CodeValue for each in made.RTROIObservationsSequence]
    assert codes == [organ.snomed for organ in ORGANS]
    assert {each.ROIGenerationAlgorithm for each in made.StructureSetROISequence} == {"AUTOMATIC"}
    pictures = {c.ContourImageSequence[0].ReferencedSOPInstanceUID for r in made.ROIContourSequence for c in r.ContourSequence}
    assert pictures == {context.source.instance_uids[z] for z in (2, 3, 4, 6)}


def test_frames_of_an_enhanced_file_are_named(tmp_path: Path) -> None:
    volume, made_up = LabelVolume(small_labels(), Grid.of(STACKS["axial"])), invented_source("x", 1)
    source = DicomSource(
        made_up.study_uid, made_up.series_uid, made_up.frame_of_reference_uid, ENHANCED_MR, made_up.instance_uids * 9,
        tuple(range(11, 20)), "MR",
    )  # fmt: skip
    context, path = DicomContext(source, pseudonymous(source, "case7"), MADE), tmp_path / "x.dcm"
    path.write_bytes(seg_bytes(volume, context, "BINARY"))
    made = pydicom.dcmread(path)
    frames = made.PerFrameFunctionalGroupsSequence
    images = [each.DerivationImageSequence[0].SourceImageSequence[0] for each in frames]
    assert {each.ReferencedSOPInstanceUID for each in images} == set(source.instance_uids)
    assert {each.ReferencedSOPClassUID for each in images} == {ENHANCED_MR}
    heights = {
        float(frame.PlanePositionSequence[0].ImagePositionPatient[2]): image.ReferencedFrameNumber
        for frame, image in zip(frames, images, strict=True)
    }
    assert [heights[height] for height in sorted(heights, reverse=True)] == list(range(11, 20))
    assert [len(each.ReferencedInstanceSequence) for each in made.ReferencedSeriesSequence] == [1]
    path.write_bytes(rtstruct_bytes(volume, context))
    contour = pydicom.dcmread(path).ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourImageSequence[0].ReferencedFrameNumber == 13


def test_patient_and_study_come_from_the_source_by_uid(tmp_path: Path) -> None:
    volume = LabelVolume(small_labels(), Grid.of(STACKS["axial"]))
    source = write_series(tmp_path / "series", np.zeros(volume.shape, np.uint16), volume.grid)
    write_series(tmp_path / "series" / "other", np.zeros(volume.shape, np.uint16), volume.grid, seed="other")
    (tmp_path / "series" / "notes.txt").write_text("no DICOM")
    folder = SourceFolder(tmp_path / "series")
    context = DicomContext(source, folder.header(source, "case7_day0"), MADE)
    for content in (seg_bytes(volume, context, "LABELMAP"), rtstruct_bytes(volume, context)):
        (tmp_path / "x.dcm").write_bytes(content)
        made = pydicom.dcmread(tmp_path / "x.dcm")
        assert (made.PatientID, made.PatientName, made.StudyDate, made.AccessionNumber) == (
            PATIENT,
            "Real^Name",
            "20200102",
            "A7",
        )
        assert made.StudyInstanceUID == source.study_uid
    stranger = invented_source("elsewhere", 9)
    with pytest.raises(DatasetError, match=r"^The folder lacks the series that scan case7_day0 came from: "):
        folder.header(stranger, "case7_day0")
    (tmp_path / "series" / "0003.dcm").unlink()
    with pytest.raises(DatasetError, match=r"^The folder lacks 1 files of the series") as caught:
        SourceFolder(tmp_path / "series").header(source, "case7_day0")
    assert PATIENT not in str(caught.value)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match=r"^The folder holds no DICOM files: "):
        SourceFolder(empty)


def test_where_nobody_knows_the_place_or_axes_are_sheared(tmp_path: Path) -> None:
    nowhere = LabelVolume(small_labels(), Grid(None, (3.0, 1.25, 0.8), "file names"))
    for write in (
        lambda: seg_bytes(nowhere, context_of(nowhere), "BINARY"),
        lambda: rtstruct_bytes(nowhere, context_of(nowhere)),
    ):
        with pytest.raises(DatasetError, match="nobody knows: case7_day0; export nifti"):
            write()
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(nowhere))
    header = nib.load(path).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    assert np.allclose(header.get_zooms(), (0.8, 1.25, 3.0))
    leaning = STACKS["axial"].copy()
    leaning[1, 0] = 0.9
    sheared = LabelVolume(small_labels(), Grid.of(leaning, "tilted gantry"))
    with pytest.raises(DatasetError, match="at right angles: case7_day0; export nifti or rtstruct"):
        seg_bytes(sheared, context_of(sheared), "BINARY")
    path.write_bytes(nifti_bytes(sheared))
    assert_same(np.asarray(nib.load(path).dataobj), TO_RAS @ nib.load(path).affine, sheared)
    path.write_bytes(rtstruct_bytes(sheared, context_of(sheared)))
    assert np.array_equal(read_rtstruct(path, sheared.grid, sheared.shape).labels, sheared.labels)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
@pytest.mark.parametrize("patient", ["pseudonym", "source"])
@pytest.mark.parametrize("kind", ["seg", "labelmap", "rtstruct"])
def test_dciodvfy_finds_no_error_but_those_of_its_age(volume: LabelVolume, kind: str, patient: str, tmp_path: Path) -> None:
    context = context_of(volume)
    if patient == "source":
        source = write_series(tmp_path / "series", np.zeros(volume.shape, np.uint16), volume.grid)
        context = DicomContext(source, SourceFolder(tmp_path / "series").header(source, "case7"), MADE)
    made = {"seg": "BINARY", "labelmap": "LABELMAP"}.get(kind)
    path = tmp_path / "x.dcm"
    path.write_bytes(rtstruct_bytes(volume, context) if made is None else seg_bytes(volume, context, made))
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False, timeout=60).stderr
    errors = [line for line in said.splitlines() if line.startswith("Error")]
    assert [line for line in errors if kind != "labelmap" or line not in OF_ITS_AGE] == []


@pytest.mark.skipif(shutil.which("plastimatch") is None, reason="plastimatch is not installed")
def test_plastimatch_reads_an_axial_structure_set(tmp_path: Path) -> None:
    volume = LabelVolume(small_labels((9, 30, 30)), Grid.of(STACKS["axial"]))
    source = write_series(tmp_path / "series", np.zeros(volume.shape, np.uint16), volume.grid)
    (tmp_path / "x.dcm").write_bytes(rtstruct_bytes(volume, DicomContext(source, pseudonymous(source, "case7"), MADE)))
    words = ["plastimatch", "convert", "--input", "x.dcm", "--referenced-ct", "series", "--output-prefix", "out"]
    subprocess.run([*words, "--prefix-format", "nii.gz"], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    for organ in ORGANS:
        image = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "out" / f"{organ.tg263}.nii.gz")), "LPI")
        theirs, ours = sitk.GetArrayFromImage(image) > 0, volume.labels == organ.id
        assert 2 * (theirs & ours).sum() / (theirs.sum() + ours.sum()) >= 0.99
        for part in (theirs, ours):
            islands = [ndimage.label(plane)[1] for plane in part]
            holes = [ndimage.label(~np.pad(plane, 1), np.ones((3, 3)))[1] - 1 for plane in part]
            assert (islands, holes) == (
                [ndimage.label(plane)[1] for plane in ours],
                [ndimage.label(~np.pad(plane, 1), np.ones((3, 3)))[1] - 1 for plane in ours],
            )
