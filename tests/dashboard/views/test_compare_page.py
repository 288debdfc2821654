"""*Compare*: numbers equal `core.evaluation.compare`; nothing to compare with; links that lead nowhere; settings that differ."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.compare import compare
from core.reviews.store.events import Round
from core.reviews.store.store import ReviewStore
from core.runs.registry import open_run
from core.storage.files import read_json, write_json, write_whole
from core.storage.workspace import Workspace
from tests.dashboard.reviewing import rendered
from tests.simulated_workspace import DATASET, moved, simulated_evaluation, simulated_scans, simulated_workspace

NAME = f"{DATASET}-valid"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compare") / "workspace"
    simulated_workspace(root, scans=12)
    return root


def test_differences_on_the_page_equal_the_comparison(open_app, made: Path) -> None:
    app = open_app(made, "compare", run="sim-2", evaluation=NAME, other=f"sim-1/{NAME}")
    a, b = (open_run(Workspace(made).run(run).root).evaluation(NAME) for run in ("sim-1", "sim-2"))
    found = compare(a, b)
    table = app.dataframe[0].value
    assert len(table) == len(found.differences)
    for shown, wanted in zip(table.to_dict("records"), found.differences, strict=True):
        digits = 2 if wanted.score.startswith("hd95") else 3
        assert shown["A"] == f"{wanted.a:.{digits}f}"
        assert shown["B − A (95%)"].split()[0] == f"{wanted.difference:+.{digits}f}".replace("-", "−")
        assert shown["p over scans"] == ("too few" if wanted.over_scans.p is None else shown["p over scans"])
    worse, better = found.most_changed(10)
    assert list(app.dataframe[1].value["scan"]) == list(worse["scan"])
    assert list(app.dataframe[2].value["scan"]) == list(better["scan"])
    assert app.query_params["other"] == f"sim-1/{NAME}"
    assert words(app).count("patient-clean") >= 2


@pytest.mark.parametrize("section", ["difference", "runs", "settings"])
@pytest.mark.parametrize("hidden", ["sim-1", "sim-2"])
def test_a_blind_round_on_either_side_keeps_the_scores(open_app, made: Path, tmp_path: Path, section: str, hidden: str) -> None:
    folder = moved(made, tmp_path / "workspace")
    store = ReviewStore.open(Workspace(folder).reviews_db)
    store.set_round(hidden, NAME, Round("Spring", 1, True), by="Lead")
    store.close()
    app = open_app(folder, "compare", run="sim-2", evaluation=NAME, section=section)
    assert "Spring” is blind and not over" in app.info[0].value
    assert not [*app.dataframe, *app.get("plotly_chart")]
    assert hidden not in str(app.query_params) + rendered(app)
    app.toggle[0].set_value(True).run()
    assert app.dataframe


def test_settings_show_only_what_differs(open_app, made: Path) -> None:
    app = open_app(made, "compare", section="settings")
    assert list(app.dataframe[0].value["setting"]) == ["learning_rate", "seed"]


def other_tool(folder: Path, run: str) -> None:
    """Make a run's evaluation what `evaluate masks` writes: no config, no manifest, no inference, no confidence."""
    paths = Workspace(folder).run(run)
    paths.config.unlink()
    paths.manifest.unlink()
    summary = read_json(paths.evaluation(NAME).summary)
    leak = {"kind": "unknown", "leaked": 0, "patients": summary["patient_count"], "text": "unknown"}
    external = {"external": {"notes": []}, "inference": None, "weights_sha256": None, "leak": leak}
    write_json(paths.evaluation(NAME).summary, summary | external)
    slices = pd.read_parquet(paths.evaluation(NAME).slices)
    slices.assign(confidence=float("nan")).to_parquet(paths.evaluation(NAME).slices, index=False)


