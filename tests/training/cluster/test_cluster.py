"""Training and evaluating on a Ray cluster, as far as that goes without Ray; the rest is in tests/cluster."""

import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli.command import run_command
from core.config import ClusterConfig, InferenceConfig, changed
from core.data.index import DatasetIndex
from core.errors import WorkspaceError
from core.runs.jobs import start
from core.runs.jobs.start import TrainingJob
from core.runs.registry import Run, RunStatus, open_run, read_status, write_status
from core.storage.workspace import Workspace
from tests.patience import wait_until
from training.__main__ import main
from training.cluster import predict
from training.cluster.__main__ import main as job
from training.cluster.train import _heartbeat, _sentence, _waiting
from training.commands import submit
from training.run.resume import check_resumable

PLACE = ["--ray_address", "http://head:8265", "--ray_workers", "2"]


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, TrainingJob]]:
    """Runs that would have been queued."""
    found: list[tuple[str, TrainingJob]] = []
    monkeypatch.setattr(submit, "connect", lambda _: None)
    monkeypatch.setattr(submit, "start_training", lambda _, what, name: found.append((name, what)))
    return found


def test_a_run_is_handed_over_with_what_differs_from_the_defaults(
    handed: list[tuple[str, TrainingJob]], tiny_index: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, by a relative path and a recipe: the cluster knows neither."""
    monkeypatch.chdir(tiny_index.root.parent)
    (tmp_path / "own.yaml").write_text("milestones: [3, 4]\nepochs: 9\n")
    words = ["--data", f"./{tiny_index.root.name}", "--run", "r1", "--workspace", str(tmp_path), "--model", "b0", "--balanced"]
    main(["submit", *PLACE, "fit", *words, "--config", str(tmp_path / "own.yaml"), "--epochs", "5", "--evaluate"])
    ((name, made),) = handed
    assert (name, made.dataset, made.evaluate) == ("r1", tiny_index.root.resolve(), True)
    changes = changed(made.settings.training, made.settings.input_recipe)
    assert changes == {"model": "b0", "epochs": 5, "milestones": [3, 4], "balanced": True}
    assert made.cluster == ClusterConfig("http://head:8265", ray_workers=2)


def test_a_folder_of_weights_is_named_in_full(
    handed: list[tuple[str, TrainingJob]], tiny_index: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    main(["submit", *PLACE, "fit", "--data", str(tiny_index.root), "--run", "r1", "--model", "weights"])
    assert handed[0][1].settings.training.model == str(tmp_path / "weights")


def test_an_evaluation_is_handed_over(tiny_run: Run, tiny_index: DatasetIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(submit, "connect", lambda _: None)
    monkeypatch.setattr(submit, "submit", lambda *words: sent.append(words[3:]) or "job")
    monkeypatch.setattr(submit, "_watched", lambda *_: type("Info", (), {"driver_exit_code": 0}))
    workspace = tiny_run.paths.root.parents[1]
    words = ["--run", "tiny", "--data", str(tiny_index.root), "--workspace", str(workspace), "--tolerances_mm", "[2,4]", "--json"]
    main(["submit", *PLACE, "evaluate", *words])
    ((command, place, *rest),) = sent
    assert (command, ClusterConfig(**json.loads(place)).ray_workers) == ("evaluate", 2)
    assert rest == [
        f"--run={tiny_run.paths.root}", f"--data={tiny_index.root.resolve()}", f"--workspace={workspace}",
        "--tolerances_mm=[2.0, 4.0]", "--split=valid", "--json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (PLACE, "submit wants a command; use one of: fit, evaluate.\n"),
        (["fit"], "A setting is not possible: ray_address is missing (or GUTCHECK_RAY_ADDRESS); correct the ClusterConfig.\n"),
        ([*PLACE, "fit"], "Ray is not installed here; run: python -m pip install -r requirements-cluster.txt.\n"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GUTCHECK_RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    assert run_command(lambda: main(["submit", *words])) == 2
    assert capsys.readouterr().err == sentence


def test_a_job_that_does_not_see_the_workspace_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: job(["fit", str(tmp_path), "r1"])) == 2
    sentence = f"The cluster cannot see the workspace: {tmp_path}/runs/r1; put it on storage that all its machines share, "
    assert capsys.readouterr().err == f"{sentence}under the same path.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_job_s_entry_is_for_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: job([])) == 2
    assert capsys.readouterr().err.startswith("This is for Ray jobs alone")


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (RunStatus("queued", pid=7, host="desk"), "On the Ray cluster: 2 workers with 1 core each."),
        (RunStatus("finished", pid=7, host="node", message="Finished."), "Finished."),
    ],
)
def test_the_job_gives_signs_of_life_while_no_training_does(tmp_path: Path, before: RunStatus, message: str) -> None:
    paths = Workspace(tmp_path).run("r1")
    write_status(paths, before)
    with _heartbeat(paths, waiting=_waiting(ClusterConfig(PLACE[1], ray_workers=2))):
        wait_until(lambda: read_status(paths).pid == os.getpid())
    status = read_status(paths)
    assert (status.state, status.message, status.local_pid) == (before.state, message, os.getpid())


def test_a_training_at_work_speaks_for_itself(tmp_path: Path) -> None:
    paths = Workspace(tmp_path).run("r1")
    write_status(paths, RunStatus("running", pid=7, host="node"))
    before = paths.status.read_bytes()
    with _heartbeat(paths, waiting=""):
        time.sleep(0.05)
    assert paths.status.read_bytes() == before


def test_what_failed_first_is_named() -> None:
    failed = Exception("long")
    traceback = "Traceback:\n  …\ncore.errors.DatasetError: It is gone: x; y."
    failed.worker_failures = {1: RuntimeError("Connection closed by peer"), 0: traceback}  # type: ignore[attr-defined]
    sentence = "Training on the cluster failed in worker 0 (core.errors.DatasetError: It is gone: x; y); see the log."
    assert str(_sentence(failed)) == sentence
    assert str(_sentence(Exception("No controller."))) == "Training on the cluster failed (No controller); see the log."


@pytest.fixture
def copied(tiny_run: Run, tmp_path: Path) -> Run:
    """The finished run in a workspace of its own."""
    return open_run(Path(shutil.copytree(tiny_run.paths.root, tmp_path / "runs" / "tiny")))


def test_a_worker_takes_up_what_the_job_has_queued(copied: Run) -> None:
    """The process that queued it is another machine's; a run at work there stays refused."""
    queued = RunStatus("queued", pid=7, host="head")
    write_status(copied.paths, queued)
    assert check_resumable(copied.paths, queued=True).state == "queued"
    for status, flag in ((queued, False), (replace(queued, state="running"), True)):
        write_status(copied.paths, status)
        with pytest.raises(WorkspaceError, match="The run is still going"):
            check_resumable(copied.paths, queued=flag)


def test_the_job_of_a_run_keeps_its_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_spawn", lambda *_: start.spawn(["true"], Path(os.devnull)))
    place = ClusterConfig("http://head:8265", ray_workers=3, gpus_per_worker=1)
    made = TrainingJob(Path("/data"), cluster=place)
    paths = start.start_training(Workspace(tmp_path), made, "r1")
    assert start.read_job(paths).cluster == place


def test_an_evaluation_on_a_cluster_predicts_with_the_threads_it_was_given(
    copied: Run, tiny_index: DatasetIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(predict, "predict_on", lambda kept, scans, **rest: asked.update(rest, scans=[s.id for s in scans]))
    place = ClusterConfig("http://head:8265", cpus_per_worker=1)
    done = predict.evaluate_on(place, copied, tiny_index, "valid", InferenceConfig(device="cpu"))
    assert (asked["config"].threads, asked["data"], asked["split"]) == (1, tiny_index.root, "valid")
    assert asked["scans"] == list(done.summary["scans"])
