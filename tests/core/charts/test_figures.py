"""What the figures' marks stand for: scan, slice and organ; colours and badges."""

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.charts.comparison import scan_changes
from core.charts.mistakes import KIND_COLOURS, confusion, confusion_map, kinds_of_error, kinds_stacked
from core.charts.scores import by_patient, dice_bars, dice_distribution, patient_heatmap, with_worst_slice, worst_first
from core.charts.style import SVG_POINTS, points, tens
from core.charts.volumes import bland_altman, volume_agreement, volume_pairs
from core.charts.where import (
    along_body,
    calibration,
    calibration_error,
    confidence_and_dice,
    dice_along_body,
    dice_by_volume,
    scan_confidence,
)
from core.labels import CLASSES, ORGAN_NAMES, ORGANS
from core.metrics.regions import ErrorKind
from core.runs.registry import Evaluation
from tests.simulated_workspace import simulated_workspace

SOURCE = "sim-1 · simulated-valid · leak: patient-clean"


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return simulated_workspace(tmp_path_factory.mktemp("figures") / "workspace", scans=14, runs=1)[0]


@pytest.fixture(scope="module")
def scans(evaluation: Evaluation) -> pd.DataFrame:
    return with_worst_slice(evaluation.scans(), evaluation.slices())


def carried(figure: go.Figure) -> list[list]:
    return [list(mark) for trace in figure.data if trace.customdata is not None for mark in trace.customdata]


def test_every_scan_and_organ_with_a_score_has_its_point(scans: pd.DataFrame) -> None:
    figure = dice_distribution(scans, source=SOURCE)
    scored = scans[scans["dice"].notna()]
    wanted = {(row["scan"], row["organ"]) for row in scored.to_dict("records")}
    assert {(mark[0], mark[2]) for mark in carried(figure)} == wanted
    assert len(carried(figure)) == len(scored)


def test_a_point_carries_the_slice_where_most_is_wrong(scans: pd.DataFrame, evaluation: Evaluation) -> None:
    slices = evaluation.slices()
    mark = carried(dice_distribution(scans, source=SOURCE))[0]
    mine = slices[(slices["scan"] == mark[0]) & (slices["organ"] == mark[2])]
    wrong = mine["reference_voxels"] + mine["prediction_voxels"] - 2 * mine["both_voxels"]
    assert mark[1] == mine.loc[wrong.idxmax(), "slice"]


def figures(scans: pd.DataFrame, evaluation: Evaluation) -> dict[str, go.Figure]:
    slices, errors = evaluation.slices(), evaluation.errors()
    bins, table = calibration(slices), by_patient(scans)
    return {
        "distribution": dice_distribution(scans, source=SOURCE),
        "bars": dice_bars(scans, worst_first(scans), source=SOURCE),
        "heatmap": patient_heatmap(table, list(dict.fromkeys(table["patient"])), source=SOURCE),
        "along": dice_along_body(along_body(slices), source=SOURCE),
        "volume": dice_by_volume(scans, source=SOURCE),
        "confidence": confidence_and_dice(scan_confidence(slices, scans), bins, calibration_error(bins), source=SOURCE),
        "bland_altman": bland_altman(volume_pairs(scans), volume_agreement(scans), source=SOURCE),
        "confusion": confusion_map(confusion(scans, errors), source=SOURCE),
        "kinds": kinds_stacked(kinds_of_error(scans, errors), source=SOURCE),
    }


def test_every_mark_names_a_scan_a_slice_of_it_and_an_organ(scans: pd.DataFrame, evaluation: Evaluation) -> None:
    numbers = {scan: set(facts["slice_numbers"]) for scan, facts in evaluation.summary["scans"].items()}
    for name, figure in figures(scans, evaluation).items():
        marks = carried(figure)
        assert marks, name
        for scan, number, organ, *_ in marks:
            assert organ in ORGAN_NAMES, name
            assert number is None or number in numbers[scan], name
        assert any(mark[1] is not None for mark in marks), name


def test_every_figure_says_whose_scores_it_shows_and_whether_they_leak(scans: pd.DataFrame, evaluation: Evaluation) -> None:
    for name, figure in figures(scans, evaluation).items():
        assert SOURCE in figure.layout.title.subtitle.text, name
        assert figure.layout.title.text.endswith("?"), name


def test_a_confusion_cell_carries_the_scan_with_most_of_that_pair(scans: pd.DataFrame, evaluation: Evaluation) -> None:
    found = confusion(scans, evaluation.errors())
    trace = confusion_map(found, source=SOURCE).data[-1]
    titles = {each.title: each.name for each in CLASSES}
    shown = dict(zip(zip(trace.y, trace.x, strict=True), trace.customdata, strict=True))
    missed = found.table[(found.table["reference"] == "stomach") & (found.table["prediction"] == "background")].iloc[0]
    assert titles["Stomach"] == "stomach"
    assert list(shown["Stomach", "Background"][:3]) == [missed["scan"], missed["slice"], "stomach"]


def test_kinds_have_colours_of_their_own() -> None:
    assert set(KIND_COLOURS) == {str(kind) for kind in ErrorKind}
    assert not {colour.lower() for colour in KIND_COLOURS.values()} & {each.chart.lower() for each in ORGANS}


def test_bias_and_limits_are_written_as_they_are_drawn(scans: pd.DataFrame) -> None:
    found = volume_agreement(scans)
    figure = bland_altman(volume_pairs(scans), found, source=SOURCE)
    head = figure.layout.annotations[0].text
    assert f"bias {found['stomach'].bias_ml:+.1f} ml".replace("-", "−") in head
    assert [line.y0 for line in figure.layout.shapes[:3]] == [
        found["stomach"].bias_ml, found["stomach"].low_ml, found["stomach"].high_ml,
    ]  # fmt: skip


def test_a_scan_that_did_not_change_is_neither_better_nor_worse() -> None:
    changes = pd.DataFrame({"scan": ["a", "b", "c"], "organ": "stomach", "dice_a": 0.5, "dice_b": 0.5, "organ_difference": 0.1})
    figure = scan_changes(changes.assign(difference=[-0.1, 0.0, 0.2]), source=SOURCE)
    assert [trace.name for trace in figure.data] == ["1 worse", "1 the same", "1 better"]


def test_many_points_are_drawn_by_webgl() -> None:
    assert points(SVG_POINTS) is go.Scatter
    assert points(SVG_POINTS + 1) is go.Scattergl


def test_logarithmic_ticks_are_written_out() -> None:
    assert tens(pd.Series([90.0, 600.0])) == ([100.0, 200.0, 500.0], ["100", "200", "500"])


def test_figures_of_no_scan_are_empty(scans: pd.DataFrame) -> None:
    empty = scans.iloc[:0]
    assert carried(dice_distribution(empty, source=SOURCE)) == []
    assert carried(dice_by_volume(empty, source=SOURCE)) == []
    assert bland_altman(volume_pairs(empty), {}, source=SOURCE).layout.annotations[0].text == "Stomach: no known volume"
