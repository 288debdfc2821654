"""`prepare uw-madison`: from a zip in the public layout to a data set that says how it was divided."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.config import ArchiveConfig
from core.data.images import encode_png
from core.data.index import load_index
from core.data.masks import read_mask
from core.data.prepare.uw_madison import SHUFFLED, prepare_uw_madison
from core.errors import ConfigError, DatasetError, MaskError, WorkspaceError

SHAPE = (20, 24)
LEAKED = {"train": ["case1_day0_slice_0001", "case2_day0_slice_0001"], "valid": ["case1_day0_slice_0002"]}


def mask_of(stem: str) -> np.ndarray:
    return np.random.default_rng(len(stem)).integers(0, 4, SHAPE).astype(np.uint8)


def archive(
    path: Path,
    stems: dict[str, list[str]] = LEAKED,
    *,
    top: str = "dataset/",
    channels: int = 1,
    extra: dict[str, bytes] | None = None,
) -> Path:
    """A zip in the public layout; masks of one channel, or of three equal ones."""
    with zipfile.ZipFile(path, "w") as zipped:
        for split, names in stems.items():
            for stem in names:
                mask = mask_of(stem) if channels == 1 else np.dstack([mask_of(stem)] * channels)
                zipped.writestr(f"{top}{split}/images/{stem}.png", encode_png(np.full(SHAPE, 90, np.uint8)))
                zipped.writestr(f"{top}{split}/masks/{stem}.png", encode_png(mask))
        for name, content in (extra or {}).items():
            zipped.writestr(name, content)
    return path


def prepare(zip_file: Path, out: Path, **options: object):
    return prepare_uw_madison(out, config=ArchiveConfig(archive=str(zip_file), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("top", ["", "dataset/", "a/b/"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_public_layout(tmp_path: Path, top: str, channels: int) -> None:
    made = prepare(archive(tmp_path / "a.zip", top=top, channels=channels), tmp_path / "out")
    assert (made.slices, made.patients) == ({"train": 2, "valid": 1}, {"train": 2, "valid": 1})
    index = load_index(made.root)
    each = index.scans("valid")[0].slices[0]
    np.testing.assert_array_equal(read_mask(each.mask), mask_of(each.name.stem))
    assert sorted(path.name for path in made.root.iterdir()) == ["dataset.json", "train", "valid"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


def test_dataset_json_says_that_patients_are_on_both_sides(tmp_path: Path) -> None:
    prepare(archive(tmp_path / "a.zip"), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert content["split"] == SHUFFLED == "as it came (slices shuffled inside each case)"
    assert content["licence"] == "CC BY-NC-SA 4.0"
    assert content["files"].keys() == {
        f"{split}/{kind}/{stem}.png" for split, stems in LEAKED.items() for stem in stems for kind in ("images", "masks")
    }


def test_a_clean_split_is_not_called_shuffled(tmp_path: Path) -> None:
    stems = {"train": ["case1_day0_slice_0001"], "valid": ["case2_day0_slice_0001"]}
    assert prepare(archive(tmp_path / "a.zip", stems), tmp_path / "out").manifest.split == "as it came"


def test_geometry_from_names_that_tell(tmp_path: Path) -> None:
    stems = {"train": ["case1_day0_slice_0001_266_310_1.50_1.63"], "valid": ["case2_day0_slice_0001"]}
    manifest = prepare(archive(tmp_path / "a.zip", stems), tmp_path / "out").manifest
    assert manifest.scan_info("case1_day0").spacing_mm == (3, 1.5, 1.63)
    assert manifest.scan_info("case1_day0").native_size == (310, 266)
    assert manifest.scan_info("case2_day0").spacing_mm is None


def test_a_ready_copy_is_kept_and_nothing_is_fetched(tmp_path: Path) -> None:
    first = prepare(archive(tmp_path / "a.zip"), tmp_path / "out")
    config = ArchiveConfig(address="http://127.0.0.1:9/nobody-listens.zip")
    assert prepare_uw_madison(tmp_path / "out", config=config) == first


def test_fetched_from_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = archive(tmp_path / "a.zip")
    asked: list[tuple[str, str | None]] = []

    def fetch(address: str, target: Path, *, sha256: str | None, **_: object) -> Path:
        asked.append((address, sha256))
        target.parent.mkdir()
        target.write_bytes(source.read_bytes())
        return target

    monkeypatch.setattr("core.data.prepare.uw_madison.fetch", fetch)
    made = prepare_uw_madison(tmp_path / "out", config=ArchiveConfig(address="https://x/set.zip", sha256="0" * 64))
    assert made.slices == {"train": 2, "valid": 1}
    assert asked == [("https://x/set.zip", "0" * 64)]
    # The zip is as large as the data set: it goes once that stands.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


def test_no_way_to_the_data(tmp_path: Path) -> None:
    sentence = r"^There is no address to fetch the data set from; give --address \(the course's Dropbox link\), --archive"
    with pytest.raises(ConfigError, match=sentence):
        prepare_uw_madison(tmp_path / "out", config=ArchiveConfig(address=None))


def test_the_checksum_of_a_local_zip(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.zip")
    prepare(source, tmp_path / "out", sha256=hashlib.sha256(source.read_bytes()).hexdigest().upper())
    with pytest.raises(DatasetError, match=r"^The archive has another checksum: .*a\.zip"):
        prepare(source, tmp_path / "other", sha256="0" * 64)


def test_what_a_mac_adds_is_left_out(tmp_path: Path) -> None:
    extra = {f"__MACOSX/dataset/{split}/images/._x.png": b"" for split in ("train", "valid")}
    assert prepare(archive(tmp_path / "a.zip", extra=extra), tmp_path / "out").slices == {"train": 2, "valid": 1}


def colour_mask() -> bytes:
    mask = np.zeros((*SHAPE, 3), np.uint8)
    mask[..., 1] = 2
    return encode_png(mask)


COLOURED = {
    "dataset/train/images/z.png": encode_png(np.zeros(SHAPE, np.uint8)),
    "dataset/train/masks/z.png": colour_mask(),
}
TWO = {f"copy/{split}/images/x.png": b"" for split in ("train", "valid")}


@pytest.mark.parametrize(
    ("extra", "error", "sentence"),
    [
        ({"../evil.png": b""}, DatasetError, r"^An entry of a\.zip leaves the folder: '\.\./evil\.png'"),
        ({"dataset/train/images/a.png": b""}, DatasetError, r"^Images and masks do not pair up: .*1 image without a mask"),
        (COLOURED, MaskError, "^A mask is in colour"),
        (TWO, DatasetError, r"^The archive holds more than one data set: copy, dataset; "),
    ],
    ids=["leaves", "unpaired", "colour", "two"],
)
def test_a_bad_archive_leaves_nothing(tmp_path: Path, extra: dict[str, bytes], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        prepare(archive(tmp_path / "a.zip", extra=extra), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("readme.txt", "hello")
    with pytest.raises(DatasetError, match=r"^The archive holds no data set; use one with train and valid, each with"):
        prepare(tmp_path / "a.zip", tmp_path / "out")


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("train/images/x.png", bytes(30_000_000))
    (tmp_path / "a.zip").write_bytes(bomb.getvalue())
    with pytest.raises(DatasetError, match=r"^The archive unpacks to more than 0\.01 GB"):
        prepare(tmp_path / "a.zip", tmp_path / "out", max_gb=0.01)


def test_an_output_that_holds_something_else_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(WorkspaceError, match="The output folder already holds something"):
        prepare(archive(tmp_path / "a.zip"), tmp_path / "out")


def test_settings_that_are_not_possible() -> None:
    with pytest.raises(ConfigError, match=r"max_gb 0 is not positive; sha256 abc is not 64 hexadecimal digits"):
        ArchiveConfig(max_gb=0, sha256="abc")


def test_what_it_lacks_is_written_down(tmp_path: Path) -> None:
    stems = {"train": ["case1_day0_slice_0001", "case1_day0_slice_0005"], "valid": ["case1_day0_slice_0003"]}
    made = prepare(archive(tmp_path / "a.zip", stems), tmp_path / "out")
    assert made.manifest.notes == (
        "2 of 2 scans are partial, single slices or with gaps: they have no volume and no distances.",
        "Every slice shows an organ: those without were probably left out, and what a model draws on them is not scored.",
    )
    assert load_index(made.root).partial_scans("valid")[0].id == "case1_day0"


def test_pictures_of_another_kind(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        for split in ("train", "valid"):
            for kind in ("images", "masks"):
                zipped.writestr(f"{split}/{kind}/case1_day0_slice_0001.webp", b"RIFF")
    with pytest.raises(DatasetError, match=r"^The folder holds no PNG files, but \.webp: .*images; export the slices as PNG\.$"):
        prepare(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
