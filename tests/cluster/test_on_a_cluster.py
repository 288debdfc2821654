"""The whole way on a real Ray: submitted, trained on two workers, stopped, resumed; 300 scans predicted."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from core.config import ClusterConfig, PhantomConfig, SplitConfig
from core.data.index import DatasetIndex, load_index
from core.data.masks import read_label_volume
from core.data.prepare.phantoms import prepare_phantom
from core.runs.jobs.start import TrainingJob, resume_training, start_training
from core.runs.jobs.stop import log_tail, request_stop, stop_now
from core.runs.registry import RunStatus, find_run, is_working, open_run, read_status
from core.runs.settings import read_settings
from core.storage.workspace import EvaluationPaths, RunPaths, Workspace
from tests.cluster.conftest import Head
from tests.patience import PATIENCE
from training.commands.submit import submit_evaluate

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "model": "b0", "epochs": "2", "image_size": "64", "batch_size": "2", "workers": "0", "accelerator": "cpu", "threads": "1",
    "learning_rate": "0.001", "onnx": "false", "tracker": "none",
}  # fmt: skip
LONG = SETTINGS | {"epochs": "500"}
CLUSTER_WAIT_S = 900 * PATIENCE
"""Ray starts a job in half a minute where nothing else works, and a training begins with the import of torch, twice."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("shared"))
    settings = PhantomConfig(patients=4, slices=8, size=64)
    prepare_phantom(made.dataset("few"), config=settings, split=SplitConfig(valid_fraction=0.25))
    return made


def begin(workspace: Workspace, place: ClusterConfig, name: str, settings: dict[str, str], *, evaluate: bool = False) -> RunPaths:
    job = TrainingJob(workspace.dataset("few"), read_settings(None, settings), evaluate=evaluate, cluster=place)
    return start_training(workspace, job, name)


def wait_for(paths: RunPaths, found: Callable[[RunStatus], bool]) -> RunStatus:
    end = time.monotonic() + CLUSTER_WAIT_S
    while not found(read_status(paths)) and time.monotonic() < end:
        time.sleep(0.2)
    status = read_status(paths)
    assert found(status), f"{status}\n{log_tail(paths)}"
    return status


def ended(status: RunStatus) -> bool:
    return not is_working(status)


def test_two_workers_make_the_run_of_two_local_processes(workspace: Workspace, cluster: ClusterConfig) -> None:
    began = time.perf_counter()
    paths = begin(workspace, cluster, "far", SETTINGS, evaluate=True)
    assert wait_for(paths, ended).state == "finished", log_tail(paths)
    far_s, began = time.perf_counter() - began, time.perf_counter()
    words = ["--data", workspace.dataset("few"), "--workspace", workspace.root, "--run", "near", "--evaluate=true"]
    words += [f"--{key}={value}" for key, value in SETTINGS.items()]
    fit = [sys.executable, "-m", "training", "fit", *map(str, words), "--devices=2", "--strategy=ddp"]
    subprocess.run(fit, cwd=ROOT, check=True, env=os.environ)
    print(f"\nfit with evaluation: {far_s:.0f} s on Ray, {time.perf_counter() - began:.0f} s by two local processes; {load()}")

    near = workspace.run("near")
    tables = [pd.read_csv(each.metrics).drop(columns="seconds") for each in (paths, near)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-6)
    weights = [load_file(each.model / "model.safetensors") for each in (paths, near)]
    for name, values in weights[0].items():
        torch.testing.assert_close(values, weights[1][name], rtol=1e-5, atol=1e-6)
    manifests = [find_run(workspace, name).manifest() or {} for name in ("far", "near")]
    assert manifests[0]["splits"] == manifests[1]["splits"]
    assert find_run(workspace, "far").evaluation("few-valid").badge.text == "patient-clean"
    assert sorted(each.name for each in paths.root.iterdir() if each.name.startswith(".")) == []


def test_stopped_after_its_step_and_taken_up_again(workspace: Workspace, cluster: ClusterConfig) -> None:
    paths = begin(workspace, cluster, "long", LONG)
    wait_for(paths, lambda status: status.epoch >= 1)
    request_stop(open_run(paths.root))
    stopped = wait_for(paths, ended)
    assert (stopped.state, stopped.message) == ("stopped", "Stopped as asked.")
    resume_training(workspace, "long")
    wait_for(paths, lambda status: status.epoch > stopped.epoch)
    stop_now(open_run(paths.root))
    again = wait_for(paths, ended)
    assert (again.state, again.message) == ("stopped", "Stopped at once; it can be resumed after its last complete epoch.")
    assert again.epoch > stopped.epoch
    time.sleep(5)
    assert read_status(paths) == again  # nobody writes it any more


