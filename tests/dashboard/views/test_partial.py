"""Partial scans are said and counted apart on the pages: one slice, or gaps between slices."""

from pathlib import Path

import pytest

from core.storage.files import read_json, write_json
from tests.browser.small_workspace import DEPTH, FIRST_SLICE, SCANS
from tests.dashboard.reviewing import evaluation_of

WORDS = "1 of 2 scans are partial (one slice, or gaps): no volume, no distance, no height from head to foot."
PARTIAL, WHOLE = SCANS


@pytest.fixture(params=["stated", "by its slices"])
def folder(request: pytest.FixtureRequest, folder: Path) -> Path:
    """One scan of the evaluation is partial: as ``evaluation.json`` states it, or as an older one tells by slices' numbers."""
    path = evaluation_of(folder).paths.summary
    summary = read_json(path)
    facts = summary["scans"][PARTIAL]
    for each in summary["scans"].values():
        each.pop("partial", None)
    if request.param == "stated":
        facts["partial"] = True
    else:
        facts["slice_numbers"] = [*range(FIRST_SLICE, FIRST_SLICE + DEPTH - 1), FIRST_SLICE + DEPTH + 3]
    write_json(path, summary)
    return folder


def test_the_evaluation_knows_them(folder: Path) -> None:
    assert evaluation_of(folder).partial_scans == [PARTIAL]


def test_cases_says_how_many_and_which(open_app, folder: Path) -> None:
    app = open_app(folder)
    assert any(WORDS in each.value for each in app.caption)
    table = app.dataframe[0].value.set_index("scan")
    assert table["partial"].to_dict() == {PARTIAL: True, WHOLE: False}


@pytest.mark.parametrize("section", ["overview", "where"])
def test_metrics_says_how_many(open_app, folder: Path, section: str) -> None:
    app = open_app(folder, "metrics", section=section)
    assert any(WORDS in each.value for each in app.caption)
    left_out = any("leaves out 1 partial scan" in each.value for each in app.caption)
    assert left_out == (section == "where")


def test_review_says_it_of_the_scan(open_app, folder: Path) -> None:
    said = [any("partial scan" in each.value for each in open_app(folder, "review", case=scan).markdown) for scan in SCANS]
    assert said == [True, False]


def test_where_all_are_whole_nothing_is_said(open_app, small_copy: Path) -> None:
    app = open_app(small_copy)
    assert not any("partial" in each.value for each in app.caption)
    assert "partial" not in app.dataframe[0].proto.columns


def test_a_coronal_stack_has_no_place_along_the_body(open_app, small_copy: Path) -> None:
    path = evaluation_of(small_copy).paths.summary
    summary = read_json(path)
    axial, coronal = (
        [[0, 0, 1, 0], [0, 1, 0, 0], [-3, 0, 0, 0], [0, 0, 0, 1]],
        [[0, 0, 1, 0], [3, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]],
    )
    summary["scans"][WHOLE]["affine"], summary["scans"][PARTIAL]["affine"] = axial, coronal
    write_json(path, summary)
    assert evaluation_of(small_copy).crosswise_scans == [PARTIAL]
    app = open_app(small_copy, "metrics", section="where")
    assert any(
        "leaves out 1 coronal or sagittal scan: their slices don't lead from head to foot" in each.value for each in app.caption
    )


@pytest.mark.parametrize("damage", [{"affine": [[1, 0, 0, 0]]}, {"affine": [[0] * 4] * 4}, {"affine": "x"}, {"partial": "no"}])
def test_a_place_that_is_none_is_a_damaged_evaluation(open_app, small_copy: Path, damage: dict[str, object]) -> None:
    path = evaluation_of(small_copy).paths.summary
    summary = read_json(path)
    summary["scans"][WHOLE] |= damage
    write_json(path, summary)
    assert "Cannot be read: stub/small" in open_app(small_copy).warning[0].value