def test_a_tool_s_label_maps_have_no_settings_and_no_trend(open_app, made: Path, tmp_path: Path) -> None:
    folder = moved(made, tmp_path / "workspace")
    other_tool(folder, "sim-2")
    compare = {"run": "sim-2", "evaluation": NAME, "other": f"sim-1/{NAME}"}
    app = open_app(folder, "compare", section="settings", **compare)
    assert "sim-2 was not trained here: no settings to compare" in words(app)
    assert "same settings" not in words(app)
    drawn = app.dataframe[0].value.set_index("setting")
    assert drawn.loc["evaluation.drawn_by"].tolist() == ["the run's model", "another tool"]
    assert any("Nobody knows whether sim\\-2 was trained on these patients" in each.value for each in app.warning)
    metrics = open_app(folder, "metrics", run="sim-2", evaluation=NAME)
    assert "sim\\-2 was not trained here" in words(metrics)
    assert "appears once a second run" not in words(metrics)
    assert not metrics.get("plotly_chart")
    alone = open_app(folder, "metrics", run="sim-1", evaluation=NAME)
    assert "appears once a second run is evaluated" in words(alone), "another tool is no second run"
    data = open_app(folder, "data", section="references", run="sim-2", evaluation=NAME)
    assert any("came without a confidence" in each.value for each in data.info)
    other_tool(folder, "sim-1")
    both = open_app(folder, "compare", section="settings", **compare)
    assert "Neither sim-1 nor sim-2 was trained here" in words(both)


def test_runs_whose_settings_are_gone_are_not_said_to_be_alike(open_app, made: Path, tmp_path: Path) -> None:
    folder = moved(made, tmp_path / "workspace")
    for run in ("sim-1", "sim-2"):
        Workspace(folder).run(run).config.unlink()
    app = open_app(folder, "compare", section="settings")
    assert "none are stored of" in words(app)
    assert "same settings" not in words(app)


def test_all_runs_can_be_filtered(open_app, made: Path) -> None:
    app = open_app(made, "compare", section="runs")
    assert sorted(app.dataframe[0].value["run"]) == ["sim-1", "sim-2"]
    app.text_input(key="runs_find").input("sim-1").run()
    assert list(app.dataframe[0].value["run"]) == ["sim-1"]
    app.text_input(key="runs_find").input("none").run()
    assert "No run matches" in app.info[0].value


def test_one_evaluation_has_nothing_to_compare_with(open_app, tmp_path: Path) -> None:
    simulated_workspace(tmp_path / "workspace", scans=3, runs=1)
    app = open_app(tmp_path / "workspace", "compare")
    assert "nothing to compare with" in app.info[0].value
    where = f"--workspace {tmp_path / 'workspace'}"
    assert app.code[0].value == f"python -m training evaluate --run RUN --data {DATASET} --split valid {where}"


def test_a_leaked_run_beside_a_clean_one_is_warned_of(open_app, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    simulated_workspace(root, scans=3, runs=1)
    simulated_evaluation(Workspace(root), "leaky", simulated_scans(3), seed=9, leaked=True)
    app = open_app(root, "compare", run="sim-1", evaluation=NAME, other=f"leaky/{NAME}")
    assert any("knew the patients" in warning.value for warning in app.warning)


def test_evaluations_that_share_no_scan_are_one_sentence(open_app, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    simulated_workspace(root, scans=3, runs=1)
    simulated_evaluation(Workspace(root), "elsewhere", simulated_scans(5, seed=99)[-1:], seed=9)
    app = open_app(root, "compare", run="sim-1", evaluation=NAME, other=f"elsewhere/{NAME}")
    assert "cannot be compared" in app.error[0].value


def test_a_link_to_an_evaluation_that_is_gone_says_so(open_app, made: Path) -> None:
    app = open_app(made, "compare", other="gone/nothing")
    assert any("gone/nothing" in warning.value for warning in app.warning)


def test_broken_settings_are_one_sentence(open_app, made: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(made, tmp_path / "workspace"))
    write_whole(Workspace(root).run("sim-1").config, b"a: [b")
    app = open_app(root, "compare", section="settings")
    assert "settings cannot be read" in app.error[0].value


def test_an_empty_workspace_says_what_to_do(open_app, tmp_path: Path) -> None:
    app = open_app(tmp_path, "compare")
    assert "holds no evaluation" in app.info[0].value


def words(app: AppTest) -> str:
    """All running text of the page."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success")
    return " ".join(each.value for kind in kinds for each in app.get(kind))
