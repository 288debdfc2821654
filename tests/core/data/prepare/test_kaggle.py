"""`prepare kaggle`: run lengths beside 16-bit scans in the competition's layout, made small."""

import csv
from pathlib import Path

import numpy as np
import pytest

from core.config import SplitConfig
from core.data.images import read_image, write_png
from core.data.index import load_index
from core.data.masks import read_mask
from core.data.prepare.kaggle import prepare_kaggle, read_runs
from core.errors import DatasetError, MaskError

HEIGHT, WIDTH = 18, 20
SPLIT = SplitConfig(valid_patients=("case2",))
IDS = ["case1_day0_slice_0001", "case1_day0_slice_0002", "case2_day5_slice_0001"]
ROWS = {
    ("case1_day0_slice_0001", "stomach"): "1 2",
    ("case1_day0_slice_0001", "large_bowel"): "2 3",
    ("case1_day0_slice_0002", "small_bowel"): "21 1",
    ("case1_day0_slice_0002", "stomach"): "21 1",
}
"""The stomach (2 pixels) meets the large bowel (3) in one pixel; two organs of one pixel meet whole."""


def scan_path(source: Path, slice_id: str) -> Path:
    scan, _, number = slice_id.partition("_slice_")
    folder = source / "train" / scan.partition("_")[0] / scan / "scans"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"slice_{number}_{WIDTH}_{HEIGHT}_1.50_1.63.png"


def write_table(source: Path, rows: list[tuple[str, str, str]]) -> None:
    with (source / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "class", "segmentation"), *rows])


