"""Who a process is: known again after the clock was set, and told from another one of the same id."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from core.data import survey
from core.demo import prepare as demo
from core.runs.jobs.queue import _claim, give_back
from core.runs.status import RunStatus, is_working, read_status
from core.storage.files import write_json
from core.storage.processes import ProcessIdentity, boot_id, stated_process
from core.storage.workspace import RunPaths, Workspace

LINUX = pytest.mark.skipif(not boot_id(), reason="only Linux tells when a process began without a clock")
HOUR_S = 3600.0


@pytest.fixture(scope="module")
def sleeper() -> Iterator[ProcessIdentity]:
    """A real process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield ProcessIdentity.of(process.pid)
        process.kill()


def clock_set(process: ProcessIdentity) -> ProcessIdentity:
    """What was written of a process before the clock was set by an hour: psutil then tells another time of it."""
    return replace(process, created_at=process.created_at - HOUR_S)


def id_reused(process: ProcessIdentity) -> ProcessIdentity:
    """What was written of a process that is gone, and whose id another one has now."""
    return replace(process, created_at=process.created_at - HOUR_S, ticks=None if process.ticks is None else process.ticks - 1)


def test_a_process_is_known_again(sleeper: ProcessIdentity) -> None:
    assert sleeper.lives()
    assert ProcessIdentity.of(sleeper.pid) == sleeper
    assert ProcessIdentity.own() != sleeper


@LINUX
def test_after_the_clock_was_set(sleeper: ProcessIdentity) -> None:
    assert clock_set(sleeper).lives()


def test_another_process_of_the_same_id(sleeper: ProcessIdentity) -> None:
    assert not id_reused(sleeper).lives()


@LINUX
def test_the_same_ticks_after_another_boot(sleeper: ProcessIdentity) -> None:
    assert not replace(sleeper, boot="0" * 8).lives()


def test_without_ticks_the_clock_counts(sleeper: ProcessIdentity) -> None:
    older = ProcessIdentity(sleeper.pid, sleeper.created_at)
    assert older.lives()
    assert not clock_set(older).lives()
    assert ProcessIdentity(sleeper.pid).lives()


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**80])
def test_an_impossible_id_is_nobody_s(pid: int) -> None:
    assert not ProcessIdentity(pid).lives()


def test_gone_and_a_zombie() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.of(child.pid)
    assert identity.lives()
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert not identity.lives()
    child.communicate()
    assert not identity.lives()
    assert ProcessIdentity.of(child.pid) == ProcessIdentity(child.pid)


def test_as_part_of_a_name_and_as_json(sleeper: ProcessIdentity) -> None:
    assert ProcessIdentity.from_mark(sleeper.mark).lives()
    assert ProcessIdentity.from_mark("12") == ProcessIdentity(12)
    with pytest.raises(ValueError, match="no mark"):
        ProcessIdentity.from_mark("12-x")
    assert stated_process(asdict(sleeper), None) == sleeper
    assert stated_process(None, 12) == ProcessIdentity(12)
    assert stated_process(None, None) is None
    for odd in ("12", {"pid": "12"}, {"pid": 12, "ticks": "x"}, {"pid": 12, "boot": 1}, {"who": 1}):
        with pytest.raises(TypeError):
            stated_process(odd, None)


# ---- The five places that ask ----


def run_of(paths: RunPaths, process: ProcessIdentity) -> RunPaths:
    write_json(paths.status, asdict(RunStatus("running").of_process(process)))
    return paths


@LINUX
def test_a_training_lives_though_the_clock_was_set(workspace: Workspace, sleeper: ProcessIdentity) -> None:
    status = read_status(run_of(workspace.run("r1"), clock_set(sleeper)))
    assert status.state == "running"
    assert is_working(status)


def test_a_training_whose_id_was_given_again_is_dead(workspace: Workspace, sleeper: ProcessIdentity) -> None:
    assert read_status(run_of(workspace.run("r1"), id_reused(sleeper))).state == "failed"


def test_an_older_status_is_read(workspace: Workspace, sleeper: ProcessIdentity) -> None:
    paths = workspace.run("r1")
    write_json(paths.status, {"state": "running", "pid": sleeper.pid, "process_created_at": sleeper.created_at})
    assert read_status(paths).state == "running"
    write_json(paths.status, {"state": "running", "pid": sleeper.pid, "process_created_at": sleeper.created_at - HOUR_S})
    assert read_status(paths).state == "failed"


@LINUX
def test_places_stay_taken_though_the_clock_was_set(workspace: Workspace, sleeper: ProcessIdentity) -> None:
    paths = run_of(workspace.run("r1"), id_reused(sleeper))
    write_json(paths.claim, {"places": [0], "process": asdict(clock_set(sleeper))})
    assert _claim(paths) == [0]
    write_json(paths.claim, {"places": [0], "process": asdict(id_reused(sleeper))})
    assert _claim(paths) == []
    write_json(paths.claim, {"places": [0], "pid": sleeper.pid, "process_created_at": sleeper.created_at})  # an older one
    assert _claim(paths) == [0]


@LINUX
def test_places_are_given_back_though_the_clock_was_set(workspace: Workspace, sleeper: ProcessIdentity) -> None:
    paths = run_of(workspace.run("r1"), sleeper)
    write_json(paths.claim, {"places": [0], "process": asdict(id_reused(ProcessIdentity.own()))})
    give_back(paths)
    assert paths.claim.exists()
    write_json(paths.claim, {"places": [0], "process": asdict(clock_set(ProcessIdentity.own()))})
    give_back(paths)
    assert not paths.claim.exists()


def test_without_ticks_the_clock_tells_two_processes_apart(sleeper: ProcessIdentity) -> None:
    older = ProcessIdentity(sleeper.pid, sleeper.created_at)
    assert sleeper.is_the_same_as(older)
    assert not sleeper.is_the_same_as(clock_set(older))
    assert not sleeper.is_the_same_as(ProcessIdentity.own())


def test_a_demo_whose_id_was_given_again_is_not_waited_for(workspace: Workspace, sleeper: ProcessIdentity) -> None:
    preparing = {"state": "preparing", "step": "", "done": 0, "total": 0, "message": "", "pid": None}
    write_json(workspace.root / "demo.json", preparing | {"process": asdict(sleeper)})
    assert demo.demo_state(workspace).state == "preparing"
    write_json(workspace.root / "demo.json", preparing | {"process": asdict(id_reused(sleeper))})
    assert demo.demo_state(workspace).state == "failed"
    write_json(workspace.root / "demo.json", preparing)
    assert demo.demo_state(workspace).state == "failed"


def test_a_survey_whose_id_was_given_again_is_not_waited_for(tmp_path: Path, sleeper: ProcessIdentity) -> None:
    paths = survey.SurveyPaths(tmp_path)
    write_json(paths.state, {"state": "running", "process": asdict(sleeper)})
    assert survey.survey_state(tmp_path).state == "running"
    write_json(paths.state, {"state": "running", "process": asdict(id_reused(sleeper))})
    assert survey.survey_state(tmp_path).state == "failed"
