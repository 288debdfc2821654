"""The overview's cells, disputed scans, the trend, orders and settings, by hand."""

from pathlib import Path

import pandas as pd
import pytest

from core.charts.overview import disputed_in, overview_table, summary_without, trend
from core.charts.run_settings import differing, evaluations_table, run_config
from core.charts.scores import by_patient, with_worst_slice, worst_first
from core.errors import WorkspaceError
from core.labels import ORGANS
from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore
from core.runs.registry import list_runs
from core.storage.files import write_whole
from core.storage.workspace import Workspace
from tests.simulated_workspace import DATASET, simulated_workspace


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("simulated") / "workspace"
    return root, simulated_workspace(root, scans=12)


def test_cells_say_what_is_stored(simulated) -> None:
    _, evaluations = simulated
    summary = evaluations[0].summary
    organs = summary["organs"]
    table = overview_table(summary, leak="patient-clean").set_index("Mean over scans (95% interval over patients)")
    row = organs["stomach"]
    low, high = row["intervals"]["dice"]["low"], row["intervals"]["dice"]["high"]
    assert table.loc["Dice", "Stomach"] == f"{row['dice']:.3f} ({low:.3f} to {high:.3f}), {row['counts']['dice']} scans"
    assert (table["Leak"] == "patient-clean").all()
    undefined = {organ.name: organs[organ.name] | {"hd95_mm": None} for organ in ORGANS}
    assert (overview_table(summary | {"organs": undefined}, leak="").iloc[1, 1:4] == "undefined").all()
    assert table.loc["Dice", "All organs"].startswith(f"{summary['all_organs']['dice']:.3f} (")
    assert table.loc["Absolute volume error, ml", "All organs"] == "–"
    missed = sum(organs[organ.name]["missed"] for organ in ORGANS)
    assert table.loc["Missed: in the reference, nothing drawn", "All organs"].split()[0] == str(missed)


def test_without_disputed_scans_the_means_are_of_the_rest(simulated) -> None:
    _, evaluations = simulated
    scans = evaluations[0].scans()
    left_out = scans["scan"].iloc[0]
    rest = scans[(scans["scan"] != left_out) & (scans["organ"] == "stomach")]
    assert summary_without(scans, [left_out])["organs"]["stomach"]["dice"] == pytest.approx(rest["dice"].mean())


def test_disputed_scans_are_the_list_s_and_the_readers(simulated, tmp_path: Path) -> None:
    _, evaluations = simulated
    evaluation = evaluations[0]
    names = list(evaluation.summary["scans"])
    store = ReviewStore.open(tmp_path / "reviews.db")
    subject = Subject(evaluation.run, evaluation.name, names[0], "i", "m")
    store.add_verdict(subject, reader="Dr. Ada", verdict=Verdict.REFERENCE_WRONG)
    store.add_verdict(Subject(evaluation.run, evaluation.name, names[1], "i", "m"), reader="Dr. Ada", verdict=Verdict.REJECT)
    found = disputed_in(evaluation, [store.reviews(run=evaluation.run, evaluation=evaluation.name)])
    store.close()
    assert set(found) == {names[0], names[-1]}
    assert found[names[-1]] == "outlined on the wrong day"
    assert "reader" in found[names[0]]


def test_trend_is_oldest_first_and_as_stored(simulated) -> None:
    _, evaluations = simulated
    table = trend(list(reversed(evaluations)))
    assert list(dict.fromkeys(table["run"])) == ["sim-1", "sim-2"]
    assert table["dice"].iloc[0] == evaluations[0].summary["organs"]["stomach"]["dice"]


def test_orders_by_hand() -> None:
    scans = pd.DataFrame(
        {
            "patient": ["p", "p", "q", "q"],
            "scan": ["p1", "p2", "q1", "q2"],
            "organ": "stomach",
            "dice": [0.9, 0.5, 0.6, float("nan")],
        }
    )
    assert worst_first(scans) == ["p2", "q1", "p1"]
    found = by_patient(scans).to_dict("records")
    assert [(row["patient"], row["dice"], row["scans"], row["scan"]) for row in found] == [
        ("q", 0.6, 1, "q1"),
        ("p", pytest.approx(0.7), 2, "p2"),
    ]
    slices = pd.DataFrame(
        {"scan": ["p1", "p1", "p2"], "organ": "stomach", "slice": [4, 5, 6]}
        | {"reference_voxels": [10, 10, 5], "prediction_voxels": [10, 10, 5], "both_voxels": [8, 3, 5]}
    )
    looked = with_worst_slice(scans, slices)
    assert looked["slice"].tolist() == [5, pd.NA, pd.NA, pd.NA]


def test_only_what_differs_is_listed() -> None:
    a, b = (
        {"model": "b0", "epochs": 8, "deep": {"lr": 1.0, "same": [1, 2]}},
        {"model": "b0", "epochs": 9, "deep": {"same": [1, 2]}},
    )
    found = differing(a, b | {"new": True})
    assert found.to_numpy().tolist() == [["epochs", "8", "9"], ["deep.lr", "1.0", "not stated"], ["new", "not stated", "True"]]


def test_table_of_runs_is_as_stored(simulated) -> None:
    root, evaluations = simulated
    table = evaluations_table(list_runs(Workspace(root)), evaluations).set_index("run")
    assert table.loc["sim-1", "dice"] == evaluations[0].summary["all_organs"]["dice"]
    assert table.loc["sim-1", "evaluation"] == f"{DATASET}-valid"
    assert table.loc["sim-2", "model"] == "b0"


def test_settings_that_are_no_settings_are_one_sentence(simulated, tmp_path: Path) -> None:
    run = list_runs(Workspace(simulated[0]))[0]
    broken = type(run)("x", type(run.paths)(tmp_path), None)
    assert run_config(broken) == {}
    write_whole(broken.paths.config, b"- a list\n")
    with pytest.raises(WorkspaceError, match="settings are not as expected"):
        run_config(broken)
    write_whole(broken.paths.config, b"a: [b")
    with pytest.raises(WorkspaceError, match="settings cannot be read"):
        run_config(broken)