def table_rows() -> list[tuple[str, str, str]]:
    return [(each, organ, ROWS.get((each, organ), "")) for each in IDS for organ in ("large_bowel", "small_bowel", "stomach")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for seed, each in enumerate(IDS):
        pixels = np.random.default_rng(seed).integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
        write_png(scan_path(source, each), pixels)
    write_table(source, table_rows())
    return source


def test_label_maps_by_hand(source: Path, tmp_path: Path) -> None:
    prepare_kaggle(source, tmp_path / "out", split=SPLIT)
    first, second = (read_mask(tmp_path / "out" / "train" / "masks" / f"{each}.png") for each in IDS[:2])
    assert first[0, :5].tolist() == [1, 1, 3, 3, 0]
    assert np.count_nonzero(first) == 4
    assert second[1, 0] == 1
    assert np.count_nonzero(second) == 1
    assert not read_mask(tmp_path / "out" / "valid" / "masks" / f"{IDS[2]}.png").any()


def test_contested_pixels_geometry_and_source_are_recorded(source: Path, tmp_path: Path) -> None:
    manifest = prepare_kaggle(source, tmp_path / "out", split=SPLIT, name="uw").manifest
    assert manifest.contested_pixels == manifest.scans["case1_day0"].contested_pixels == 2
    assert manifest.scans["case2_day5"].contested_pixels == 0
    assert manifest.scans["case1_day0"].spacing_mm == (3.0, 1.5, 1.63)
    assert manifest.scans["case1_day0"].native_size == (HEIGHT, WIDTH)
    assert (manifest.name, manifest.licence) == ("uw", "CC BY-NC-SA 4.0")
    assert load_index(tmp_path / "out").manifest == manifest


def test_images_stay_at_16_bits(source: Path, tmp_path: Path) -> None:
    prepare_kaggle(source, tmp_path / "out", split=SPLIT)
    copy = read_image(tmp_path / "out" / "train" / "images" / f"{IDS[0]}.png")
    np.testing.assert_array_equal(copy, read_image(scan_path(source, IDS[0])))
    assert copy.dtype == np.uint16


def test_the_split_is_by_patient(source: Path, tmp_path: Path) -> None:
    made = prepare_kaggle(source, tmp_path / "out", split=SPLIT)
    index = load_index(made.root)
    assert (index.patients("train"), index.patients("valid")) == ({"case1"}, {"case2"})
    assert made.slices == {"train": 2, "valid": 1}
    assert len(index.file_hashes("train")) == 4


def test_runs_that_leave_the_slice_name_it_and_leave_nothing(source: Path, tmp_path: Path) -> None:
    rows = [(each, organ, "359 5" if each == IDS[1] and organ == "stomach" else text) for each, organ, text in table_rows()]
    write_table(source, rows)
    with pytest.raises(
        MaskError, match=r"^case1_day0_slice_0002: Run lengths do not fit the slice: 359 5; use pairs .* 20×18 pixels\.$"
    ):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_rows_without_a_scan(source: Path, tmp_path: Path) -> None:
    scan_path(source, IDS[1]).unlink()
    sentence = r"^Rows of train\.csv have no scan file: 1 in .*/source, such as case1_day0_slice_0002; complete the download\.$"
    with pytest.raises(DatasetError, match=sentence):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


def test_scans_without_a_row(source: Path, tmp_path: Path) -> None:
    write_table(source, table_rows()[:6])
    sentence = r"^Scan files have no row in train\.csv: 1 in .*/source, such as case2_day5_slice_0001; complete the download\.$"
    with pytest.raises(DatasetError, match=sentence):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


def test_a_size_that_differs_from_the_name(source: Path, tmp_path: Path) -> None:
    write_png(scan_path(source, IDS[0]), np.zeros((WIDTH, HEIGHT), np.uint16))
    with pytest.raises(DatasetError, match=r"^A slice is 18×20 pixels, but its name says 20×18: .*; restore the file\.$"):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


@pytest.mark.parametrize("name", ["slice_0001.png", "slice_0001_20_18_1.5.0_1.5.png"])
def test_a_name_without_size_and_spacing(source: Path, tmp_path: Path, name: str) -> None:
    path = scan_path(source, IDS[0])
    path.rename(path.with_name(name))
    with pytest.raises(DatasetError, match=r"^A file name states no size and spacing: .*; keep the competition's names\.$"):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


def test_two_files_of_one_slice(source: Path, tmp_path: Path) -> None:
    path = scan_path(source, IDS[0])
    path.with_name(path.name.replace("1.63", "1.64")).write_bytes(path.read_bytes())
    with pytest.raises(DatasetError, match=r"^The slices of scan case1_day0 differ in size or spacing: .* mm; restore"):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


def test_no_scans(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"^The folder has no scans in the competition's layout: .*; give the folder that holds"
    ):
        prepare_kaggle(tmp_path, tmp_path / "out", split=SPLIT)


def test_no_table(source: Path, tmp_path: Path) -> None:
    (source / "train.csv").unlink()
    with pytest.raises(DatasetError, match=r"^train\.csv is missing: .*/train\.csv; give the competition's folder\.$"):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


@pytest.mark.parametrize("content", ["", "id,class\na,stomach\n", 'id,class,segmentation\n"a'])
def test_a_table_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(DatasetError, match=r"^train\.csv cannot be read: .*; it needs the columns id, class and segmentation\.$"):
        read_runs(tmp_path / "train.csv")


def test_an_unknown_class(tmp_path: Path) -> None:
    write_table(tmp_path, [("case1_day0_slice_0001", "liver", "1 2")])
    with pytest.raises(DatasetError, match=r"^train\.csv names an unknown class: liver; correct the table\.$"):
        read_runs(tmp_path / "train.csv")


def test_two_rows_for_one_organ(source: Path, tmp_path: Path) -> None:
    rows = [*table_rows(), ("case1_day0_slice_0001", "stomach", "5 2")]
    write_table(source, rows)
    said = (
        r"^train\.csv has two rows for one slice and organ: case1_day0_slice_0001, stomach, lines 4 and 11 of .*train\.csv; "
        r"keep the right one\.$"
    )
    with pytest.raises(DatasetError, match=said):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


def test_slices_of_a_scan_that_differ_in_size(source: Path, tmp_path: Path) -> None:
    path = scan_path(source, IDS[1])
    path.rename(path.with_name(path.name.replace("_20_18_", "_24_18_")))
    said = (
        r"^The slices of scan case1_day0 differ in size or spacing: 20×18 pixels of 1\.63×1\.5 mm, "
        r"24×18 pixels of 1\.63×1\.5 mm; restore the files"
    )
    with pytest.raises(DatasetError, match=said):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)


def test_a_table_as_windows_writes_it_and_files_as_a_mac_does(source: Path, tmp_path: Path) -> None:
    table = source / "train.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n").replace(b"\r\r", b"\r"))
    path = scan_path(source, IDS[0])
    path.with_name(f"._{path.name}").write_bytes(b"a Mac's")
    path.rename(path.with_suffix(".PNG"))
    assert prepare_kaggle(source, tmp_path / "out", split=SPLIT).slices == {"train": 2, "valid": 1}


def test_patients_that_differ_in_zeros_only(source: Path, tmp_path: Path) -> None:
    (source / "train/case2").rename(source / "train/case01")
    (source / "train/case01/case2_day5").rename(source / "train/case01/case01_day5")
    write_table(source, [(each.replace("case2", "case01"), organ, runs) for each, organ, runs in table_rows()])
    with pytest.raises(DatasetError, match=r"^Patients' names differ in leading zeros only: case01 and case1; rename them"):
        prepare_kaggle(source, tmp_path / "out", split=SPLIT)
