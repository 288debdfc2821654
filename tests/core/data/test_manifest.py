"""``dataset.json``: what it holds, and every way in which it can be wrong."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from core.data.manifest import DatasetManifest, ScanInfo, hash_files, read_manifest
from core.errors import DatasetError

MANIFEST = DatasetManifest(
    name="tiny",
    source="somewhere",
    licence="CC0",
    spacing_mm=(3.0, 1.5, 1.5),
    scans={"case1_day0": ScanInfo(None, (310, 360), 7), "case2_day0": ScanInfo((2.0, 1.0, 1.0), None, 5)},
    files={"train/images/a.png": "0" * 64},
)


def write(root: Path, **changes: Any) -> Path:
    content = json.loads(json.dumps(MANIFEST.to_json())) | changes
    (root / "dataset.json").write_text(json.dumps({key: value for key, value in content.items() if value != "DROP"}))
    return root


def test_round_trip(tmp_path: Path) -> None:
    assert read_manifest(write(tmp_path)) == MANIFEST


def test_what_it_holds(tmp_path: Path) -> None:
    content = MANIFEST.to_json()
    assert content["format"] == "gutcheck-dataset/1"
    assert content["contested_pixels"] == 12
    assert [each["name"] for each in content["classes"]] == ["background", "stomach", "small_bowel", "large_bowel"]
    assert "stated" not in content


def test_without_a_file_the_defaults_under_the_folder_s_name(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == DatasetManifest(name=tmp_path.name, stated=False)


def test_the_present_folder_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_manifest(Path()).name == tmp_path.name


def test_a_scan_without_spacing_takes_the_data_set_s() -> None:
    assert MANIFEST.scan_info("case1_day0") == ScanInfo((3.0, 1.5, 1.5), (310, 360), 7)
    assert MANIFEST.scan_info("case2_day0") == ScanInfo((2.0, 1.0, 1.0), None, 5)
    assert MANIFEST.scan_info("case9_day9") == ScanInfo((3.0, 1.5, 1.5))


def test_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match=r"^dataset\.json cannot be read: .*/dataset\.json; prepare the data set again\.$"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "other/9"}, "format other/9"),
        ({"classes": []}, "another class table"),
        ({"source": "DROP"}, "'source'"),
        ({"spacing_mm": [3.0, 1.5]}, "not enough values"),
        ({"spacing_mm": [3.0, 0.0, 1.5]}, r"spacing_mm \[3\.0, 0\.0, 1\.5\] is not positive"),
        ({"spacing_mm": [3.0, float("nan"), 1.5]}, "is not positive"),
        ({"scans": []}, "items"),
        ({"scans": {"a": {}}}, "'native_size'"),
    ],
)
def test_what_is_not_as_expected(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    sentence = rf"^dataset\.json is not as expected \(.*{reason}.*\): .*/dataset\.json; prepare it again\.$"
    with pytest.raises(DatasetError, match=sentence):
        read_manifest(write(tmp_path, **changes))


def test_a_list_is_not_as_expected(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("[]")
    with pytest.raises(DatasetError, match="is not as expected"):
        read_manifest(tmp_path)


def test_a_pattern_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="The patient pattern has no group"):
        read_manifest(write(tmp_path, pattern="x"))


def test_hashes_of_all_files_but_its_own(tmp_path: Path) -> None:
    for path, content in {"train/images/a.png": b"a", "valid/masks/b.png": b"b", "dataset.json": b"{}"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert hash_files(tmp_path) == {
        "train/images/a.png": hashlib.sha256(b"a").hexdigest(),
        "valid/masks/b.png": hashlib.sha256(b"b").hexdigest(),
    }
