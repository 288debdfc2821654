"""Scans without a reference on the pages: none, nothing else, beside evaluated ones, damaged."""

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data.survey import SurveyPaths, _write, make_survey
from core.storage.workspace import Workspace
from tests.browser.small_workspace import DEPTH, STACKS, unlabelled_dataset

PARTIAL = "1 of 4 scans are partial (one slice, or gaps): no volume, no distance, no height from head to foot."


@pytest.fixture
def only(tmp_path: Path) -> Path:
    """A workspace with a data set that nobody has outlined, and no evaluation."""
    unlabelled_dataset(Workspace(tmp_path))
    return tmp_path


def captions(app: AppTest) -> str:
    return " ".join(each.value for each in app.caption)


def test_where_there_is_none_cases_says_how_to_make_one(open_app, tmp_path: Path) -> None:
    app = open_app(tmp_path, section="unlabelled")
    assert "no data set of this workspace has an `unlabelled` split" in app.info[0].value
    words = " ".join(each.value for each in app.markdown)
    assert f"python -m training prepare nifti DIR --out {tmp_path}/datasets/NAME" in words
    assert f"--input NAME --split unlabelled --out DIR --workspace {tmp_path}" in words


def test_cases_lists_them_beside_the_queue(open_app, folder: Path) -> None:
    unlabelled_dataset(Workspace(folder))
    app = open_app(folder)
    assert app.dataframe[0].value["scan"].tolist() != list(STACKS)  # at first, what is to be reviewed
    app.segmented_control(key="cases_section").set_value("unlabelled").run()
    assert not app.exception
    assert app.dataframe[0].value["scan"].tolist() == list(STACKS)
    assert app.query_params["dataset"] == "open"


def test_a_list_of_nothing_else(open_app, only: Path) -> None:
    app = open_app(only, section="unlabelled")
    table: pd.DataFrame = app.dataframe[0].value
    assert table["plane"].tolist() == ["axial", "coronal", "sagittal", "unknown"]
    assert table["spacing"].tolist() == ["3 × 2 × 1"] * 3 + ["unknown"]
    assert table["slices"].tolist() == [DEPTH] * 3 + [DEPTH - 1]
    assert table["partial"].tolist() == [False] * 3 + [True]
    assert "4 scans of 3 patients without a reference" in captions(app)
    assert PARTIAL in captions(app)


def test_a_link_opens_the_picture_and_says_what_is_missing(open_app, only: Path) -> None:
    app = open_app(only, "review", dataset="open", scan="case5_day1", slice="8")
    assert app.subheader[0].value == "case5\\_day1"
    assert "there is no score, and no verdict is taken yet" in captions(app)
    assert "2 of 4 in open" in captions(app)
    assert dict(app.query_params) == {"dataset": "open", "scan": "case5_day1", "slice": "8"}
    buttons = {each.label: each for each in app.button}
    assert set(buttons) == {":material/chevron_left:", ":material/chevron_right:"}
    buttons[":material/chevron_right:"].click().run()
    assert app.query_params["scan"] == "case6_day0"
    assert not app.exception


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ("../../etc", "This is no data set"),
        ("gone", "folder does not exist"),
        ("small", "has no scan without a reference: small"),
    ],
)
def test_a_link_to_what_is_not_there_is_one_sentence(open_app, folder: Path, dataset: str, says: str) -> None:
    app = open_app(folder, "review", dataset=dataset, scan="x")
    assert says in app.error[0].value


def test_a_scan_that_is_not_there_gives_the_first(open_app, only: Path) -> None:
    app = open_app(only, "review", dataset="open", scan="case9_day9")
    assert "this is its first instead" in app.warning[0].value
    assert app.query_params["scan"] == "case5_day0"


def test_a_damaged_data_set_is_one_sentence(open_app, only: Path) -> None:
    (only / "datasets" / "open" / "dataset.json").write_text("{")
    for page, query in (("cases", {"section": "unlabelled"}), ("review", {"dataset": "open"})):
        app = open_app(only, page, **query)
        assert "dataset.json cannot be read" in app.error[0].value


def test_data_counts_them_and_knows_no_organ(open_app, only: Path) -> None:
    root = only / "datasets" / "open"
    make_survey(root, lambda state: _write(root, state))
    app = open_app(only, "data", dataset="open")
    assert [metric.value for metric in app.metric[:4]] == ["3", "4", str(4 * DEPTH - 1), "unknown"]
    assert PARTIAL in captions(app)
    assert "No scan here has a reference" in app.info[0].value
    counts = app.dataframe[0].value
    assert counts["split"].tolist() == ["unlabelled", "together"]
    assert counts["empty slices"].isna().all()


def test_data_shows_their_slices_and_the_way_to_the_viewer(open_app, folder: Path) -> None:
    """Beside slices that have a reference, in the data set's own folder."""
    dataset = folder / "datasets" / "small"
    (unlabelled_dataset(Workspace(folder)) / "unlabelled").rename(dataset / "unlabelled")
    make_survey(dataset, lambda state: _write(dataset, state))
    assert SurveyPaths(dataset).slices.is_file()
    app = open_app(folder, "data", dataset="small", section="slices", show="unlabelled:any")
    assert f"{4 * DEPTH - 1} slices of 4 scans" in captions(app)
    assert not any("No picture" in each.value for each in app.caption)
    app.button(key="grid-unlabelled-case5_day0_slice_0005").click().run()
    assert "This scan has no reference." in captions(app)
    assert app.button(key="grid_viewer").label == "Open in the viewer"
    assert open_app(folder, "data", dataset="small", section="slices", show="unlabelled:none").info  # nobody knows what they show


def test_data_keeps_the_counts_of_the_other_splits(open_app, folder: Path) -> None:
    dataset = folder / "datasets" / "small"
    make_survey(dataset, lambda state: _write(dataset, state))
    before = open_app(folder, "data", dataset="small").dataframe[0].value.set_index("split")
    (unlabelled_dataset(Workspace(folder)) / "unlabelled").rename(dataset / "unlabelled")
    make_survey(dataset, lambda state: _write(dataset, state))
    app = open_app(folder, "data", dataset="small")
    after = app.dataframe[0].value.set_index("split")
    assert after.loc[["train", "valid"]].equals(before.loc[["train", "valid"]])
    assert (after.loc["together", "empty slices"], after.loc["together", "scans"]) == (before.loc["together", "empty slices"], 7)
    assert not app.exception
    assert "No patient is on both sides." in open_app(folder, "data", dataset="small", section="leaks").success[0].value
