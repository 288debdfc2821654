"""``prepare dicom`` as people type it: what it prints, and that nothing of a patient is in any of it."""

import json
import logging
import warnings
from pathlib import Path

import pytest

from core.errors import ConfigError, GutCheckError
from tests.core.data.prepare.dicom_study import SECRETS, study
from training.commands import prepare


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    study(folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUTCHECK_WORKSPACE", str(tmp_path / "ws"))
    return tmp_path / "ws"


def test_the_list(source: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.main(["dicom", str(source), "--list"])
    heads, *lines, key = capsys.readouterr().out.splitlines()
    assert heads.split() == ["Scan", "Date", "Sequence", "Slices", "Size", "mm", "Axes", "Masks", "UID"]
    assert [line.split()[2:12] for line in lines[:1]] == [["MR", "GR", "3D", "TR", "4.1", "ms", "6", "40×48", "3×2×2", "IPL"]]
    assert key == f"Key: {workspace.with_name('ws.key.json')}"
    prepare.main(["dicom", str(source), "--list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [line["scan"] for line in listed["series"]] == [line.split()[0] for line in lines]
    assert not workspace.exists()


def test_the_data_set(source: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = workspace / "datasets" / "mr"
    options = ["--series", "all", "--split_by", "slice", "--valid_fraction", "0.5"]
    prepare.main(["dicom", str(source), "--out", str(out), *options, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["splits"] == {
        "train": {"patients": 1, "slices": 6},
        "valid": {"patients": 1, "slices": 6},
        "unlabelled": {"patients": 1, "slices": 6},
    }
    with pytest.raises(ConfigError, match="Something is missing: --out; name the new data set's folder, or look with --list"):
        prepare.main(["dicom", str(source)])


def test_nothing_of_a_patient_is_kept_printed_or_logged(
    source: Path, workspace: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    out = workspace / "datasets" / "mr"
    runs = [
        ["--list"],
        ["--list", "--json"],
        [],
        ["--series", "PX4711"],
        ["--series", "all", "--split_by", "slice", "--new_uids"],
    ]
    sentences = []
    with warnings.catch_warnings(record=True) as warned:
        for options in runs:
            try:
                prepare.main(["dicom", str(source), "--out", str(out), *options])
            except GutCheckError as error:
                sentences.append(str(error))
    assert len(sentences) == 2
    printed = capfd.readouterr()
    kept = [path.relative_to(workspace).as_posix() for path in workspace.rglob("*")]
    stored = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file() and path.suffix != ".png")
    # The series that was asked for by a patient's number is quoted as it was typed.
    said = " ".join([printed.out, printed.err, caplog.text, *map(str, warned), *kept, *sentences]).replace(": PX4711;", "")
    for word in SECRETS:
        assert word not in said, word
        assert word.encode() not in stored, word
    assert "PX4711" in workspace.with_name("ws.key.json").read_text()
    for path in workspace.rglob("*.png"):
        assert b"tEXt" not in path.read_bytes()
