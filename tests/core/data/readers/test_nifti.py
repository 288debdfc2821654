"""NIfTI files as volumes: where voxels lie by an independent reader, and one sentence or note for each odd header."""

import gzip
import shutil
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.readers.nifti import NO_DISTANCES, is_nifti, read_nifti_image, read_nifti_labels, stem_of
from core.data.readers.same_place import check_same_place
from core.data.volume import LabelVolume
from core.errors import ImageError, MaskError
from tests.core.data.readers.affines import AFFINES, RAS, oblique

Save = Callable[..., Path]
VOXELS = np.random.default_rng(0).integers(0, 4, (4, 5, 6)).astype(np.uint8)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def saved(
        voxels: np.ndarray = VOXELS, affine: Any = RAS, *, name: str = "a.nii.gz", kind: Any = nib.Nifti1Image, **header: Any
    ) -> Path:
        image = kind(voxels, affine)
        for field, value in header.items():
            image.header[field] = value
        nib.save(image, tmp_path / name)
        return tmp_path / name

    return saved


def raw(path: Path, **fields: Any) -> Path:
    """Change fields of a .nii file's header as they lie in it, which nibabel would mend."""
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for field, value in fields.items():
        header.structarr[field] = value
    path.write_bytes(header.binaryblock + bytes(content[348:]))
    return path


# places


@pytest.mark.parametrize("name", AFFINES)
def test_every_voxel_keeps_its_place(save: Save, name: str) -> None:
    """SimpleITK knows each voxel's place (LPS, as ours), and its value there."""
    values = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    path = save(values, AFFINES[name])
    volume, judge = read_nifti_image(path), sitk.ReadImage(str(path))
    indices = np.argwhere(np.ones(volume.pixels.shape))
    for index, place in zip(indices[::7].tolist(), volume.grid.points_mm(indices[::7]).tolist(), strict=True):
        there = judge.TransformPhysicalPointToIndex(place)
        assert judge[there] == volume.pixels[tuple(index)] + volume.grey.intercept
        np.testing.assert_allclose(judge.TransformIndexToPhysicalPoint(there), place, atol=1e-3)


def test_slices_run_along_the_largest_spacing(save: Save) -> None:
    volume = read_nifti_labels(save(VOXELS, np.diag([3.0, 1.0, 1.5, 1.0])))
    assert (volume.grid.orientation, volume.shape) == ("LIP", (4, 6, 5))
    assert volume.grid.spacing_mm == pytest.approx((3.0, 1.5, 1.0))


def test_the_first_slice_is_the_head_the_first_row_the_front_the_first_column_the_right(save: Save) -> None:
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels[3, 4, 5] = 1  # the most right, most frontal, highest voxel
    volume = read_nifti_labels(save(voxels))
    assert volume.shape == (6, 5, 4)
    assert volume.labels[0, 0, 0] == 1
    assert (volume.grid.spacing_mm, volume.grid.origin, volume.notes) == ((3.0, 2.0, 1.5), "NIfTI sform", ())


def test_a_single_slice_is_one_slice_however_thin(save: Save) -> None:
    assert read_nifti_labels(save(VOXELS[..., :1], np.diag([1.5, 1.5, 1.0, 1.0]))).shape == (1, 5, 4)


@pytest.mark.parametrize(("code", "unit", "factor"), [(1, "metres", 1e-3), (3, "micrometres", 1e3)])
def test_units(save: Save, code: int, unit: str, factor: float) -> None:
    scaled = RAS * [[factor], [factor], [factor], [1]]
    volume = read_nifti_labels(save(VOXELS, scaled, xyzt_units=code | 8))
    assert volume.grid.spacing_mm == pytest.approx((3.0, 2.0, 1.5))
    np.testing.assert_allclose(volume.grid.matrix, read_nifti_labels(save()).grid.matrix, atol=1e-5)
    assert volume.notes == (f"The header states {unit}; they were converted to mm.",)


def test_neither_code_is_no_place(save: Save) -> None:
    volume = read_nifti_labels(save(VOXELS, None, pixdim=[1, 1.5, 2, 3, 0, 0, 0, 0]))
    assert (volume.grid.affine, volume.grid.spacing_mm, volume.shape) == (None, (3.0, 2.0, 1.5), (6, 5, 4))
    assert volume.notes == ("The file does not state where it lies; its orientation is assumed.",)
    assert volume.labels[0, 0, 0] == VOXELS[0, 4, 5]  # columns lead to the left, rows to the front, slices to the head


