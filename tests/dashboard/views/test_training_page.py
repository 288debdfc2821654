"""*Training*: each state of a run, and what can be done with it; the runs' processes are not started."""

import os
import shutil
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config import ClusterConfig
from core.data.images import write_png
from core.runs.jobs import start
from core.runs.library import RunDescription, read_about, trash_run, trashed
from core.runs.registry import RunStatus, read_status, write_status
from core.runs.settings import read_settings
from core.storage.files import read_json, write_json, write_whole
from core.storage.workspace import PROJECT_ROOT, RunPaths, Workspace
from dashboard.components.common.text import escape_links

METRICS = (
    "epoch,step,seconds,learning_rate,train_loss,valid_loss,valid_f1_organs\n1,5,2,0.001,1.5,1.4,0.1\n2,10,2,0.0005,1.2,1.1,0.2\n"
)


@pytest.fixture
def run(folder: Path) -> RunPaths:
    """A run that has finished two epochs and left everything that the page shows."""
    paths = Workspace(folder).run("r1")
    write_status(paths, RunStatus("finished", started_at=time.time(), epoch=2, epochs=2, step=10, message="Finished."))
    write_whole(paths.metrics, METRICS.encode())
    write_whole(paths.log, b"Epoch 2/2: loss 1.2\n")
    write_whole(paths.model / "model.safetensors", b"weights")
    for name in ("reference", "epoch-001", "epoch-002"):
        paths.learning.mkdir(exist_ok=True)
        write_png(paths.learning / f"{name}.png", np.zeros((20, 80), np.uint8))
    return paths


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runs whose process would have been started."""
    names: list[str] = []

    def spawn(workspace: Workspace, paths: RunPaths) -> object:
        names.append(paths.root.name)
        return start.spawn(["true"], paths.output)

    monkeypatch.setattr(start, "_spawn", spawn)
    return names


def button(app: AppTest, words: str):
    return next(each for each in app.button if each.label == words)


def labels(app: AppTest) -> set[str]:
    return {each.label for each in app.button}


def press(app: AppTest, words: str) -> AppTest:
    button(app, words).click().run()
    assert not app.exception
    return app


def test_a_finished_run(open_app, folder: Path, run: RunPaths) -> None:
    app = open_app(folder, "training", run="r1")
    assert len(app.get("plotly_chart")) == 3
    assert len(app.get("image")) == 2
    assert {"Use in the demo", "Delete", "Save"} <= labels(app)
    assert not {"Resume", "Stop now"} & labels(app)
    assert "Epoch 2/2: loss 1.2" in app.code[-1].value


def test_promoted_and_taken_back(open_app, folder: Path, run: RunPaths) -> None:
    app = press(open_app(folder, "training", run="r1"), "Use in the demo")
    assert read_about(run).promoted_at is not None
    assert app.dataframe[0].value.set_index("run").loc["r1", "title"] == "★ "
    press(app, "No longer for the demo")
    assert read_about(run).promoted_at is None


def test_described_in_words_that_stay_words(open_app, folder: Path, run: RunPaths) -> None:
    app = open_app(folder, "training", run="r1")
    next(each for each in app.text_input if each.label == "Title").input("<b>2.5D</b> :red[x]")
    next(each for each in app.text_input if each.label == "Tags, separated by commas").input("mr, , mr,b0")
    press(app, "Save")
    assert read_about(run) == RunDescription("<b>2.5D</b> :red[x]", "", ("mr", "b0"))
    assert r"**\<b\>2\.5D\</b\> \:red\[x\]**" in [each.value for each in app.markdown]


def test_deleted_and_put_back(open_app, folder: Path, run: RunPaths) -> None:
    app = press(open_app(folder, "training", run="r1"), "Delete")
    assert "r1" not in set(app.dataframe[0].value["run"])
    assert len(trashed(Workspace(folder))) == 1
    press(app, "Restore")
    assert "r1" in set(app.dataframe[0].value["run"])


def test_a_name_that_was_taken_meanwhile_is_said(open_app, folder: Path, run: RunPaths) -> None:
    trash_run(Workspace(folder), "r1")
    write_status(run, RunStatus("finished"))
    app = press(open_app(folder, "training"), "Restore")
    assert app.error[0].value == "Another run has this name now: r1; delete that one first."


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_a_run_that_ended_early_is_resumed(open_app, folder: Path, run: RunPaths, started: list[str], state: str) -> None:
    write_status(run, RunStatus(state, epoch=1, epochs=9, message="Because."))
    write_json(run.manifest, {})
    app = open_app(folder, "training", run="r1")
    assert bool(app.error) == (state == "failed")
    press(app, "Resume")
    assert started == ["r1"]
    assert read_status(run).state == "queued"
    assert read_status(run).epoch == 1


def test_the_picture_of_learning_follows_until_somebody_looks_back(open_app, folder: Path, run: RunPaths) -> None:
    app = open_app(folder, "training", run="r1")
    for epoch in (3, 4):  # two epochs between two looks
        write_png(run.learning / f"epoch-{epoch:03d}.png", np.zeros((20, 80), np.uint8))
    app.run()
    assert app.select_slider[0].value == 4
    app.select_slider[0].set_value(2).run()
    write_png(run.learning / "epoch-005.png", np.zeros((20, 80), np.uint8))
    app.run()
    assert app.select_slider[0].value == 2


def test_a_failure_is_told_as_it_is_with_its_log(open_app, folder: Path, run: RunPaths) -> None:
    sentence = "The disk is full: /data/[x](http://y)/runs/r1; free some space and go on."
    write_status(run, RunStatus("failed", epoch=1, epochs=9, step=12, message=sentence))
    app = open_app(folder, "training", run="r1")
    assert [each.value for each in app.error] == [escape_links(sentence)]
    assert "Epoch 1 of 9, step 12." in {each.value.strip() for each in app.caption}
    assert next(each for each in app.expander if each.label == "Log").proto.expanded
    assert "Resume" in labels(app)


def test_evaluated_after_all(open_app, folder: Path, run: RunPaths, started: list[str]) -> None:
    message = "Finished, but not evaluated: There is no such data set: x; check the path."
    write_status(run, RunStatus("finished", epoch=2, epochs=2, step=10, message=message))
    assert "Evaluate" not in labels(open_app(folder, "training", run="r1"))
    write_json(run.manifest, {})
    write_json(run.job, {"words": ["--run", "r1", "--evaluate=true"], "queued_at": 1, "places": 1})
    app = open_app(folder, "training", run="r1")
    assert message in [each.value for each in app.warning]
    assert not {"Resume"} & labels(app)
    press(app, "Evaluate")
    assert started == ["r1"]
    assert start.read_job(run).words == ("--workspace", str(folder), "--resume", "r1", "--evaluate=true")


def test_a_run_at_work(open_app, folder: Path, run: RunPaths) -> None:
    write_status(run, RunStatus("running", pid=os.getpid(), epoch=1, epochs=4, step=7, remaining_s=150))
    app = open_app(folder, "training", run="r1")
    assert app.get("progress")[0].proto.text == "running, epoch 1 of 4, step 7, about 2 min left"
    assert any("cores" in each.value and "GB" in each.value for each in app.caption)
    assert "Delete" not in labels(app)
    press(app, "Stop after this step")
    assert run.stop_request.exists()


def test_a_run_in_the_queue(open_app, folder: Path, run: RunPaths) -> None:
    write_status(run, RunStatus("queued", pid=os.getpid(), message="Waiting for 1 other run."))
    app = open_app(folder, "training", run="r1")
    assert [each.value for each in app.info] == ["Waiting for 1 other run."]
    press(app, "Take out of the queue")
    assert run.stop_request.exists()


def test_a_run_of_another_machine_shows_nothing_of_this_one_s_processes(open_app, folder: Path, run: RunPaths) -> None:
    status = RunStatus("running", pid=os.getpid(), host="gpu-node-7", epoch=1, epochs=4)
    write_status(run, status)
    app = open_app(folder, "training", run="r1")
    assert app.get("progress")[0].proto.text == "running, epoch 1 of 4, step 0"
    assert [each.value for each in app.caption if "Processor" in each.value] == []


def test_no_cluster_is_offered_where_none_is_configured(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUTCHECK_RAY_ADDRESS", raising=False)
    assert "Runs on" not in {each.label for each in open_app(folder, "training").selectbox}


def test_handed_to_a_cluster(open_app, folder: Path, started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_RAY_ADDRESS", "http://head:8265")
    app = open_app(folder, "training")
    assert next(each for each in app.number_input if each.label == "Workers").disabled
    next(each for each in app.text_input if each.label == "Name of the run").input("far")
    next(each for each in app.selectbox if each.label == "Runs on").select("Ray cluster")
    app.run()
    next(each for each in app.number_input if each.label == "Workers").set_value(4)
    app.run()
    assert button(app, "Estimate time").disabled
    press(app, "Start")
    assert started == ["far"]
    assert start.read_job(Workspace(folder).run("far")).cluster == ClusterConfig("http://head:8265", ray_workers=4)


def test_an_address_that_is_none_is_one_sentence(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_RAY_ADDRESS", "ray://head:10001")
    app = open_app(folder, "training")
    next(each for each in app.selectbox if each.label == "Runs on").select("Ray cluster")
    app.run()
    assert not app.exception
    assert app.error[0].value.startswith("A setting is not possible: ray_address ray://head:10001 is no address such as")
    assert "Start" not in labels(app)


def test_started_as_chosen(open_app, folder: Path, started: list[str]) -> None:
    app = open_app(folder, "training")
    next(each for each in app.text_input if each.label == "Name of the run").input("mine")
    next(each for each in app.number_input if each.label == "Epochs").set_value(3)
    next(each for each in app.selectbox if each.label == "Recipe").select("baseline")
    next(each for each in app.selectbox if each.label == "Model").select("b1")
    app.run()
    assert "epochs: 3" in app.code[0].value
    assert "model: b1" in app.code[0].value
    assert any("patient-clean" in each.value for each in app.caption)
    press(app, "Start")
    assert started == ["mine"]
    assert [each.value for each in app.error] == []
    assert next(each for each in app.text_input if each.label == "Name of the run").value != "mine"
    job = start.read_job(Workspace(folder).run("mine"))
    assert job.words[2:] == ("--run", "mine", "--data", str(folder / "datasets" / "small"), "--queued=true", "--evaluate=true")
    assert job.settings == read_settings(PROJECT_ROOT / "training/recipes/baseline.yaml", {"model": "b1", "epochs": 3})


def test_only_what_can_be_trained_on_is_offered(open_app, folder: Path) -> None:
    """A data set of one split, as `evaluate masks` makes it, and an empty folder."""
    shutil.copytree(folder / "datasets" / "small" / "valid", folder / "datasets" / "scored" / "valid")
    (folder / "datasets" / "empty").mkdir()
    app = open_app(folder, "training")
    assert next(each for each in app.selectbox if each.label == "Data set").options == ["small"]
    sentence = "Not to be trained on, for want of a training or validation split: empty, scored."
    assert sentence in [each.value for each in app.caption]


def test_another_tool_s_masks_wait_for_no_curves(open_app, folder: Path) -> None:
    paths = Workspace(folder).run("tool")
    write_status(paths, RunStatus("finished", started_at=time.time(), message="Label maps of another tool."))
    made = next(iter(sorted(folder.glob("runs/*/evaluations/*/evaluation.json"))))
    write_json(paths.evaluation(made.parent.name).summary, read_json(made) | {"external": {"notes": []}})
    said = [each.value for each in open_app(folder, "training", run="tool").caption]
    assert "Label maps of another tool: nothing was trained here, so there are no curves." in said
    assert "Curves appear after the first epoch." not in said


def test_from_the_weights_of_another_run(open_app, folder: Path, run: RunPaths, started: list[str]) -> None:
    app = open_app(folder, "training")
    next(each for each in app.selectbox if each.label == "Initialise from").select("r1").run()
    press(app, "Start")
    job = start.read_job(Workspace(folder).run(started[0]))
    assert job.settings is not None
    assert job.settings.training.model == str(run.model)


def test_what_is_wrong_keeps_it_from_starting(open_app, folder: Path, run: RunPaths) -> None:
    app = open_app(folder, "training")
    next(each for each in app.text_input if each.label == "Name of the run").input("r1").run()
    assert "There is a run of this name already: r1; choose another name." in [each.value for each in app.error]
    assert button(app, "Start").disabled


def test_a_damaged_data_set_is_said_in_the_form(open_app, folder: Path) -> None:
    (folder / "datasets" / "small" / "dataset.json").write_text("{")
    app = open_app(folder, "training")
    assert any("dataset.json" in each.value for each in app.error)
    assert button(app, "Start").disabled


def test_the_box_for_an_exported_run_takes_one_of_the_largest_model(open_app, folder: Path) -> None:
    """Weights and ONNX file of a b5 have 680 MB; the server's own limit must not be below that of the box."""
    (box,) = open_app(folder, "training").get("file_uploader")
    served = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text())["server"]["maxUploadSize"]
    assert 680 < box.proto.max_upload_size_mb <= served


def test_a_run_that_was_imported_is_not_offered_to_go_on(open_app, folder: Path, run: RunPaths) -> None:
    message = "Because <b>![x](http://y/z.png)"
    write_status(run, RunStatus("stopped", epoch=1, epochs=9, message=message, imported=True))
    write_json(run.manifest, {})
    app = open_app(folder, "training", run="r1")
    assert "Resume" not in labels(app)
    assert not any("![x](" in each.value or "<b>" in each.value for each in app.caption if "\\<" not in each.value)
