"""Killed, out of disk, out of memory, without its data set: what a run says then, what is left of it, and how it goes on."""

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from core.config import InputRecipe, PhantomConfig, SplitConfig, TrainingConfig
from core.data.index import DatasetIndex
from core.data.prepare.phantoms import prepare_phantom
from core.errors import ConfigError, DatasetError, JobError, WorkspaceError
from core.model.segformer import read_checkpoint
from core.runs.jobs.start import TrainingJob, lacks_evaluation, resume_training, start_training
from core.runs.registry import Run, RunStatus, open_run, read_status, write_status
from core.runs.settings import read_settings
from core.runs.status import is_working, stored_status
from core.storage.workspace import RunPaths, Workspace
from tests.patience import wait_until
from training.run.callbacks import RunRecorder
from training.run.failures import in_one_sentence, sentence
from training.run.fit import evaluation_recorded, fit

FULL = "The disk is full: {root}; free some space and go on."
MEMORY = (
    "The device's memory is too small for this batch_size: 6; "
    "lower --batch_size or --image_size, or close other programs and go on."
)
KILLED = "The system killed the training process (signal 9), most likely because memory ran out: lower batch_size"
A_CHECKPOINT_IS_LARGER = 20_000_000
STEPS_AN_EPOCH = 3
OPTIONS = {
    "model": "b0", "image_size": "64", "batch_size": "8", "epochs": "5", "workers": "0", "accelerator": "cpu", "threads": "1",
    "onnx": "false", "tracker": "none",
}  # fmt: skip


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """A disk that takes no file larger than this from this process, or from those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wait_for(paths: RunPaths, found: Callable[[RunStatus], bool]) -> RunStatus:
    wait_until(lambda: found(read_status(paths)), paths.root.name)
    return read_status(paths)


def wait_for_epoch(paths: RunPaths) -> psutil.Process:
    """The training process, once it has completed an epoch and saved it."""
    status = wait_for(paths, lambda status: status.epoch > 0 and (paths.checkpoints / "last.ckpt").exists())
    assert status.state == "running"
    return psutil.Process(status.pid)


def end_of(paths: RunPaths) -> RunStatus:
    """How a run stands once its process and the one that watches it have ended."""
    wait_for(paths, lambda status: not is_working(status) and not paths.claim.exists())
    return stored_status(paths)


def half_written(paths: RunPaths) -> list[Path]:
    """Leftovers; and that every checkpoint can be read is checked on the way."""
    for path in paths.checkpoints.glob("*.ckpt"):
        assert read_checkpoint(path)["state_dict"]
    return list(paths.root.rglob(".*.partial"))


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[Workspace, TrainingJob]]]:
    """A workspace with a data set of phantoms and the training that the dashboard would start on it."""
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setenv("GUTCHECK_PLACES", "1")

    def make() -> tuple[Workspace, TrainingJob]:
        data = workspace.dataset("phantoms")
        prepare_phantom(data, config=PhantomConfig(patients=3, slices=8, size=64), split=SplitConfig(valid_fraction=0.34))
        return workspace, TrainingJob(data, read_settings(None, OPTIONS), evaluate=True)

    yield make
    for process in psutil.process_iter(["cmdline"]):
        if str(workspace.root) in (process.info["cmdline"] or []):
            process.kill()


@pytest.mark.long
def test_killed_then_a_full_disk_then_no_data_set_and_finished_all_the_same(queue: Any, tmp_path: Path) -> None:
    workspace, job = queue()
    paths = start_training(workspace, job, "r1")
    training = wait_for_epoch(paths)
    (paths.root / ".metrics.csv.0a0a0a0a.partial").write_bytes(b"half")
    training.kill()
    killed = end_of(paths)
    assert (killed.state, killed.epochs) == ("failed", 5)
    assert killed.message.startswith(KILLED)
    assert half_written(paths) == []

    with files_end_at(A_CHECKPOINT_IS_LARGER):
        resume_training(workspace, "r1")
    full = end_of(paths)
    assert (full.state, full.message) == ("failed", FULL.format(root=paths.root))
    assert half_written(paths) == []
    assert not paths.model.exists()

    resume_training(workspace, "r1")
    # A step on: the files are checked and the cache is open.
    wait_for(paths, lambda status: status.state == "running" and status.step > full.step - STEPS_AN_EPOCH)
    shutil.move(job.dataset, tmp_path / "aside")
    gone = end_of(paths)
    assert (gone.state, gone.epoch, gone.evaluation_failed) == ("finished", 5, True)
    assert gone.message.startswith(f"The data set's folder does not exist: {job.dataset};")
    assert lacks_evaluation(paths, gone)

    shutil.move(tmp_path / "aside", job.dataset)
    resume_training(workspace, "r1")
    done = end_of(paths)
    assert (done.state, done.message, done.epoch, done.evaluation_failed) == ("finished", "Finished.", 5, False)
    assert open_run(paths.root).metrics()["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert [each.name for each in open_run(paths.root).evaluations()] == ["phantoms-valid"]
    assert not lacks_evaluation(paths, done)
    assert half_written(paths) == []


@pytest.fixture
def ended(tiny_run: Run, tmp_path: Path) -> RunPaths:
    """A run of which nothing but the export is left to do."""
    copy = Workspace(tmp_path).run("tiny")
    shutil.copytree(tiny_run.paths.root, copy.root)
    shutil.rmtree(copy.model)
    write_status(copy, RunStatus("stopped", epoch=2, epochs=2, step=6))
    return copy


def test_a_disk_too_full_for_the_export(
    ended: RunPaths, tiny_index: DatasetIndex, tiny_training: TrainingConfig, recipe: InputRecipe
) -> None:
    training = replace(tiny_training, epochs=2)
    with files_end_at(1_000_000), pytest.raises(WorkspaceError, match="The disk is full"):
        fit(tiny_index, ended, training, recipe, resume=True)
    assert (read_status(ended).state, read_status(ended).message) == ("failed", FULL.format(root=ended.root))
    assert half_written(ended) == []
    assert not ended.model.exists()
    fit(tiny_index, ended, training, recipe, resume=True)
    assert read_status(ended).state == "finished"
    assert open_run(ended.root).has_model


def test_no_memory_on_the_processor_is_told_as_on_a_gpu(
    tiny_index: DatasetIndex,
    tmp_path: Path,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RunRecorder, "on_train_batch_end", lambda *_: torch.empty(2**50))
    paths = Workspace(tmp_path).run("new")
    with pytest.raises(ConfigError):
        fit(tiny_index, paths, tiny_training, recipe)
    assert (read_status(paths).state, read_status(paths).message) == ("failed", MEMORY)
    assert "Traceback" not in paths.log.read_text()


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_loader_process_that_is_killed(
    tiny_index: DatasetIndex,
    tmp_path: Path,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = set(psutil.Process().children())  # such as the browser of the tests before

    def kill(*_: object) -> None:
        loaders = set(psutil.Process().children()) - others
        for process in loaders:
            process.send_signal(signal.SIGKILL)
        # The handler of SIGCHLD, torch's, raises as soon as one has ended; until then it has not.
        wait_until(lambda: all(has_ended(process) for process in loaders), "the loaders' end")

    monkeypatch.setattr(RunRecorder, "on_train_batch_end", kill)
    paths = Workspace(tmp_path).run("new")
    # Whether torch hears of the signal or misses the process first is the machine's affair.
    said = "A process that loads slices was killed, most likely because memory ran out: (Killed|exit without a word)"
    with pytest.raises(ConfigError, match=said):
        fit(tiny_index, paths, replace(tiny_training, workers=1), recipe)
    assert read_status(paths).state == "failed"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."), MEMORY),
        (RuntimeError("Caught _ArrayMemoryError in DataLoader worker process 0.\nOriginal Traceback"), MEMORY),
        (MemoryError(), MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL.format(root="/runs/r1")),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), FULL.format(root="/runs/r1")),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"),
         "A process that loads slices was killed, most likely because memory ran out: exit without a word; "
         "close other programs, or resume with --workers 0."),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are "
                      "out of shared memory. Please try to raise your shared memory limit."),
         "A process that loads slices was killed, most likely because shared memory ran out: Bus error; "
         "give it more (Docker: --shm-size), or resume with --workers 0."),
    ],
)  # fmt: skip
def test_sentences(error: Exception, said: str) -> None:
    assert str(sentence(error, Path("/runs/r1"), batch_size=6)) == said


@pytest.mark.parametrize(
    "error", [DatasetError("A file is missing", value="x", todo="restore it"), OSError(errno.EACCES, "x"), ValueError("x")]
)
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, in_one_sentence(Path("/runs/r1"), batch_size=6):
        raise error
    assert raised.value is error


def test_an_unknown_error_of_the_evaluation_is_in_status_and_log(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    write_status(paths, RunStatus("finished", pid=os.getpid(), message="Finished."))
    with pytest.raises(ZeroDivisionError), evaluation_recorded(paths):
        raise ZeroDivisionError("by nothing")
    status = read_status(paths)
    assert (status.evaluation_failed, status.message) == (True, "ZeroDivisionError; see train.log.")
    assert "ZeroDivisionError: by nothing" in paths.log.read_text()


def test_a_name_is_not_taken_by_a_run_that_found_no_room_to_be_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: object) -> None:
        raise WorkspaceError("A file could not be written (No space left on device)", value=path, todo="free some space")

    monkeypatch.setattr("core.runs.jobs.start.write_json", refuse)
    workspace = Workspace(tmp_path)
    with pytest.raises(JobError, match=r"^The training process cannot be started: r1; check the workspace's disk"):
        start_training(workspace, TrainingJob(tmp_path / "data"), "r1")
    assert not workspace.run("r1").root.exists()


def test_a_status_is_known_on_a_disk_without_a_free_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = RunPaths(tmp_path)
    write_status(paths, RunStatus("running", pid=os.getpid(), message="A sentence longer than the one to come."))

    def refuse(path: Path, content: bytes) -> None:
        raise WorkspaceError("A file could not be written (No space left on device)", value=path, todo="free some space")

    monkeypatch.setattr("core.runs.status.write_whole", refuse)
    write_status(paths, RunStatus("failed", message="Full."))
    assert (stored_status(paths).state, stored_status(paths).message) == ("failed", "Full.")
    with pytest.raises(WorkspaceError, match="No space left"):
        write_status(paths, RunStatus("failed", message="x" * 5000))
    assert stored_status(paths).message == "Full."