@pytest.mark.parametrize("code", [0, 1])
def test_a_distance_of_zero_is_no_distance(save: Save, code: int) -> None:
    path = raw(save(name="a.nii"), pixdim=[1, 1.5, 0, 3, 0, 0, 0, 0], sform_code=0, qform_code=code)
    volume = read_nifti_labels(path)
    assert (volume.grid.affine, volume.grid.spacing_mm) == (None, None)
    assert volume.notes[1] == "The header states a distance of 0 between voxels, so nobody knows their spacing."
    stated = read_nifti_labels(raw(path, sform_code=1))
    assert (stated.grid.spacing_mm, stated.notes) == ((3.0, 2.0, 1.5), ())


@pytest.mark.parametrize("step", [1e-6, 5000.0, np.inf, np.nan])
def test_implausible_distances(save: Save, step: float) -> None:
    path = raw(save(name="a.nii"), pixdim=[1, 1.5, step, 3, 0, 0, 0, 0], sform_code=0, qform_code=0)
    with pytest.raises(MaskError, match=r"^The header states an implausible spacing \(1.5 × .* × 3 mm\): .*a.nii; export"):
        read_nifti_labels(path)


def test_half_a_turn_in_numbers_of_32_bits(save: Save) -> None:
    # The square root of what is left of 1 turns the volume by 3e-4, which is 0.15 mm at a field of view of 400 mm.
    half = np.float32(np.sqrt(0.5))
    path = raw(save(name="a.nii"), sform_code=0, qform_code=1, quatern_b=0, quatern_c=half, quatern_d=half)
    directions = read_nifti_labels(path).grid.matrix[:3, :3]
    assert np.count_nonzero(np.abs(directions) > 1e-6) == 3


def test_a_quaternion_a_hair_over_one(save: Save) -> None:
    """Half a turn about x, its first number rounded up, as some writers leave it; nibabel refuses it."""
    path = raw(save(name="a.nii"), sform_code=0, qform_code=1, quatern_b=1.0001, quatern_c=0, quatern_d=0)
    with pytest.raises(ValueError, match="w2 should be positive"):
        nib.load(path)
    exact = raw(save(name="b.nii"), sform_code=0, qform_code=1, quatern_b=1.0, quatern_c=0, quatern_d=0)
    np.testing.assert_allclose(read_nifti_labels(path).grid.matrix, read_nifti_labels(exact).grid.matrix, atol=1e-9)
    with pytest.raises(MaskError, match=r"^The volume's affine is no geometry"):
        read_nifti_labels(raw(path, quatern_b=1.4))


def test_two_places_that_disagree(save: Save) -> None:
    image = nib.Nifti1Image(VOXELS, RAS)
    image.set_qform(np.diag([2.5, 2.0, 3.0, 1.0]), 1)
    volume = read_nifti_labels(save(VOXELS, RAS))
    assert volume.notes == ()
    path = save()
    nib.save(image, path)
    volume = read_nifti_labels(path)
    assert volume.notes == ("The header's sform and qform disagree; the sform was taken.",)
    assert volume.grid.spacing_mm == (3.0, 2.0, 1.5)


def test_sheared(save: Save) -> None:
    tilted = RAS.copy()
    tilted[1, 2] = 1.0
    volume = read_nifti_labels(save(VOXELS, tilted, qform_code=0))
    assert volume.grid.sheared
    assert volume.notes == (NO_DISTANCES,)
    assert volume.grid.voxel_ml == pytest.approx(0.009)


def test_a_flat_affine(save: Save) -> None:
    path = raw(save(name="a.nii"), sform_code=1, qform_code=0, srow_y=[0, 0, 0, 0])
    with pytest.raises(MaskError, match=r"^The volume's affine is no geometry: .*; export it again with its spacing\.$"):
        read_nifti_labels(path)


# files


