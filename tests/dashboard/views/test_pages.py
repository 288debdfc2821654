"""Each page with content, empty and broken, without a browser."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.charts.learning_curves import training_curves
from core.demo.prepare import DATASET, DemoState
from core.labels import ORGANS
from core.runs.registry import Evaluation, RunStatus, open_run, write_status
from core.storage.files import write_json
from core.storage.workspace import ENVIRONMENT_VARIABLE, RunPaths
from dashboard.state import SERVER
from tests.dashboard.conftest import APP, TIMEOUT_S


def test_metrics_shows_distribution_and_counts(open_app, folder: Path) -> None:
    app = open_app(folder, "metrics")
    assert not app.get("plotly_chart")  # with a single run there is no trend
    assert app.table[0].value["Stomach"].iloc[0].endswith("2 scans")
    assert "patient-clean" in words(app)


def test_a_damaged_evaluation_is_named(open_app, folder: Path, damage: Callable[[Path], Path]) -> None:
    shutil.copytree(folder / "runs/stub/evaluations/small-valid", folder / "runs/stub/evaluations/again")
    damage(folder / "runs/stub/evaluations/again/evaluation.json")
    sentence = "Cannot be read: stub/again; its `evaluation.json` is damaged. Evaluate the run again, or restore the file."
    assert [each.value for each in open_app(folder, "cases").warning] == [sentence]
    damage(folder / "runs/stub/evaluations/small-valid/evaluation.json")
    app = open_app(folder, "review")
    assert not app.info  # "No scores yet" would be wrong
    assert app.warning[0].value.startswith("Cannot be read: stub/again, stub/small\\-valid; its")


def test_training_lists_runs_and_starts_none_without_a_click(open_app, folder: Path) -> None:
    app = open_app(folder, "training")
    assert list(app.dataframe[0].value["run"]) == ["stub"]
    assert [path.name for path in (folder / "runs").iterdir()] == ["stub"]


def test_training_shows_a_dead_run_as_failed(open_app, folder: Path) -> None:
    paths = RunPaths(folder / "runs" / "gone")
    write_status(paths, RunStatus("running", pid=2**22 + 1, started_at=time.time(), epochs=5))
    app = open_app(folder, "training", run="gone")
    assert "ended without a word" in app.error[0].value


def test_training_shows_a_damaged_run(open_app, folder: Path) -> None:
    (folder / "runs" / "stub" / "status.json").write_text("{")
    app = open_app(folder, "training")
    assert "not readable JSON" in app.error[0].value


@pytest.mark.parametrize("page", ["cases", "review", "round_page", "metrics", "compare"])
def test_empty_workspace_says_what_to_do(open_app, tmp_path: Path, page: str) -> None:
    app = open_app(tmp_path, page)
    assert "holds no evaluation" in app.info[0].value
    assert "python -m training fit" in words(app)


def test_training_in_an_empty_workspace_says_what_to_do(open_app, tmp_path: Path) -> None:
    app = open_app(tmp_path, "training")
    assert any("prepare phantom" in info.value for info in app.info)


@pytest.mark.parametrize("page", ["cases", "review", "round_page", "metrics", "compare"])
def test_demo_in_preparation_shows_progress(open_app, tmp_path: Path, page: str) -> None:
    write_json(tmp_path / "demo.json", vars(DemoState("preparing", "Making synthetic patients", 3, 12, pid=os.getpid())))
    app = open_app(tmp_path, page)
    assert app.subheader[0].value == "Setting up the demo"


def test_demo_that_was_cut_off_says_so(open_app, tmp_path: Path) -> None:
    write_json(tmp_path / "demo.json", vars(DemoState("preparing", "Making synthetic patients", 3, 12, pid=2**22 + 1)))
    app = open_app(tmp_path)
    assert "start the dashboard again" in app.error[0].value


@pytest.mark.parametrize("page", ["cases", "review", "round_page"])
def test_broken_score_table_is_one_sentence(open_app, folder: Path, page: str) -> None:
    evaluation_in(folder).paths.scans.write_bytes(b"no parquet")
    app = open_app(folder, page)
    assert "missing or damaged" in app.error[0].value
    assert "evaluate the run again" in app.error[0].value


@pytest.mark.parametrize("page", ["cases", "review", "round_page"])
def test_broken_review_store_is_one_sentence(open_app, folder: Path, page: str) -> None:
    (folder / "reviews.db").write_bytes(b"no database" * 1000)
    app = open_app(folder, page)
    assert "review store" in app.error[0].value


def test_without_the_own_server_one_sentence_says_what_to_run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(SERVER, "is_serving", False)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    app = AppTest.from_file(APP, default_timeout=TIMEOUT_S).run()
    assert "run `python -m dashboard` instead" in app.error[0].value


def test_demo_page_without_any_model_is_one_sentence(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.demo.models.CARRIED_RUN", folder / "nowhere")
    app = open_app(folder, "try_demo")
    assert "no trained model" in app.error[0].value


def words(app: AppTest) -> str:
    """All running text of the page."""
    return " ".join(each.value for each in app.markdown)


def evaluation_in(folder: Path) -> Evaluation:
    return open_run(folder / "runs" / "stub").evaluation("small-valid")


def test_the_demo_data_set_has_a_name_of_its_own() -> None:
    assert DATASET.startswith("demo")


def test_training_curves_wear_the_organs_colours() -> None:
    metrics = pd.DataFrame({"epoch": [1, 2], "valid_loss": [1.0, 0.5], **{f"valid_dice_{o.name}": [0.1, 0.2] for o in ORGANS}})
    figure = training_curves(metrics, {"valid_loss": "loss", **{f"valid_dice_{o.name}": o.title for o in ORGANS}}, "F1")
    assert {trace.name: trace.line.color for trace in figure.data[1:]} == {o.title: o.chart for o in ORGANS}
