"""Folders that outlive a failure: who goes on with which, and what ends up in the finished one."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import WorkspaceError
from core.storage.partial import SILENCE_LIMIT_S, partial_count, partial_folder
from core.storage.processes import HOST, ProcessIdentity, boot_id

KEY = {"weights": "abc"}


def fail(path: Path, done: dict[str, str], key: dict[str, str] = KEY) -> Path:
    """An attempt that does some things and fails; where it was at work."""
    places = []

    def work() -> None:
        with partial_folder(path, key) as kept:
            places.append(kept.folder)
            for name, text in done.items():
                (kept.folder / name).write_text(text)
                kept.put(name, "made of this", {"text": text})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    return places[0]


def given_to(left: Path, owner: object, host: str = HOST) -> Path:
    """The folder that a failed attempt has let go of, as if that process filled it; an id alone is an older version's name."""
    mine = f".{ProcessIdentity.own().mark}@{HOST}."
    theirs = left.with_name(left.name.replace(mine, f".{owner}@{host}."))
    return left.with_name(left.name.replace(mine, ".0@.")).rename(theirs)


def test_the_next_attempt_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fail(out, {"a": "first"})
    assert not out.exists()
    assert (partial_count(out, KEY), partial_count(out, {"weights": "other"})) == (1, 0)
    with partial_folder(out, KEY) as kept:
        assert kept.get("a", "made of this") == {"text": "first"}
        assert kept.get("a", "made of that") is None
        assert kept.get("b", "made of this") is None
        (kept.folder / "b").write_text("second")
        (kept.folder / "litter.partial").touch()
        kept.settle({"a", "b"})
    assert {path.name: path.read_text() for path in out.iterdir()} == {"a": "first", "b": "second"}
    assert list(tmp_path.iterdir()) == [out]


def test_another_key_begins_anew_and_clears_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fail(out, {"a": "first"})
    with partial_folder(out, {"weights": "other"}) as kept:
        assert kept.get("a", "made of this") is None
        kept.settle(set())
    assert list(tmp_path.iterdir()) == [out]
    assert not any(out.iterdir())


def test_nothing_done_leaves_nothing(tmp_path: Path) -> None:
    fail(tmp_path / "out", {})
    assert not any(tmp_path.iterdir())


def test_of_two_at_once_each_has_its_own(tmp_path: Path) -> None:
    """The other is a living process that began before its folder; once it is gone, its folder is taken over."""
    out, sleeper = tmp_path / "out", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        theirs = given_to(fail(out, {"a": "theirs"}), sleeper.pid)
        os.utime(theirs, (time.time() + 5, time.time() + 5))
        with partial_folder(out, KEY, replace=True) as kept:
            assert kept.get("a", "made of this") is None
            kept.settle(set())
        assert theirs.is_dir()
    finally:
        sleeper.kill()
        sleeper.wait()
    assert partial_count(out, KEY) == 1


def test_a_process_id_that_was_given_again_is_not_its_owner(tmp_path: Path) -> None:
    out = tmp_path / "out"
    theirs = given_to(fail(out, {"a": "first"}), os.getppid())
    os.utime(theirs, (1, 1))
    assert partial_count(out, KEY) == 1


@pytest.mark.skipif(not boot_id(), reason="only Linux tells when a process began without a clock")
def test_a_clock_that_was_set_takes_no_folder_from_a_living_process(tmp_path: Path) -> None:
    """The folder's time lies long before the process began, as it does where the clock was set."""
    out = tmp_path / "out"
    theirs = given_to(fail(out, {"a": "theirs"}), ProcessIdentity.of(os.getppid()).mark)
    os.utime(theirs, (1, 1))
    assert partial_count(out, KEY) == 0
    gone = replace(ProcessIdentity.of(os.getppid()), ticks=1).mark
    theirs.rename(theirs.with_name(theirs.name.replace(ProcessIdentity.of(os.getppid()).mark, gone)))
    assert partial_count(out, KEY) == 1


def test_another_machine_s_folder_is_left_to_it_while_it_works(tmp_path: Path) -> None:
    out = tmp_path / "out"
    theirs = given_to(fail(out, {"a": "first"}), os.getpid(), "node-2.cluster")
    assert partial_count(out, KEY) == 0
    long_ago = time.time() - SILENCE_LIMIT_S - 60
    os.utime(theirs, (long_ago, long_ago))
    assert partial_count(out, KEY) == 0  # its records are newer
    os.utime(theirs / ".kept", (long_ago, long_ago))
    assert partial_count(out, KEY) == 1


def test_an_output_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(WorkspaceError, match=r"^The output folder already holds something"), partial_folder(tmp_path, KEY):
        pass


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"^1 files are gone that were written: "),
        partial_folder(tmp_path / "out", KEY) as kept,
    ):
        kept.settle({"a"})
    assert not (tmp_path / "out").exists()


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    out = tmp_path / "out"
    left = fail(out, {"a": "first"})
    record = left.with_name(left.name.replace(f".{ProcessIdentity.own().mark}@{HOST}.", ".0@.")) / ".kept" / "a.json"
    record.write_text(record.read_text()[:-4])
    with partial_folder(out, KEY) as kept:
        assert kept.get("a", "made of this") is None
        kept.settle(set())