@pytest.mark.parametrize("name", ["a.nii", "A.NII.GZ", "a.b.Nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_endings_and_versions(save: Save, tmp_path: Path, name: str, kind: Any) -> None:
    path = tmp_path / name
    shutil.copy(save(kind=kind, name="x.nii.gz" if name.lower().endswith("gz") else "x.nii"), path)
    assert is_nifti(path)
    assert stem_of(path) == name.split(".nii", maxsplit=1)[0].split(".NII", maxsplit=1)[0].split(".Nii", maxsplit=1)[0]
    np.testing.assert_array_equal(read_nifti_labels(path).labels, read_nifti_labels(save()).labels)


def test_packed_under_the_plain_ending_and_the_other_way_round(save: Save, tmp_path: Path) -> None:
    plain = save(name="a.nii")
    (tmp_path / "b.nii").write_bytes(gzip.compress(plain.read_bytes()))
    shutil.copy(plain, tmp_path / "c.nii.gz")
    for name in ("b.nii", "c.nii.gz"):
        np.testing.assert_array_equal(read_nifti_labels(tmp_path / name).labels, read_nifti_labels(plain).labels)


def test_big_endian(save: Save, tmp_path: Path) -> None:
    values = np.arange(120, dtype=np.int16).reshape(4, 5, 6) * 100
    image = nib.Nifti1Image(values, RAS)
    swapped = nib.Nifti1Image(values, RAS, image.header.as_byteswapped(">"))
    nib.save(swapped, tmp_path / "b.nii")
    np.testing.assert_array_equal(read_nifti_image(tmp_path / "b.nii").pixels, read_nifti_image(save(values)).pixels)


def test_one_volume_in_four_dimensions(save: Save) -> None:
    assert read_nifti_labels(save(VOXELS[..., None])).shape == (6, 5, 4)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_scale_that_is_none(save: Save, slope: float) -> None:
    path = raw(save(name="a.nii"), scl_slope=slope, scl_inter=np.nan)
    np.testing.assert_array_equal(read_nifti_labels(path).labels, read_nifti_labels(save()).labels)


@pytest.mark.parametrize("slope", [0.01, 3 / 255, 1.0])
def test_labels_with_a_scale_factor(save: Save, slope: float) -> None:
    stored = np.rint(VOXELS / slope).astype(np.int16)
    path = raw(save(stored, name="a.nii"), scl_slope=slope, scl_inter=0)
    labels = read_nifti_labels(path).labels
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, read_nifti_labels(save()).labels)


def test_labels_a_little_off(save: Save) -> None:
    labels = read_nifti_labels(save(VOXELS.astype(np.float32) + np.float32(2e-7)))
    np.testing.assert_array_equal(labels.labels, read_nifti_labels(save()).labels)
    with pytest.raises(MaskError, match=r"^A label map holds values between whole numbers: "):
        read_nifti_labels(save(VOXELS + 0.01))


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [(np.nan, r"voxels that are no number \(1\)"), (np.inf, "labels outside 0 to 65535"), (-1, "labels outside 0 to 65535")],
)
def test_values_that_are_no_labels(save: Save, odd: float, sentence: str) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[0, 0, 0] = odd
    with pytest.raises(MaskError, match=f"^A label map holds {sentence}: .*a.nii.gz; export"):
        read_nifti_labels(save(voxels))


def test_a_picture_of_nothing(save: Save) -> None:
    with pytest.raises(ImageError, match=r"^The volume holds no finite number: "):
        read_nifti_image(save(np.full((4, 5, 6), np.nan, np.float32)))


def test_a_hot_voxel_is_said(save: Save) -> None:
    values = np.random.default_rng(1).normal(500, 80, (12, 20, 20)).astype(np.float32)
    plain = read_nifti_image(save(values))
    values[5, 5, 5] = 1e9
    hot = read_nifti_image(save(values))
    assert np.count_nonzero(plain.pixels != hot.pixels) == 1
    assert (plain.notes, len(hot.notes), hot.grey.clipped) == ((), 1, 1)


