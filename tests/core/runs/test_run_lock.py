"""Two at once: of those who start, resume, stop, delete or bring in the same run, one is obeyed and the others are told."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core.errors import BusyError, GutCheckError, JobError
from core.runs import library as run_library
from core.runs.jobs import start, supervisor
from core.runs.jobs import stop as control
from core.runs.jobs.start import TrainingJob, resume_training, start_training
from core.runs.jobs.stop import request_stop
from core.runs.library import trash_run, trashed
from core.runs.registry import open_run
from core.runs.status import RunStatus, read_status, stored_status, write_status
from core.storage.files import read_json, write_json
from core.storage.locks import locked
from core.storage.processes import ProcessIdentity
from core.storage.workspace import PROJECT_ROOT, RunPaths, Workspace

PERSON = """
import subprocess, sys, time
from pathlib import Path
from core.runs.jobs import start
from core.storage.workspace import Workspace

look, root = start.read_status, sys.argv[1]
def slow_look(run):
    status = look(run)
    time.sleep(0.4)
    return status
start.read_status = slow_look
start._spawn = lambda workspace, paths: start.spawn([sys.executable, "-c", ""], paths.output)
print("ready", flush=True)
input()
try:
    start.resume_training(Workspace(Path(root)), "r1")
    print("resumed")
except Exception as error:
    print(error)
"""
"""Somebody who presses Resume, and whose look at the run takes a moment."""


@pytest.fixture
def stopped(workspace: Workspace) -> RunPaths:
    """A run that can be resumed."""
    paths = workspace.run("r1")
    write_status(paths, RunStatus("stopped", epoch=1, epochs=3))
    write_json(paths.manifest, {})
    return paths


def both(*acts: Callable[[], object]) -> list[object]:
    """What became of acts that begin at the same moment: their value, or their error."""
    found: list[object] = [None] * len(acts)
    together = threading.Barrier(len(acts))

    def run(number: int, act: Callable[[], object]) -> None:
        together.wait()
        try:
            found[number] = act()
        except GutCheckError as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look at a run's state takes a moment, in which another could act; the names of runs that were started."""
    started: list[str] = []
    look = read_status

    def slow_look(run: RunPaths) -> RunStatus:
        status = look(run)
        time.sleep(0.2)
        return status

    def spawn(workspace: Workspace, paths: RunPaths) -> object:
        started.append(paths.root.name)
        return start.spawn([sys.executable, "-c", ""], paths.output)

    for module in (start, control):
        monkeypatch.setattr(module, "read_status", slow_look)
    monkeypatch.setattr("core.runs.registry.read_status", slow_look)
    monkeypatch.setattr(start, "_spawn", spawn)
    return started


def test_two_processes_resume_the_same_run(workspace: Workspace, stopped: RunPaths) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "-c", PERSON, str(workspace.root)]
    people = [subprocess.Popen(command, cwd=PROJECT_ROOT, **pipes) for _ in range(2)]
    for person in people:
        assert person.stdout.readline() == "ready\n"
    for person in people:
        person.stdin.write("\n")
        person.stdin.flush()
    said = sorted(person.communicate(timeout=60)[0].strip() for person in people)
    assert said == ["Only a run that has stopped or failed can be resumed: r1; wait, or start a new run.", "resumed"]


def test_two_threads_resume_the_same_run(workspace: Workspace, stopped: RunPaths, slow: list[str]) -> None:
    found = both(*[lambda: resume_training(workspace, "r1")] * 2)
    assert sorted(type(each).__name__ for each in found) == ["JobError", "RunPaths"]
    assert slow == ["r1"]


def test_two_start_a_run_of_the_same_name(workspace: Workspace, slow: list[str]) -> None:
    found = both(*[lambda: start_training(workspace, TrainingJob(Path("/data/tiny")), "r1")] * 2)
    assert sorted(type(each).__name__ for each in found) == ["JobError", "RunPaths"]
    assert slow == ["r1"]
    assert start.read_job(workspace.run("r1")).words[3] == "r1"


def test_resumed_and_deleted_at_once(workspace: Workspace, stopped: RunPaths, slow: list[str]) -> None:
    found = both(lambda: resume_training(workspace, "r1"), lambda: trash_run(workspace, "r1"))
    assert sum(isinstance(each, GutCheckError) for each in found) == 1
    assert (stopped.root.exists(), bool(trashed(workspace))) == ((True, False) if slow else (False, True))


def test_a_stop_from_an_old_page_reaches_no_run_that_has_ended(workspace: Workspace, stopped: RunPaths) -> None:
    write_status(stopped, RunStatus("running").of_this_process())
    seen = open_run(stopped.root)
    write_status(stopped, RunStatus("finished"))
    with pytest.raises(JobError, match=r"^The run is not active: r1; choose one that is running\.$"):
        request_stop(seen)
    trash_run(workspace, "r1")
    with pytest.raises(JobError, match=r"^The run is not active: r1; "):
        request_stop(seen)
    assert not stopped.root.exists()


def test_who_watched_before_leaves_a_run_that_was_queued_again(
    workspace: Workspace, stopped: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first training is killed, and before its watcher has said so somebody else has resumed the run."""
    monkeypatch.setattr(start, "_spawn", lambda _, paths: start.spawn([sys.executable, "-c", ""], paths.output))
    resume_training(workspace, "r1")
    first = start.read_job(stopped)
    write_json(stopped.root / "job.json", {"words": first.words, "queued_at": first.queued_at + 1, "places": 1})
    claim = {"places": [0], "process": {"pid": psutil.Process().ppid()}}
    write_json(stopped.claim, claim)
    stopped.stop_request.touch()
    jobs = [first]
    monkeypatch.setattr(supervisor, "read_job", lambda run: jobs.pop() if jobs else start.read_job(run))
    monkeypatch.setattr(supervisor, "_wait", lambda *_: (0,))
    monkeypatch.setattr(supervisor, "spawn", lambda *_, **__: subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"]))
    supervisor.supervise(workspace, stopped)
    assert stored_status(stopped).state == "queued"
    assert stopped.stop_request.exists()
    assert read_json(stopped.claim) == claim


def test_a_lock_that_is_held_is_said_and_ends_with_its_process(tmp_path: Path) -> None:
    program = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
    program += "print('held', flush=True); input()"
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=r"^Somebody else is at work"), locked(tmp_path / "lock", patience_s=0.1):
            pass
        holder.kill()
    with locked(tmp_path / "lock", patience_s=5):
        assert not ProcessIdentity(holder.pid).lives()


def test_nobody_is_hurt_by_the_lock_files(workspace: Workspace, stopped: RunPaths) -> None:
    trash_run(workspace, "r1")
    assert run_library.list_runs(workspace) == []
