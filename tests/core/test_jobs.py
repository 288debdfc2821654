"""Training processes that outlive who started them."""

import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import jobs
from core.errors import JobError
from core.jobs import TrainingJob, log_tail, new_run_name, request_stop, start_training
from core.runs import RunStatus, open_run, read_status, write_status
from core.workspace import RunPaths, Workspace

JOB = TrainingJob(Path("/data/tiny"))


def run_instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(jobs, "_command", lambda *_: [sys.executable, "-c", program])


def wait_for_state(paths: RunPaths, state: str) -> RunStatus:
    for _ in range(500):
        if read_status(paths).state == state:
            break
        time.sleep(0.02)
    return read_status(paths)


def test_the_command_line(workspace: Workspace) -> None:
    job = TrainingJob(Path("/data/tiny"), Path("/recipes/quick.yaml"), (("epochs", "5"), ("model", "b0")))
    assert jobs._command(workspace, job, "r1") == [
        sys.executable, "-m", "training", "fit", "--workspace", str(workspace.root), "--run", "r1",
        "--data", "/data/tiny", "--config", "/recipes/quick.yaml", "--epochs=5", "--model=b0",
    ]  # fmt: skip


def test_without_a_recipe(workspace: Workspace) -> None:
    assert "--config" not in jobs._command(workspace, JOB, "r1")


def test_run_names_are_those_of_a_file_and_tell_the_time(workspace: Workspace) -> None:
    name = new_run_name()
    workspace.run(name)
    assert abs(datetime.strptime(name, "run-%Y%m%d-%H%M%S") - datetime.now()).total_seconds() < 60


def test_a_process_of_its_own_session_that_writes_to_the_log(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "import os, sys; print(os.getsid(0)); print(os.getcwd(), file=sys.stderr); input()")
    paths = start_training(workspace, JOB, "r1")
    status = wait_for_state(paths, "failed")  # it reads from nowhere and ends
    lines = log_tail(paths).splitlines()
    assert status.pid is not None
    assert int(lines[0]) == status.pid != os.getsid(0)
    assert lines[1] == str(jobs.PROJECT)


def test_queued_while_it_starts_and_no_second_one_beside_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "import time; time.sleep(60)")
    paths = start_training(workspace, JOB, "r1")
    status = read_status(paths)
    assert (status.state, status.message) == ("queued", "Starting.")
    try:
        with pytest.raises(JobError, match=r"^Another run is active: r1; wait for it, or stop it first\.$"):
            start_training(workspace, JOB, "r2")
        assert not workspace.run("r2").root.exists()
    finally:
        psutil.Process(status.pid).kill()
    assert wait_for_state(paths, "failed").message == "The training process ended without a word; see the log."


def test_a_process_that_ended_leaves_no_zombie(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "")
    pid = wait_for_state(start_training(workspace, JOB, "r1"), "failed").pid
    for _ in range(200):
        if not psutil.pid_exists(pid):
            break
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)


def test_a_name_that_is_taken(workspace: Workspace) -> None:
    write_status(workspace.run("r1"), RunStatus("finished"))
    with pytest.raises(JobError, match=r"^There is a run of this name already: r1; choose another name\.$"):
        start_training(workspace, JOB, "r1")


def test_a_process_that_cannot_start_blocks_nobody(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_command", lambda *_: ["/no/such/program"])
    sentence = r"^The training process cannot be started: r1; check the workspace's disk and permissions\.$"
    with pytest.raises(JobError, match=sentence):
        start_training(workspace, JOB, "r1")
    assert read_status(workspace.run("r1")).state == "failed"
    run_instead(monkeypatch, "")
    wait_for_state(start_training(workspace, JOB, "r2"), "failed")


def active_run(workspace: Workspace, state: Any) -> RunPaths:
    paths = workspace.run("r1")
    write_status(paths, RunStatus(state, pid=os.getpid()))
    return paths


def test_a_stop_is_asked_for_by_a_file(workspace: Workspace) -> None:
    paths = active_run(workspace, "running")
    request_stop(open_run(paths.root))
    assert paths.stop_request.is_file()


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_only_an_active_run_can_be_stopped(workspace: Workspace, state: str) -> None:
    run = open_run(active_run(workspace, state).root)
    with pytest.raises(JobError, match=r"^The run is not active: r1; choose one that is running\.$"):
        request_stop(run)
    assert not run.paths.stop_request.exists()


def test_a_stop_that_cannot_be_written(workspace: Workspace) -> None:
    paths = active_run(workspace, "running")
    run = open_run(paths.root)
    paths.stop_request.mkdir()
    with pytest.raises(JobError, match=r"^The stop request could not be written: r1; free some space\.$"):
        request_stop(run)


def test_the_end_of_a_long_log(workspace: Workspace) -> None:
    paths = workspace.run("r1")
    paths.root.mkdir(parents=True)
    assert log_tail(paths) == ""
    paths.log.write_text("".join(f"line {number} ü\n" for number in range(20_000)))
    assert log_tail(paths, 2) == "line 19998 ü\nline 19999 ü"