def test_more_workers_than_there_are_places_for_wait_and_are_taken_out(workspace: Workspace, cluster: ClusterConfig) -> None:
    paths = begin(workspace, replace(cluster, ray_workers=9), "wide", LONG)
    wait_for(paths, lambda status: status.message == "On the Ray cluster: 9 workers with 1 core each.")
    request_stop(open_run(paths.root))
    assert wait_for(paths, ended).state == "stopped"


def test_what_is_wrong_with_a_run_is_one_sentence(workspace: Workspace, cluster: ClusterConfig) -> None:
    paths = begin(workspace, cluster, "wrong", SETTINGS | {"model": "/no/such/model"})
    status = wait_for(paths, ended)
    assert status.state == "failed"
    assert "/no/such/model" in status.message


def test_a_workspace_that_the_cluster_cannot_see(tmp_path: Path, workspace: Workspace, cluster: ClusterConfig) -> None:
    """One machine sees everything, so that the job is told of a folder that is not there."""
    from core.runs.jobs.on_ray import connect, submit

    client = connect(cluster)
    job = submit(client, cluster, None, "fit", "/not/mounted", "r1")
    while not client.get_job_status(job).is_terminal():
        time.sleep(0.2)
    assert client.get_job_info(job).driver_exit_code == 2
    sentence = "The cluster cannot see the workspace: /not/mounted/runs/r1; put it on storage that all its machines share"
    assert sentence in client.get_job_logs(job)
    paths = begin(workspace, replace(cluster, ray_project="/not/there"), "unseen", SETTINGS)
    assert wait_for(paths, ended).message.startswith("The cluster cannot see GutCheck's folder: /not/there; put it on storage")


PREDICT = """
import json, sys, time
from pathlib import Path
from core.config import ClusterConfig, InferenceConfig
from core.data.index import load_index
from core.evaluation.evaluate import predicted
from core.storage.partial import PartialOutput
from core.model.predictor import Predictor
from training.cluster.predict import predict_on

place, data, model, folder = json.loads(sys.argv[1]), *map(Path, sys.argv[2:])
config, scans = InferenceConfig(threads=1), load_index(data).scans("valid")
began = time.perf_counter()
if place is None:
    predictor = Predictor.load(model, config)
    for scan in scans:
        predicted(PartialOutput(folder), scan, scan.read_image(), predictor)
else:
    import ray
    ray.init(log_to_driver=False)
    began = time.perf_counter()
    predict_on(PartialOutput(folder), scans, data=data, split="valid", model=model, config=config, cluster=ClusterConfig(**place))
print(time.perf_counter() - began)
"""


def seconds_to_predict(index: DatasetIndex, folder: Path, place: ClusterConfig | None = None, gcs: str = "") -> float:
    words = [json.dumps(asdict(place) if place else None), str(index.root), str(ROOT / "core/demo/run/model"), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": gcs}
    done = subprocess.run([sys.executable, "-c", PREDICT, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.strip().splitlines()[-1])


def test_300_scans_are_predicted_as_by_one_process(tmp_path: Path, cluster: ClusterConfig, head: Head) -> None:
    settings = PhantomConfig(patients=203, first_patient=2, slices=8, size=64)
    prepare_phantom(tmp_path / "many", config=settings, split=SplitConfig(valid_fraction=0.985))
    index = load_index(tmp_path / "many")
    assert len(index.scans("valid")) == 300
    one = seconds_to_predict(index, tmp_path / "one")
    two = seconds_to_predict(index, tmp_path / "two", cluster, head.gcs)
    print(f"\n300 scans of 8 slices: {one:.1f} s by one process, {two:.1f} s by two workers of Ray Data, begun anew; {load()}")
    drawn = set()
    for scan in index.scans("valid"):
        files = [EvaluationPaths(tmp_path / folder).mask(scan.id) for folder in ("one", "two")]
        assert files[0].read_bytes() == files[1].read_bytes()
        drawn |= set(np.unique(read_label_volume(files[0])))
    assert drawn == {0, 1, 2, 3}


def test_evaluated_by_the_cluster(workspace: Workspace, cluster: ClusterConfig, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["cp", "-r", ROOT / "core/demo/run", workspace.run("demo").root], check=True)
    submit_evaluate(cluster, ["--workspace", str(workspace.root), "--run", "demo", "--data", "few", "--split", "train"])
    assert "demo on few, split train: 4 scans of 3 patients, synthetic" in capsys.readouterr().out
    assert find_run(workspace, "demo").evaluation("few-train").summary["all_organs"]["dice"] > 0


def load() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
