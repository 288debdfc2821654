"""The index: pairing, order, and files that do not fit together."""

from pathlib import Path

import numpy as np
import pytest

from core.data.identity import natural_key
from core.data.images import write_png
from core.data.index import DatasetIndex, load_index, pair_files
from core.data.manifest import DatasetManifest
from core.errors import DatasetError, ImageError, MaskError
from core.storage.files import write_json

TRAIN = ["case16_day0_slice_0002", "case16_day0_slice_0010", "case16_day0_slice_0001", "case9_day2_slice_0001"]
VALID = ["case9_day10_slice_0001", "case7_day0_slice_0001"]


@pytest.fixture
def root(tmp_path: Path, write_dataset) -> Path:
    return write_dataset(tmp_path / "tiny", train=TRAIN, valid=VALID)


@pytest.fixture
def index(root: Path) -> DatasetIndex:
    return load_index(root)


def test_scans_in_natural_order(index: DatasetIndex) -> None:
    assert [scan.id for scan in index.scans("train")] == ["case9_day2", "case16_day0"]
    assert [scan.id for scan in index.scans("valid")] == ["case7_day0", "case9_day10"]


def test_slices_in_order_of_their_numbers(index: DatasetIndex) -> None:
    assert [each.name.number for each in index.scan("train", "case16_day0").slices] == [1, 2, 10]


def test_days_in_order_of_their_numbers(tmp_path: Path, write_dataset) -> None:
    stems = [f"case1_day{day}_slice_0001" for day in (10, 2, 0)]
    found = load_index(write_dataset(tmp_path, train=stems, valid=VALID)).scans("train")
    assert [scan.day for scan in found] == [0, 2, 10]


def test_natural_key() -> None:
    assert sorted(["case16", "case9", "case102", "a"], key=natural_key) == ["a", "case9", "case16", "case102"]


def test_patients_name_and_defaults(index: DatasetIndex) -> None:
    assert index.patients("train") == {"case9", "case16"}
    assert index.patients("test") == frozenset()
    assert index.name == "tiny"
    assert not index.manifest.stated
    assert index.file_hashes("train") == {}


def test_reads_a_slice_and_a_volume(index: DatasetIndex) -> None:
    scan = index.scan("train", "case16_day0")
    image, labels = scan.slices[0].read()
    assert image.shape == labels.shape == (20, 24)
    np.testing.assert_array_equal(scan.read_image()[0], image)
    np.testing.assert_array_equal(scan.read_labels()[0], labels)
    np.testing.assert_array_equal(scan.read_image(check=False), scan.read_image())
    assert scan.read_image().shape == (3, 20, 24)


def test_missing_and_surplus_files_are_named(root: Path) -> None:
    (root / "train/masks/case9_day2_slice_0001.png").unlink()
    for number in range(7):
        write_png(root / f"train/masks/case5_day0_slice_{number:04d}.png", np.zeros((20, 24), np.uint8))
    sentence = (
        r"^Images and masks do not pair up: .*/train: 1 image without a mask \(case9_day2_slice_0001\.png\); "
        r"7 masks without an image \(case5_day0_slice_0000\.png, .*case5_day0_slice_0004\.png and 2 more\); "
        r"add or remove the files named\.$"
    )
    with pytest.raises(DatasetError, match=sentence):
        load_index(root)


def test_a_missing_folder(root: Path) -> None:
    for path in (root / "valid/masks").iterdir():
        path.unlink()
    (root / "valid/masks").rmdir()
    with pytest.raises(DatasetError, match=r"^A folder is missing: .*/valid/masks; give a folder with images/ and masks/\.$"):
        load_index(root)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"^The data set's folder does not exist: .*/nothing; check the path, or run: prepare\.$"
    ):
        load_index(tmp_path / "nothing")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^The folder holds no data set: .*; give a folder with train/images, train/masks"):
        load_index(tmp_path)


def test_folders_without_files(tmp_path: Path, write_dataset) -> None:
    with pytest.raises(DatasetError, match="The folder holds no data set"):
        load_index(write_dataset(tmp_path, train=[], valid=[]))