def test_a_header_that_states_more_than_the_file_can_hold(save: Save) -> None:
    """No room is made for it: 4 GB, of a file of some kB."""
    plain = raw(save(name="a.nii"), dim=[3, 32000, 32000, 1, 1, 1, 1, 1])
    packed = plain.with_name("b.nii.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    tracemalloc.start()
    for path in (plain, packed):
        with pytest.raises(MaskError, match=r"^The volume is damaged or no NIfTI file: "):
            read_nifti_labels(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b not gzip", None, b"\x00" * 400, b"P" * 5000, b"\x5c\x01\x00\x00" + b"\x00" * 344],
    ids=["empty", "no gzip", "cut off", "zeros", "text", "no magic"],
)
def test_damaged_volumes(save: Save, content: bytes | None) -> None:
    path = save(np.random.default_rng(0).integers(0, 200, (20, 20, 20)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    with pytest.raises(MaskError, match=r"^The volume is damaged or no NIfTI file: .*a.nii.gz; export or copy it again\.$"):
        read_nifti_labels(path)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 347), byte=st.integers(0, 255))
def test_any_byte_of_a_header_gives_a_volume_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    path = tmp_path_factory.mktemp("header") / "a.nii"
    nib.save(nib.Nifti1Image(VOXELS, RAS), path)
    content = bytearray(path.read_bytes())
    content[place] = byte
    path.write_bytes(content)
    with suppress(ImageError):
        read_nifti_image(path, max_voxels=100_000)


@pytest.mark.parametrize(
    ("voxels", "sentence"),
    [
        (np.zeros((4, 5, 6, 2), np.uint8), r"^The file holds no single 3D volume \(4×5×6×2\)"),
        (np.zeros((4, 5), np.uint8), r"^The file holds no single 3D volume \(4×5"),
        (np.zeros((4, 5, 6), [(c, "u1") for c in "RGB"]), "^The volume holds no plain numbers"),
        (np.zeros((4, 5, 6), np.complex64), "^The volume holds no plain numbers"),
    ],
    ids=["four axes", "two axes", "colour", "complex"],
)
def test_volumes_that_cannot_be_used(save: Save, voxels: np.ndarray, sentence: str) -> None:
    with pytest.raises(MaskError, match=sentence):
        read_nifti_labels(save(voxels))


# the same place


def same_place(first: LabelVolume, other: LabelVolume) -> None:
    check_same_place(first.grid, first.shape, other.grid, other.shape, value="a and b", names=("truth", "prediction"))


@pytest.mark.parametrize("code", ["RAS", "LPS", "PIR", "SLA", "AIL"])
def test_storage_order_makes_no_difference(save: Save, tmp_path: Path, code: str) -> None:
    first = save(name="a.nii")
    image, tools = nib.load(first), nib.orientations
    turn = tools.ornt_transform(tools.io_orientation(image.affine), tools.axcodes2ornt(tuple(code)))
    nib.save(image.as_reoriented(turn), tmp_path / "b.nii.gz")
    ours, other = read_nifti_labels(first), read_nifti_labels(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(ours.labels, other.labels)
    same_place(ours, other)


def test_a_shifted_volume_does_not_lie_in_the_same_place(save: Save) -> None:
    near, far, wide = RAS.copy(), RAS.copy(), np.diag([1.5, 2.0, 3.1, 1.0])
    near[0, 3], far[0, 3] = 0.05, 1.5
    first = read_nifti_labels(save())
    same_place(first, read_nifti_labels(save(affine=near)))
    for affine, apart in ((far, 1.5), (wide, 0.5)):
        sentence = (
            rf"^The volumes of truth and prediction do not lie in the same place \(corners up to {apart} mm apart\): a and b; "
        )
        with pytest.raises(MaskError, match=sentence):
            same_place(first, read_nifti_labels(save(affine=affine)))


def test_another_shape_and_a_place_that_only_one_states(save: Save) -> None:
    first = read_nifti_labels(save())
    with pytest.raises(MaskError, match=r"^The volumes of truth and prediction differ in shape \(4×5×6 and 4×5×5\): "):
        same_place(first, read_nifti_labels(save(VOXELS[..., 1:])))
    bare = read_nifti_labels(save(affine=None, pixdim=[1, 1.5, 2, 3, 0, 0, 0, 0]))
    with pytest.raises(MaskError, match=r"^The prediction does not state where it lies and the truth does: a and b; copy"):
        same_place(first, bare)
    same_place(bare, bare)
    with pytest.raises(MaskError, match=r"^The volumes of truth and prediction differ in spacing \(3×2×1.5 and 4×2×1.5 mm\)"):
        same_place(bare, read_nifti_labels(save(affine=None, pixdim=[1, 1.5, 2, 4, 0, 0, 0, 0])))


def test_an_oblique_volume_has_its_own_letters(save: Save) -> None:
    assert read_nifti_labels(save(affine=oblique(0.3) @ RAS)).grid.orientation == "IPL"
