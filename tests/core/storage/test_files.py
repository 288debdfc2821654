"""Files that are whole or not there: full disks, kills and failures midway."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import WorkspaceError
from core.storage.files import new_folder, read_json, sha256_of, sha256_of_array, write_json, write_whole

FULL = OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def refuse(*_: Any, **__: Any) -> None:
    raise FULL


def test_writes_and_makes_parents(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "c.txt", b"whole")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"whole"
    assert names(tmp_path) == ["a", "b", "c.txt"]


def test_a_full_disk_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    sentence = rf"^A file could not be written \(No space left on device\): {path}; free some space or choose another folder\.$"
    with pytest.raises(WorkspaceError, match=sentence):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["status.json"]


def test_a_write_that_stops_midway_is_never_visible(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_whole(path, b"old")
    program = (
        "import os, signal; from pathlib import Path; from core.storage import files\n"
        "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"files.write_whole(Path({str(path)!r}), b'new')"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["status.json"]


def test_a_parent_that_is_a_file_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match=r"^A file could not be written \(File exists\): .*/file/run\.json; free some space"):
        write_whole(tmp_path / "file" / "run.json", b"")


def test_a_name_too_long_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"could not be written \(File name too long\)"):
        write_whole(tmp_path / ("a" * 255), b"")


def test_json_round_trip(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"dice": None, "name": "Köln"})
    assert read_json(tmp_path / "a.json") == {"dice": None, "name": "Köln"}


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"dice": float("nan")})
    assert names(tmp_path) == []


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"^A file is missing: .*/a\.json; check the path, or make it again\.$"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe"])
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(WorkspaceError, match=r"^A file is not readable JSON: .*/a\.json; restore it, or make it again\.$"):
        read_json(tmp_path / "a.json")


def test_new_folder_is_hidden_until_it_is_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("x")
        assert not (tmp_path / "out").exists()
        assert folder.name.startswith(".")
    assert names(tmp_path) == ["a", "out"]


@pytest.mark.parametrize("failure", [RuntimeError("no"), KeyboardInterrupt()])
def test_new_folder_leaves_nothing_when_the_block_fails(tmp_path: Path, failure: BaseException) -> None:
    def fill_and_fail() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("x")
            raise failure

    with pytest.raises(type(failure)):
        fill_and_fail()
    assert names(tmp_path) == []


def test_new_folder_on_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(
            WorkspaceError, match=r"^A folder could not be written \(No space left on device\): .*/out; free some space"
        ),
        new_folder(tmp_path / "out"),
    ):
        raise FULL
    assert names(tmp_path) == []


def test_new_folder_refuses_one_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    sentence = rf"^The output folder already holds something: {tmp_path}; choose a new or empty one\.$"
    with pytest.raises(WorkspaceError, match=sentence), new_folder(tmp_path):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["mine.txt"]


def test_new_folder_takes_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
    assert names(tmp_path) == ["a", "out"]


def test_replace_keeps_the_old_until_the_new_stands(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "old").touch()
    with new_folder(tmp_path / "out", replace=True) as folder:
        (folder / "new").touch()
        assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path) == ["new", "out"]


def test_replace_keeps_the_old_when_the_block_fails(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", replace=True):
        raise RuntimeError
    assert names(tmp_path) == ["old", "out"]


def test_replace_brings_the_old_back_when_the_last_step_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    rename, calls = Path.rename, []

    def second_fails(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise FULL
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(WorkspaceError, match="A folder could not be written"), new_folder(tmp_path / "out", replace=True):
        pass
    assert names(tmp_path) == ["old", "out"]


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_sha256_of_an_array_goes_by_its_values() -> None:
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    assert sha256_of_array(array) == hashlib.sha256(array.tobytes()).hexdigest()
    assert sha256_of_array(np.asfortranarray(array)) == sha256_of_array(array)
