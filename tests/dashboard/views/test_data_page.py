"""*Data*: numbers equal the survey; its progress and failures; leaks named; slices."""

import os
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.survey import SurveyPaths, SurveyState, _write, make_survey, read_survey
from core.storage.workspace import Workspace
from tests.browser.small_workspace import SCANS, small_workspace
from tests.simulated_workspace import DATASET, moved, simulated_workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pictures: the small workspace with its survey."""
    root = tmp_path_factory.mktemp("data")
    small_workspace(root)
    dataset = root / "workspace" / "datasets" / "small"
    make_survey(dataset, lambda state: _write(dataset, state))
    return root / "workspace"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "workspace"
    simulated_workspace(root, scans=12, runs=1)
    return root


@pytest.fixture
def folder(simulated: Path, tmp_path: Path) -> Path:
    return moved(simulated, tmp_path / "workspace")


def test_counts_equal_the_survey(open_app, simulated: Path) -> None:
    app = open_app(simulated, "data")
    table, _ = read_survey(Workspace(simulated).dataset(DATASET))
    empty = int((table[["stomach", "small_bowel", "large_bowel"]].sum(axis=1) == 0).sum())
    assert [metric.value for metric in app.metric[:4]] == [
        f"{table['patient'].nunique():,}",
        f"{table['scan'].nunique():,}",
        f"{len(table):,}",
        f"{empty:,}",
    ]
    assert app.dataframe[0].value.iloc[-1]["slices"] == len(table)
    assert app.query_params["dataset"] == DATASET


def test_patients_on_both_sides_and_copies_are_named(open_app, simulated: Path) -> None:
    app = open_app(simulated, "data", section="leaks")
    table, _ = read_survey(Workspace(simulated).dataset(DATASET))
    both = table.groupby("patient")["split"].nunique() > 1
    assert sorted(app.dataframe[0].value["patient"]) == sorted(both.index[both])
    assert f"{int(both.sum())} of {len(both)} patients" in app.error[0].value
    assert "leak by another name" in app.error[1].value
    assert app.dataframe[1].value["slices_alike"].tolist() == [2]


def test_an_honest_split_is_said_to_be_one(open_app, made: Path) -> None:
    app = open_app(made, "data", section="leaks")
    assert "No patient is on both sides" in words(app)


def test_references_list_disputes_contested_pixels_and_candidates(open_app, simulated: Path) -> None:
    app = open_app(simulated, "data", section="references")
    assert "Known disputed scans** (1)" in words(app)
    assert "patient-clean" in words(app)
    assert {"scan", "suspicion"} <= set(app.dataframe[0].value.columns)


def test_slices_are_shown_with_their_pictures(open_app, made: Path) -> None:
    app = open_app(made, "data", section="slices", find=SCANS[0])
    assert len(app.get("image")) == 12
    assert "12 slices of 1 scan" in words(app)
    assert app.query_params["find"] == SCANS[0]


def test_a_filter_that_leaves_nothing_says_so(open_app, made: Path) -> None:
    app = open_app(made, "data", section="slices", find="nobody")
    assert "No slice matches" in app.info[0].value


def test_slices_without_pictures_say_so_and_are_listed(open_app, simulated: Path) -> None:
    app = open_app(simulated, "data", section="slices")
    assert "pictures are not here" in app.info[0].value
    assert len(app.dataframe[0].value) == 24


def test_a_survey_under_way_shows_how_far_it_is(open_app, folder: Path) -> None:
    _write(Workspace(folder).dataset(DATASET), SurveyState("running", 30, 120, pid=os.getpid()))
    app = open_app(folder, "data")
    assert app.subheader[0].value == "Reading the data set"
    assert not app.metric


def test_a_survey_that_was_cut_off_can_be_begun_again(open_app, folder: Path) -> None:
    _write(Workspace(folder).dataset(DATASET), SurveyState("running", 30, 120, pid=2**22 + 1))
    app = open_app(folder, "data")
    assert "cut off" in app.error[0].value
    assert app.button(key="survey_again")


def test_an_outdated_survey_is_shown_with_a_warning(open_app, folder: Path) -> None:
    os.utime(Workspace(folder).dataset(DATASET) / "dataset.json", ns=(1, 1))
    app = open_app(folder, "data")
    assert "has changed" in app.warning[0].value
    assert app.metric


def test_a_broken_survey_is_one_sentence(open_app, folder: Path) -> None:
    SurveyPaths(Workspace(folder).dataset(DATASET)).slices.write_bytes(b"no parquet")
    app = open_app(folder, "data")
    assert "survey of the data set is damaged" in app.error[0].value


def test_a_data_set_that_is_gone_is_one_sentence(open_app, folder: Path) -> None:
    shutil.rmtree(Workspace(folder).dataset(DATASET))
    app = open_app(folder, "data")
    assert "data set is not here" in app.error[0].value


def test_an_empty_workspace_says_what_to_do(open_app, tmp_path: Path) -> None:
    app = open_app(tmp_path, "data")
    assert "prepare phantom" in app.info[0].value


def words(app: AppTest) -> str:
    """All running text of the page."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success")
    return " ".join(each.value for kind in kinds for each in app.get(kind))