def test_an_empty_split(tmp_path: Path, write_dataset) -> None:
    index = load_index(write_dataset(tmp_path, train=TRAIN, valid=[]))
    with pytest.raises(DatasetError, match=r"^The data set has no slices in split 'valid': .*; use one of: train\.$"):
        index.scans("valid")


def test_no_such_scan(index: DatasetIndex) -> None:
    with pytest.raises(DatasetError, match=r"^Split 'valid' of tiny has no such scan: case1_day0; choose one of its scans\.$"):
        index.scan("valid", "case1_day0")


def test_two_slices_of_one_number(tmp_path: Path, write_dataset) -> None:
    root = write_dataset(tmp_path, train=["case1_day0_slice_0001", "case1_day0_slice_01"], valid=VALID)
    sentence = (
        r"^Two slices of scan case1_day0 have one number: case1_day0_slice_0001\.png, case1_day0_slice_01\.png; "
        r"rename one of them\.$"
    )
    with pytest.raises(DatasetError, match=sentence):
        load_index(root)


def test_a_scan_name_that_two_patients_share(tmp_path: Path, write_dataset) -> None:
    root = write_dataset(tmp_path, train=["P1_day0_z1", "P2_day0_z2"], valid=[])
    pattern = r"(?P<patient>P\d)_(?P<scan>day\d)_z(?P<slice>\d)"
    manifest = DatasetManifest(name="x", pattern=pattern).to_json()
    write_json(root / "dataset.json", manifest)
    sentence = r"^Scan day0 belongs to two patients: P1, P2; state a pattern whose scan names the patient too\.$"
    with pytest.raises(DatasetError, match=sentence):
        load_index(root)


def test_names_that_do_not_parse_are_scans_of_their_own(tmp_path: Path, write_dataset) -> None:
    index = load_index(write_dataset(tmp_path, train=["a", "b"], valid=[]))
    assert [(scan.id, scan.patient, scan.day) for scan in index.scans("train")] == [("a", "a", None), ("b", "b", None)]


@pytest.mark.parametrize(
    ("pixels", "kinds"),
    [(np.zeros((24, 20), np.uint8), "20×24 pixels of 8 bits, 24×20 pixels of 8 bits"),
     (np.zeros((20, 24), np.uint16), "24×20 pixels of 16 bits, 24×20 pixels of 8 bits")],
)  # fmt: skip
def test_a_scan_whose_slices_differ(root: Path, pixels: np.ndarray, kinds: str) -> None:
    write_png(root / "train/images/case16_day0_slice_0002.png", pixels)
    scan = load_index(root).scan("train", "case16_day0")
    with pytest.raises(
        DatasetError, match=rf"^The slices of scan case16_day0 differ: {kinds}; export all slices of a scan alike\.$"
    ):
        scan.read_image()


def test_a_mask_of_another_size_than_the_first(root: Path) -> None:
    write_png(root / "train/masks/case16_day0_slice_0002.png", np.zeros((24, 20), np.uint8))
    with pytest.raises(MaskError, match=r"another size than its image \(mask 20×24, image 24×20\)"):
        load_index(root).scan("train", "case16_day0").read_labels()


def test_masks_of_another_size_than_the_images(root: Path) -> None:
    scan = load_index(root).scan("train", "case16_day0")
    with pytest.raises(MaskError, match=r"another size than its image \(mask 24×20, image 9×8\)"):
        scan.read_labels(shape=(8, 9))


def test_a_damaged_slice_is_found_when_it_is_read(root: Path) -> None:
    (root / "train/images/case16_day0_slice_0002.png").write_bytes(b"")
    scan = load_index(root).scan("train", "case16_day0")
    with pytest.raises(ImageError, match="The picture is empty"):
        scan.read_image()


def test_pairs_are_sorted(root: Path) -> None:
    assert [stem for stem, _, _ in pair_files(root / "train/images", root / "train/masks")] == sorted(TRAIN)
