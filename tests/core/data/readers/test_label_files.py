"""Label maps of other tools: pairing, mapping, geometry, and one sentence for each way in which files are wrong."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from core.data.images import write_png
from core.data.readers.label_files import LabelTable
from core.data.readers.label_pairs import VOLUME, find_pairs
from core.data.readers.label_png import PngSource
from core.data.readers.label_volumes import VolumeSource
from core.errors import ConfigError, DatasetError, GutCheckError, MaskError

RAS = np.diag([1.5, 2.0, 3.0, 1.0])
"""Columns of 1.5 mm to the right, rows of 2 mm to the front, slices of 3 mm to the head."""
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def saved(name: str, voxels: np.ndarray, affine: np.ndarray = RAS) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(voxels, affine), path)
        return path

    return saved


# labels


def test_labels_are_mapped_and_the_others_counted() -> None:
    table = LabelTable.parse("6=stomach, 18=small_bowel,19=small_bowel,20=large_bowel")
    labels, ignored = table.apply(np.array([[0, 6, 18], [19, 20, 5]], np.int16), Path("a"))
    np.testing.assert_array_equal(labels, [[0, 1, 2], [2, 3, 0]])
    assert (labels.dtype, ignored) == (np.uint8, {"5"})


def test_our_class_ids_need_no_map() -> None:
    labels, ignored = LabelTable.parse("").apply(np.array([0.0, 1.0, 3.0]), Path("a"))
    assert (labels.tolist(), ignored) == ([0, 1, 3], set())


def test_a_mapped_label_may_be_one_of_our_ids() -> None:
    labels, ignored = LabelTable.parse("1=large_bowel").apply(np.array([1, 2, 3]), Path("a"))
    assert (labels.tolist(), ignored) == ([3, 0, 0], {"2", "3"})


@pytest.mark.parametrize("labels", [np.array([0.5]), np.array([np.nan]), np.array([-1]), np.array([70_000]), np.array([np.inf])])
def test_values_that_are_no_labels(labels: np.ndarray) -> None:
    with pytest.raises(
        MaskError,
        match=r"^A label map holds (values between whole numbers|labels outside 0 to 65535|voxels that are no number \(1\)): a; ",
    ):
        LabelTable().apply(labels, Path("a"))


def test_labels_without_a_class() -> None:
    with pytest.raises(MaskError, match=r"^Labels 4, 5, 6, 7, 8 and 2 more have no class: a; say which is which"):
        LabelTable().apply(np.arange(11), Path("a"))


@pytest.mark.parametrize(
    "text", ["6", "6=", "=stomach", "totalsegmentator", "#00f=stomach", "6=liver", "-6=stomach", "99999=stomach"]
)
def test_maps_that_cannot_be_used(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^The label map has an entry that cannot be used: "):
        LabelTable.parse(text)


def test_a_label_given_twice() -> None:
    with pytest.raises(ConfigError, match=r"^The label map names a label twice: 6; "):
        LabelTable.parse("6=stomach,6=large_bowel")


def test_names_decide_where_a_file_names_its_labels() -> None:
    names = {4: "Bowel_Small", 9: "STOMACH", 2: "Large  bowel", 3: "liver"}
    labels, ignored = LabelTable().apply(np.array([0, 4, 9, 2, 3]), "a", names)
    assert (labels.tolist(), ignored) == ([0, 2, 1, 3, 0], {"3 (liver)"})
    labels, ignored = LabelTable.parse("Magen=stomach,4=large_bowel").apply(
        np.array([4, 9, 2]), "a", {9: "magen", 2: "Large bowel"}
    )
    assert (labels.tolist(), ignored) == ([3, 1, 0], {"2 (Large bowel)"})


def test_names_that_are_none_of_ours() -> None:
    with pytest.raises(MaskError, match=r"^Labels 1 \(GTV\) have no class: a; say which is which"):
        LabelTable().apply(np.array([0, 1]), "a", {1: "GTV"})
    with pytest.raises(MaskError, match=r"^The label map gives its labels no names: a; map numbers"):
        LabelTable.parse("Magen=stomach").apply(np.array([0, 1]), "a")


@pytest.mark.parametrize(
    ("preset", "classes"),
    [("totalsegmentator-mr", {6: 1, 13: 2, 15: 3}), (" totalsegmentator-ct", {6: 1, 18: 2, 20: 3})],
)
def test_presets(preset: str, classes: dict[int, int]) -> None:
    assert LabelTable.parse(preset) == LabelTable(classes)
    assert LabelTable.parse(preset).to_json() == {str(label): class_id for label, class_id in classes.items()}


def test_colours_and_labels_do_not_mix() -> None:
    assert LabelTable.parse("", "#0000ff=stomach") == LabelTable.parse("#0000FF=stomach") == LabelTable(colours={255: 1})
    assert LabelTable.parse("uw-madison-course").to_json() == {"#0000ff": 1, "#00ff00": 2, "#ff0000": 3}
    assert LabelTable().to_json() is None
    with pytest.raises(ConfigError, match=r"^Labels and colours are mapped together: "):
        LabelTable.parse("6=stomach", "#0000ff=stomach")
    with pytest.raises(ConfigError, match=r"^The label map has an entry that cannot be used: 6=stomach; "):
        LabelTable.parse("", "6=stomach")


# folders


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_pairs_by_name(tmp_path: Path) -> None:
    truth = touch(tmp_path / "t", "s10.nii.gz", "s9.nii", "notes.txt", ".hidden.nii")
    prediction = touch(tmp_path / "p", "s9.nii.gz", "s10.nii.gz")
    images = touch(tmp_path / "i", "s9_0000.nii.gz", "s10.nii.gz", "unused.nii")
    found = find_pairs(truth, prediction, images)
    assert (found.kind, list(found.files)) == (VOLUME, ["s9", "s10"])
    assert [path.name for path in found.files["s9"] if path] == ["s9.nii", "s9.nii.gz", "s9_0000.nii.gz"]


def test_what_predict_writes_is_paired_with_what_it_was_given(tmp_path: Path) -> None:
    truth = touch(tmp_path / "t", "a.png", "b.PNG", "._a.png", "Thumbs.db")
    prediction = touch(tmp_path / "p", "a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png")
    pictures = touch(tmp_path / "i", "a.png", "a_mask.png", "b.png", "c.png")
    found = find_pairs(truth, prediction, pictures)
    assert {stem: [path.name for path in paths if path] for stem, paths in found.files.items()} == {
        "a": ["a.png", "a_mask.png", "a.png"],
        "b": ["b.PNG", "b_mask.png", "b.png"],
    }
    assert list(find_pairs(prediction, truth, None).files) == ["a", "b"]


def test_umlauts_of_a_mac_and_of_others_are_one_name(tmp_path: Path) -> None:
    truth = touch(tmp_path / "t", unicodedata.normalize("NFC", "Jürgen_1.png"))
    found = find_pairs(truth, touch(tmp_path / "p", unicodedata.normalize("NFD", "Jürgen_1.png")), None)
    assert list(found.files) == ["Jürgen_1"]


def test_a_folder_of_lossy_files(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"^Truth: The folder holds JPEG or WebP files, which change labels: "):
        find_pairs(touch(tmp_path / "t", "a.jpg"), touch(tmp_path / "p", "a.png"), None)


@pytest.mark.parametrize(
    ("truth", "prediction", "images", "sentence"),
    [
        (
            ["a.png", "b.png"],
            ["b.png", "c.png"],
            None,
            r"pair up: .*: 1 truth without prediction \(a\); 1 prediction without truth",
        ),
        (["a.nii"], ["a.nii"], ["b.nii"], r"^Label maps do not pair up: .*: 1 truth without image \(a\); add or remove"),
        (["a.png"], ["a.nii.gz"], None, "^Truth and prediction are of two kinds, PNG slices and volumes: "),
        (["a.png", "b.nii"], ["a.png"], None, "^Truth: The folder holds PNG slices and volumes: "),
        (["a.txt"], ["a.png"], None, "^Truth: The folder holds no PNG slices and no volumes: "),
        (["a.nii", "a.nii.gz"], ["a.nii"], None, "^Truth: Two files are named a: "),
    ],
    ids=["partners", "image", "kinds", "mixed", "none", "twice"],
)
def test_folders_that_do_not_fit(
    tmp_path: Path, truth: list[str], prediction: list[str], images: list[str] | None, sentence: str
) -> None:
    folders = [touch(tmp_path / "t", *truth), touch(tmp_path / "p", *prediction)]
    with pytest.raises(DatasetError, match=sentence):
        find_pairs(*folders, touch(tmp_path / "i", *images) if images else None)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^Truth: The folder does not exist: "):
        find_pairs(tmp_path / "no", tmp_path, None)


# sources


def test_a_nifti_scan_is_named_after_its_file(save: Save, tmp_path: Path) -> None:
    labels = np.zeros((20, 18, 5), np.uint8)
    labels[2:9, 3:9, 1:4] = 6
    for folder in ("t", "p"):
        save(f"{folder}/case7_day2.nii.gz", labels)
    image = np.arange(labels.size, dtype=np.float32).reshape(labels.shape) - 500
    save("i/case7_day2.nii.gz", image)
    pairs = find_pairs(*(tmp_path / name for name in "tpi")).files
    source = VolumeSource(pairs, LabelTable({6: 1}), LabelTable({6: 1}))
    loaded = source.read("case7_day2")
    assert (loaded.scan.patient, loaded.scan.day, loaded.scan.id) == ("case7", 2, "case7_day2")
    assert [each.name.number for each in loaded.scan.slices] == [1, 2, 3, 4, 5]
    assert loaded.scan.slices[0].name.stem == "case7_day2_slice_0001"
    assert loaded.scan.info.spacing_mm == (3.0, 2.0, 1.5)
    assert loaded.reference.sum() == 7 * 6 * 3
    assert loaded.image is not None
    assert (loaded.image.dtype, loaded.image.shape, loaded.image.min()) == (np.uint16, (5, 18, 20), 0)
    assert int(loaded.image.max()) == labels.size - 1


@pytest.fixture
def png_pairs(tmp_path: Path) -> Callable[..., PngSource]:
    def made(*stems: str, shape: tuple[int, int] = (20, 24), other: tuple[int, int] = (20, 24)) -> PngSource:
        for folder, size in (("t", shape), ("p", other)):
            (tmp_path / folder).mkdir()
            for number, stem in enumerate(stems):
                write_png(tmp_path / folder / f"{stem}.png", np.full(size, number % 4, np.uint8))
        found = find_pairs(tmp_path / "t", tmp_path / "p", None)
        return PngSource(found.files, LabelTable(), LabelTable(), spacing_mm=(3.0, 1.5, 1.5))

    return made


def test_png_slices_are_grouped_into_scans(png_pairs: Callable[..., PngSource]) -> None:
    source = png_pairs("case10_day0_slice_0002", "case10_day0_slice_0001", "case9_day1_slice_0007", "s0001_slice_12")
    assert list(source.ids) == ["case9_day1", "case10_day0", "s0001"]
    loaded = source.read("case10_day0")
    assert [each.name.number for each in loaded.scan.slices] == [1, 2]
    assert loaded.reference[:, 0, 0].tolist() == [1, 0]
    assert (loaded.scan.patient, loaded.scan.day, loaded.image) == ("case10", 0, None)
    assert source.read("s0001").scan.patient == "s0001"


def test_png_of_another_size(png_pairs: Callable[..., PngSource]) -> None:
    with pytest.raises(MaskError, match=r"^Truth and prediction differ in size \(24×20 and 26×20\): case1_day0; "):
        png_pairs("case1_day0_slice_0001", other=(20, 26)).read("case1_day0")


def test_two_slices_of_one_number(png_pairs: Callable[..., PngSource]) -> None:
    with pytest.raises(DatasetError, match=r"^Two slices of a scan have one number: case1_day0; "):
        png_pairs("case1_day0_slice_0001", "case1_day0_slice_1").check()


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_png_that_cannot_be_read(png_pairs: Callable[..., PngSource], tmp_path: Path, content: bytes) -> None:
    source = png_pairs("case1_day0_slice_0001")
    (tmp_path / "p" / "case1_day0_slice_0001.png").write_bytes(content)
    with pytest.raises(MaskError, match=r"^Prediction: The (picture|file) is "):
        source.read("case1_day0")


def test_png_in_colour(png_pairs: Callable[..., PngSource], tmp_path: Path) -> None:
    source = png_pairs("case1_day0_slice_0001")
    write_png(tmp_path / "p" / "case1_day0_slice_0001.png", np.random.default_rng(0).integers(0, 4, (20, 24, 3)).astype(np.uint8))
    with pytest.raises(GutCheckError, match=r"^Prediction: A label map is in colour: "):
        source.read("case1_day0")
