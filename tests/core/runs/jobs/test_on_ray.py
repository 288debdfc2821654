"""Runs handed to a Ray cluster: settings, the job's command, its end as it is recorded, stopping. Ray itself is not needed."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.config import ClusterConfig
from core.errors import ConfigError, JobError
from core.runs.jobs import on_ray as cluster
from core.runs.jobs import start, supervisor
from core.runs.jobs.queue import take_turn
from core.runs.jobs.start import TrainingJob, resume_training, start_training
from core.runs.jobs.stop import request_stop, stop_now
from core.runs.registry import RunStatus, open_run, read_status, write_status
from core.storage.files import read_json, write_json
from core.storage.workspace import PROJECT_ROOT, RunPaths, Workspace

CLUSTER = ClusterConfig("http://head:8265", ray_workers=2)
JOB = TrainingJob(Path("/data/tiny"), cluster=CLUSTER)


class FakeJobs:
    """A Jobs API whose job answers with these, one a question; an error is raised."""

    def __init__(self, *answers: Any, log: str = "", during: Callable[[], None] = lambda: None) -> None:
        self.answers, self.log, self.during = list(answers), log, during
        self.submitted: dict[str, Any] = {}
        self.stopped: list[str] = []

    def submit_job(self, **options: Any) -> str:
        self.submitted = options
        return str(options["submission_id"])

    def get_job_info(self, job: str) -> Any:
        self.during()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get_job_logs(self, job: str) -> str:
        return self.log

    def stop_job(self, job: str) -> None:
        self.stopped.append(job)


class State(str):
    def is_terminal(self) -> bool:
        return self in ("SUCCEEDED", "FAILED", "STOPPED")


def ended(state: str, code: int | None, message: str = "") -> SimpleNamespace:
    return SimpleNamespace(status=State(state), driver_exit_code=code, message=message)


@pytest.fixture
def handed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeJobs], RunPaths]:
    """Queue a run and have the watching process, here in the test, follow it at such a Jobs API."""
    monkeypatch.setattr(start, "_spawn", lambda *_: subprocess.Popen([sys.executable, "-c", ""]))
    monkeypatch.setattr(cluster, "PAUSE_S", 0.0)

    def hand(jobs: FakeJobs) -> RunPaths:
        monkeypatch.setattr(cluster, "connect", lambda _: jobs)
        paths = start_training(workspace, JOB, "r1")
        supervisor.supervise(workspace, paths)
        return paths

    return hand


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"ray_address": None}, "ray_address is missing (or GUTCHECK_RAY_ADDRESS)"),
        ({"ray_address": "ray://head:10001"}, "ray_address ray://head:10001 is no address such as http://head:8265"),
        ({"ray_workers": 0}, "ray_workers 0 is below 1"),
        ({"cpus_per_worker": 0}, "cpus_per_worker 0 is below 1"),
        ({"gpus_per_worker": 2}, "gpus_per_worker 2 is neither 0 nor 1"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        replace(CLUSTER, **settings)
    assert str(raised.value) == f"A setting is not possible: {problem}; correct the ClusterConfig."


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_RAY_ADDRESS", "https://ray.example.org")
    assert ClusterConfig().ray_address == "https://ray.example.org"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True)


def test_the_command_of_a_job(tmp_path: Path) -> None:
    """A real shell runs it: in the project's folder, its exit code is the command's, and a folder that is not there is said."""
    program = tmp_path / "the python"
    program.write_text('#!/bin/sh\necho "$PWD $*"; exit 7\n')
    program.chmod(0o755)
    place = replace(CLUSTER, ray_project=str(tmp_path), ray_python=str(program))
    done = shell(cluster.entrypoint(place, "fit", "/my work", "r1"))
    assert (done.returncode, done.stdout) == (7, f"{tmp_path} -m training.cluster fit /my work r1\n")
    place = replace(place, ray_project="/not/there")
    done = shell(cluster.entrypoint(place, "fit"))
    sentence = "The cluster cannot see GutCheck's folder: /not/there; put it on storage that all its machines share, "
    assert (done.returncode, done.stdout) == (2, f"{sentence}under the same path.\n")


def test_what_is_handed_over(handed: Callable[[FakeJobs], RunPaths], workspace: Workspace) -> None:
    jobs = FakeJobs(ended("SUCCEEDED", 0))
    paths = handed(jobs)
    assert start.read_job(paths).cluster == CLUSTER
    assert jobs.submitted["entrypoint"].endswith(f"-m training.cluster fit {workspace.root} r1")
    assert jobs.submitted["submission_id"].startswith("gutcheck-r1-")
    assert jobs.submitted["runtime_env"] == {"env_vars": {"PYTHONPATH": str(PROJECT_ROOT)}}


def test_a_run_that_recorded_its_own_end_is_left_as_it_is(handed: Callable[[FakeJobs], RunPaths], workspace: Workspace) -> None:
    def finish() -> None:
        write_status(workspace.run("r1"), RunStatus("finished", pid=7, host="node-3", epoch=3, message="Finished."))

    paths = handed(FakeJobs(ended("RUNNING", None), ended("SUCCEEDED", 0), log="Epoch 3/3\n", during=finish))
    status = read_status(paths)
    assert (status.state, status.message, status.epoch, status.host) == ("finished", "Finished.", 3, "node-3")
    assert paths.output.read_text().endswith("Epoch 3/3\n")


UNSEEN = "The cluster cannot see the workspace: /w; put it on storage that all its machines share, under the same path."


@pytest.mark.parametrize(
    ("info", "log", "message"),
    [
        (ended("FAILED", 2), f"noise\n{UNSEEN}\nRunning entrypoint for job x: cd y\n", UNSEEN),
        (ended("FAILED", 1), "Traceback\n", "The training process ended without a word; see the log."),
        (ended("FAILED", None, "No room."), "", "The Ray cluster could not run the job: No room."),
        (ended("STOPPED", None), "", "The training process was ended by SIGTERM; it can be resumed."),
        (ended("FAILED", -9), "", "The system killed the training process (signal 9), most likely because memory ran out: "
         "lower batch_size or image_size in a new run, or close other programs and resume."),
    ],
    ids=["unseen", "crashed", "not run", "stopped by others", "killed"],
)  # fmt: skip
def test_an_end_that_the_run_could_not_record(
    handed: Callable[[FakeJobs], RunPaths], info: SimpleNamespace, log: str, message: str
) -> None:
    status = read_status(handed(FakeJobs(info, log=log)))
    assert (status.state, status.message) == ("failed", message)


def test_a_cluster_that_does_not_answer(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_spawn", lambda *_: subprocess.Popen([sys.executable, "-c", ""]))

    def refuse(place: ClusterConfig) -> Any:
        raise cluster._unreachable(place)

    monkeypatch.setattr(cluster, "connect", refuse)
    paths = start_training(workspace, JOB, "r1")
    supervisor.supervise(workspace, paths)
    sentence = "The Ray cluster does not answer: http://head:8265; check the address, or start it."
    assert (read_status(paths).state, read_status(paths).message) == ("failed", sentence)


@pytest.mark.parametrize(("begun", "state"), [(False, "failed"), (True, "running")])
def test_a_cluster_that_falls_silent(
    handed: Callable[[FakeJobs], RunPaths], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, begun: bool, state: str
) -> None:
    """Where the run has begun, its own heartbeat tells; the watching process leaves."""
    monkeypatch.setattr(cluster, "HEARTBEAT_LIMIT_S", 0.0)

    def begin() -> None:
        if begun:
            write_status(workspace.run("r1"), RunStatus("running", pid=7, host="node-3"))

    assert read_status(handed(FakeJobs(ConnectionError("gone"), during=begin))).state == state


def test_a_run_that_was_taken_up_again_meanwhile_is_another_job_s(
    handed: Callable[[FakeJobs], RunPaths], workspace: Workspace
) -> None:
    paths = workspace.run("r1")

    def resume() -> None:
        write_json(paths.job, read_json(paths.job) | {"queued_at": 5.0})

    assert read_status(handed(FakeJobs(ended("FAILED", 1), during=resume))).state == "queued"


def test_stopped_at_once_by_the_jobs_api(
    handed: Callable[[FakeJobs], RunPaths], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = FakeJobs(ended("SUCCEEDED", 0))
    paths = handed(jobs)
    write_status(paths, RunStatus("running", pid=7, host="node-3", epoch=2))
    stop_now(open_run(paths.root))
    status = read_status(paths)
    assert jobs.stopped == [jobs.submitted["submission_id"]]
    assert (status.state, status.epoch) == ("stopped", 2)
    assert status.message == "Stopped at once; it can be resumed after its last complete epoch."
    assert not paths.stop_now.exists()


def test_taken_out_of_the_cluster_s_queue(handed: Callable[[FakeJobs], RunPaths]) -> None:
    jobs = FakeJobs(ended("SUCCEEDED", 0))
    paths = handed(jobs)
    write_status(paths, RunStatus("queued", pid=7, host="head"))
    request_stop(open_run(paths.root))
    assert (len(jobs.stopped), read_status(paths).state) == (1, "stopped")


def test_a_running_one_is_asked_by_the_stop_file(handed: Callable[[FakeJobs], RunPaths]) -> None:
    jobs = FakeJobs(ended("SUCCEEDED", 0))
    paths = handed(jobs)
    write_status(paths, RunStatus("running", pid=7, host="node-3"))
    request_stop(open_run(paths.root))
    assert paths.stop_request.exists()
    assert jobs.stopped == []


def test_a_process_of_another_machine_without_a_cluster_is_not_killed_from_here(workspace: Workspace) -> None:
    paths = workspace.run("r1")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        write_status(paths, RunStatus("running", pid=child.pid, host="node-3"))
        with pytest.raises(JobError, match=r"^The run's process is not on this machine: r1; stop it there\.$"):
            stop_now(open_run(paths.root))
        assert child.poll() is None
    finally:
        child.communicate()


def test_resumed_where_it_was(handed: Callable[[FakeJobs], RunPaths], workspace: Workspace) -> None:
    paths = handed(FakeJobs(ended("FAILED", 1)))
    before = cluster.job_id(paths, start.read_job(paths))
    resume_training(workspace, "r1")
    again = start.read_job(paths)
    assert again.cluster == CLUSTER
    assert cluster.job_id(paths, replace(again, queued_at=again.queued_at + 1)) != before


def test_a_run_elsewhere_takes_no_place_here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_PLACES", "1")
    monkeypatch.setattr(start, "_spawn", lambda *_: subprocess.Popen([sys.executable, "-c", ""]))
    write_status(start_training(workspace, JOB, "far"), RunStatus("running", heartbeat_at=time.time()))
    write_status(workspace.run("by-hand"), RunStatus("running", pid=7, host="node-3"))
    mine = start_training(workspace, replace(JOB, cluster=None), "mine")
    assert take_turn(workspace, mine).places == (0,)


def test_without_ray_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    with pytest.raises(JobError, match=r"^Ray is not installed here; run: python -m pip install -r requirements-cluster\.txt\.$"):
        cluster.connect(CLUSTER)
