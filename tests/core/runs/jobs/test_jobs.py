"""Training processes that outlive who started them: queued, watched, stopped, resumed."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.config import InputRecipe, TrainingConfig
from core.errors import ConfigError, JobError, WorkspaceError
from core.runs.jobs import estimates, start
from core.runs.jobs.ends import record_end
from core.runs.jobs.estimates import PendingEstimate, start_estimate
from core.runs.jobs.queue import count_places, device_environment
from core.runs.jobs.start import TrainingJob, new_run_name, resume_training, start_training
from core.runs.jobs.stop import log_tail, request_stop, stop_now
from core.runs.jobs.usage import GpuUse, Usage, read_gpu, usage_of
from core.runs.registry import RunStatus, open_run, read_status, write_status
from core.runs.settings import RunSettings
from core.runs.status import stored_status
from core.storage.files import read_json, write_json
from core.storage.workspace import PROJECT_ROOT, RunPaths, Workspace
from tests.patience import WAIT_S, wait_until

JOB = TrainingJob(Path("/data/tiny"))
SUPERVISOR = """
import sys
from core.runs.jobs import start, supervisor
start.Queued.command = property(lambda self: [sys.executable, "-c", {program!r}])
supervisor.wait_between_questions = lambda: __import__("time").sleep(0.05)
supervisor.main(sys.argv[1:])
"""
"""The real process, with another program in place of the training."""
SLEEP = "import time; time.sleep(900)"  # until it is killed


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Iterator[Callable[[str], None]]:
    """Have runs that are queued from now on start a program of Python instead of a training."""

    def run_instead(program: str) -> None:
        def spawn(workspace: Workspace, paths: RunPaths) -> Any:
            command = [sys.executable, "-c", SUPERVISOR.format(program=program), str(workspace.root), paths.root.name]
            return start.spawn(command, paths.output, start_new_session=True)

        monkeypatch.setattr(start, "_spawn", spawn)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("GUTCHECK_PLACES", "1")
    yield run_instead
    for process in psutil.process_iter(["cmdline"]):
        if str(workspace.root) in (process.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):
                for each in [*process.children(), process]:
                    each.kill()


def wait_for(paths: RunPaths, found: Callable[[RunStatus], bool]) -> RunStatus:
    wait_until(lambda: found(read_status(paths)), paths.root.name)
    return read_status(paths)


def wait_for_state(paths: RunPaths, state: str) -> RunStatus:
    return wait_for(paths, lambda status: status.state == state)


def wait_for_process(paths: RunPaths) -> psutil.Process:
    """The training process of a run whose turn has come."""
    status = wait_for(paths, lambda status: status.message == "Starting.")
    supervisor = psutil.Process(status.pid)
    wait_until(lambda: bool(supervisor.children()), "the training process")
    return supervisor.children()[0]


def test_the_command_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_spawn", lambda *_: start.spawn([sys.executable, "-c", ""], Path(os.devnull)))
    settings = RunSettings(TrainingConfig(epochs=5, model="b0", milestones=(2, 3)), InputRecipe(image_size=64))
    paths = start_training(workspace, TrainingJob(Path("/data/tiny"), settings), "r1")
    job = start.read_job(paths)
    assert job.command == [
        sys.executable, "-m", "training", "fit", "--workspace", str(workspace.root), "--run", "r1",
        "--data", "/data/tiny", "--queued=true",
    ]  # fmt: skip
    assert job.settings == settings
    assert read_json(paths.job)["settings"] == {"model": "b0", "epochs": 5, "milestones": [2, 3], "image_size": 64}


def test_a_job_of_before_has_its_settings_among_its_words(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_spawn", lambda *_: start.spawn([sys.executable, "-c", ""], Path(os.devnull)))
    paths = workspace.run("r1")
    words = ["--workspace", "/elsewhere", "--run", "r0", "--data", "/data/tiny", "--epochs=5", "--evaluate=true"]
    write_json(paths.job, {"words": words, "queued_at": 1.0, "places": 1, "cluster": None})
    write_status(paths, RunStatus("failed"))
    assert start.read_job(paths).settings is None
    resume_training(workspace, "r1")
    assert start.read_job(paths).words == ("--workspace", str(workspace.root), "--run", "r1", *words[4:])


@pytest.mark.parametrize("settings", [7, {"epochs": 0}, {"epochs": "many"}, []])
def test_settings_that_cannot_be(workspace: Workspace, settings: object) -> None:
    paths = workspace.run("r1")
    write_json(paths.job, {"words": [], "queued_at": 1.0, "places": 1, "settings": settings})
    with pytest.raises(WorkspaceError, match=r"^job\.json is not as expected"):
        start.read_job(paths)


def test_run_names_are_those_of_a_file_and_tell_the_time(workspace: Workspace) -> None:
    before = datetime.now().replace(microsecond=0)
    name = new_run_name()
    workspace.run(name)
    assert before <= datetime.strptime(name, "run-%Y%m%d-%H%M%S") <= datetime.now()


def test_a_process_of_another_session_that_writes_to_the_log(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead("import os, sys; print(os.getsid(0), flush=True); print(os.getcwd(), file=sys.stderr); input()")
    paths = start_training(workspace, JOB, "r1")
    assert wait_for_state(paths, "failed").message == "The training process ended without a word; see the log."
    lines = log_tail(paths).splitlines()
    assert int(lines[0]) != os.getsid(0)
    assert lines[1] == str(PROJECT_ROOT)


def test_the_second_waits_and_starts_when_the_first_has_ended(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead(SLEEP)
    first = start_training(workspace, JOB, "r1")
    training = wait_for_process(first)
    second, third = start_training(workspace, JOB, "r2"), start_training(workspace, JOB, "r3")
    waiting = wait_for(second, lambda status: "1" in status.message)
    assert (waiting.state, waiting.message) == ("queued", "Waiting for 1 other run.")
    assert wait_for(third, lambda status: "2" in status.message).message == "Waiting for 2 other runs."
    training.kill()
    sentence = wait_for_state(first, "failed").message
    assert sentence.startswith("The system killed the training process (signal 9), most likely because memory ran out")
    assert wait_for_process(second).is_running()
    assert wait_for(third, lambda status: "1" in status.message).message == "Waiting for 1 other run."
    assert not first.claim.exists()


def test_two_places_take_two(workspace: Workspace, instead: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_PLACES", "2")
    instead(SLEEP)
    runs = [start_training(workspace, JOB, name) for name in ("r1", "r2")]
    for paths in runs:
        wait_for_process(paths)
    assert sorted(read_json(paths.claim)["places"] for paths in runs) == [[0], [1]]


def test_a_run_started_by_hand_counts(workspace: Workspace, instead: Callable[[str], None]) -> None:
    write_status(workspace.run("by-hand"), RunStatus("running", pid=os.getpid()))
    instead(SLEEP)
    paths = start_training(workspace, JOB, "r1")
    assert wait_for(paths, lambda status: "1" in status.message).message == "Waiting for 1 other run."


def test_the_place_is_kept_when_only_the_watcher_is_killed(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead(SLEEP)
    first = start_training(workspace, JOB, "r1")
    training = wait_for_process(first)
    supervisor = psutil.Process(read_status(first).pid)
    write_status(first, RunStatus("running", pid=training.pid, process_created_at=training.create_time()))
    supervisor.kill()
    supervisor.wait(WAIT_S)
    second = start_training(workspace, JOB, "r2")
    assert wait_for(second, lambda status: "1" in status.message).message == "Waiting for 1 other run."
    training.kill()
    assert wait_for_process(second).is_running()
    assert read_status(first).state == "failed"


def test_taken_out_of_the_queue(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead(SLEEP)
    wait_for_process(start_training(workspace, JOB, "r1"))
    waiting = start_training(workspace, JOB, "r2")
    wait_for(waiting, lambda status: "1" in status.message)
    stop_now(open_run(waiting.root))
    assert wait_for_state(waiting, "stopped").message == "Taken out of the queue."
    assert not waiting.stop_request.exists()


def test_stopped_at_once_is_no_crash(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead(SLEEP)
    paths = start_training(workspace, JOB, "r1")
    training = wait_for_process(paths)
    write_status(paths, RunStatus("running", pid=training.pid, process_created_at=training.create_time()))
    stop_now(open_run(paths.root))
    stopped = wait_for_state(paths, "stopped")
    assert stopped.message == "Stopped at once; it can be resumed after its last complete epoch."
    assert not paths.stop_now.exists()


def test_what_a_command_said_is_the_reason(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead("import sys; print('The data set is gone: x; restore it.', file=sys.stderr); sys.exit(2)")
    paths = start_training(workspace, JOB, "r1")
    assert wait_for_state(paths, "failed").message == "The data set is gone: x; restore it."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGBUS])
def test_another_signal_is_named(workspace: Workspace, instead: Callable[[str], None], number: signal.Signals) -> None:
    instead(f"import os; os.kill(os.getpid(), {int(number)})")
    paths = start_training(workspace, JOB, "r1")
    assert wait_for_state(paths, "failed").message == f"The training process was ended by {number.name}; it can be resumed."


def test_trained_but_not_evaluated(workspace: Workspace, instead: Callable[[str], None]) -> None:
    path = workspace.run("r1").status
    instead(
        "import pathlib, sys; from core.storage.files import write_json; "
        f"write_json(pathlib.Path({str(path)!r}), {{'state': 'finished'}}); "
        "print('A scan is damaged; restore it.'); sys.exit(2)"
    )
    paths = start_training(workspace, JOB, "r1")
    ended = wait_for(paths, lambda status: status.evaluation_failed)
    assert (ended.state, ended.message) == ("finished", "A scan is damaged; restore it.")


@pytest.mark.parametrize("state", ["running", "finished"])
def test_of_a_run_that_ended_no_process_is_left_in_the_status(workspace: Workspace, state: str) -> None:
    paths = workspace.run("r1")
    write_status(paths, RunStatus(state).of_this_process())
    record_end(paths, 1, said="Because.")
    status = stored_status(paths)
    assert status == status.of_process(None)


def test_resumed_with_the_evaluation_that_was_asked_for(workspace: Workspace, instead: Callable[[str], None]) -> None:
    instead("")
    paths = start_training(workspace, TrainingJob(Path("/data/tiny"), evaluate=True), "r1")
    wait_for_state(paths, "failed")
    assert start.read_job(resume_training(workspace, "r1")).words[:3] != ("--workspace", str(workspace.root), "--resume")
    wait_for_state(paths, "failed")
    write_json(paths.manifest, {})
    write_status(paths, RunStatus("failed", epoch=3, epochs=9))
    resume_training(workspace, "r1")
    assert start.read_job(paths).words == ("--workspace", str(workspace.root), "--resume", "r1", "--evaluate=true")
    assert wait_for_state(paths, "failed").epoch == 3


def test_a_finished_run_is_not_resumed(workspace: Workspace) -> None:
    write_status(workspace.run("r1"), RunStatus("finished"))
    with pytest.raises(JobError, match=r"^Only a run that has stopped or failed can be resumed: r1; wait, or start a new run\.$"):
        resume_training(workspace, "r1")


def test_a_run_that_left_nothing_is_not_resumed(workspace: Workspace) -> None:
    write_status(workspace.run("r1"), RunStatus("failed"))
    with pytest.raises(JobError, match=r"^The run ended before it had begun: r1; start a new run\.$"):
        resume_training(workspace, "r1")


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUTCHECK_PLACES", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert count_places() == 2
    assert device_environment((1,)) == {"CUDA_VISIBLE_DEVICES": "5"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert count_places() == 1
    assert device_environment((0,)) == {}
    monkeypatch.setenv("GUTCHECK_PLACES", "0")
    with pytest.raises(ConfigError, match=r"^GUTCHECK_PLACES is no number of runs: 0; use a whole number from 1\.$"):
        count_places()


def test_a_name_that_is_taken(workspace: Workspace) -> None:
    write_status(workspace.run("r1"), RunStatus("finished"))
    with pytest.raises(JobError, match=r"^There is a run of this name already: r1; choose another name\.$"):
        start_training(workspace, JOB, "r1")


def test_a_process_that_cannot_start_is_said(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_spawn", lambda *_: start.spawn(["/no/such/program"], Path(os.devnull)))
    sentence = r"^The training process cannot be started: r1; check the workspace's disk and permissions\.$"
    with pytest.raises(JobError, match=sentence):
        start_training(workspace, JOB, "r1")
    assert read_status(workspace.run("r1")).state == "failed"


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


def test_what_a_process_uses() -> None:
    busy = "import time\nfor n in range(2): exec('x = bytearray(50_000_000)')\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy]) as process:
        try:
            seen: list[Usage] = []

            def is_busy() -> bool:
                found = usage_of(process.pid)
                seen.extend([found] if found else [])
                return found is not None and found.cores > 0.1 and found.memory_bytes > 50_000_000

            wait_until(is_busy, "a busy process")
        finally:
            process.kill()
    found = seen[-1]
    # One thread is one core at most; both ends of the tenth of a second are known to a tick of 10 ms.
    assert found.cores <= 1 + 2 * 0.01 / 0.1
    assert found.memory_bytes < 200_000_000
    assert found.machine_cores == os.cpu_count()


def test_a_process_that_is_gone_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert usage_of(process.pid) is None


def test_a_line_of_nvidia_smi() -> None:
    assert read_gpu("NVIDIA H100, 80GB, 93, 1024, 81559") == GpuUse("NVIDIA H100, 80GB", 93.0, 2**30, 81559 * 2**20)


def asked(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, program: str) -> PendingEstimate:
    real = estimates.spawn
    monkeypatch.setattr(estimates, "spawn", lambda command, log: real([sys.executable, "-c", program], log))
    found = start_estimate(workspace, JOB)
    found.process.wait(WAIT_S)
    return found


def test_an_estimate_that_comes(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    found = asked(monkeypatch, workspace, "print('a note'); print('{\"total_s\": 12.5}')")
    assert found.answer() == {"total_s": 12.5}
    assert found.job == JOB
    folder = found.folder
    del found
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import sys; print('The data set is gone: x; restore it.'); sys.exit(2)",
         "The steps could not be timed (The data set is gone: x; restore it); correct the settings."),
        ("import os; os.kill(os.getpid(), 9)", "The steps could not be timed: memory ran out; lower batch_size or image_size."),
    ],
    ids=["refused", "killed"],
)  # fmt: skip
def test_an_estimate_that_fails(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, program: str, sentence: str) -> None:
    with pytest.raises(JobError) as raised:
        asked(monkeypatch, workspace, program).answer()
    assert str(raised.value) == sentence
