"""The same score of the same evaluation is the same figure on every page, in every report and on the command line."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.charts.run_settings import evaluations_table
from core.labels import ORGANS
from core.reports.evaluation_report import evaluation_report
from core.reports.round_report import round_report
from core.runs.registry import Evaluation, list_runs, open_run
from core.storage.files import write_json
from core.storage.workspace import Workspace
from tests.simulated_workspace import DATASET, simulated_workspace
from training.__main__ import main

NAME = f"{DATASET}-valid"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in which some scans lack an organ, so that a mean over organs' means is another number."""
    root = tmp_path_factory.mktemp("figures") / "workspace"
    simulated_workspace(root, scans=24)
    return root


def evaluation_of(folder: Path, run: str) -> Evaluation:
    return open_run(Workspace(folder).run(run).root).evaluation(NAME)


def headline(folder: Path, run: str, score: str) -> float:
    """By hand: each scan's mean over its organs, then the mean over scans; in sim-2 another number than the organs' mean."""
    wide = evaluation_of(folder, run).scans().pivot(index="scan", columns="organ", values=score)
    by_hand = float(wide.mean(axis=1).mean())
    assert run != "sim-2" or f"{by_hand:.3f}" != f"{wide.mean().mean():.3f}", "the two definitions must differ here"
    return by_hand


def test_dice_over_all_organs_is_one_figure(open_app, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dice, other = (f"{headline(made, run, 'dice'):.3f}" for run in ("sim-2", "sim-1"))
    here = {"run": "sim-2", "evaluation": NAME}
    metrics = open_app(made, "metrics", **here)
    assert metrics.metric[0].value == dice
    assert metrics.table[0].value["All organs"]["Dice"].startswith(f"{dice} (")
    cases = open_app(made, **here)
    assert f"All organs **{dice}**" in " ".join(each.value for each in cases.markdown)
    compare = open_app(made, "compare", **here, other=f"sim-1/{NAME}")
    differences = compare.dataframe[0].value
    row = differences[(differences["Organ"] == "All organs") & differences["Score"].str.startswith("Dice")].iloc[0]
    assert (row["A"], row["B"]) == (other, dice)
    runs = open_app(made, "compare", **here, section="runs").dataframe[0].value.set_index("run")
    assert [f"{runs.loc[run, 'dice']:.3f}" for run in ("sim-1", "sim-2")] == [other, dice]
    rounds = open_app(made, "round_page", **here, section="scores")
    lines = next(each.value for each in rounds.dataframe if "Without disputed" in each.value).set_index("Organ")
    assert lines.loc["All organs", "All scans"].startswith(dice)
    assert f">{dice} (" in evaluation_report(evaluation_of(made, "sim-2"), {})
    assert f"{dice}\N{NO-BREAK SPACE}(" in round_report(Workspace(made), evaluation_of(made, "sim-2"), {}, pictures=0)
    main(["compare", "--run", "sim-1", "--run_b", "sim-2", "--workspace", str(made)])
    assert re.search(rf"^dice +All organs +{other} +{dice}", capsys.readouterr().out, re.M)


def test_hd95_over_all_organs_is_one_figure(open_app, made: Path) -> None:
    hd95 = headline(made, "sim-2", "hd95_mm")
    here = {"run": "sim-2", "evaluation": NAME}
    metrics = open_app(made, "metrics", **here)
    assert metrics.table[0].value["All organs"]["HD95, mm"].startswith(f"{hd95:.1f} (")
    differences = open_app(made, "compare", **here, other=f"sim-1/{NAME}").dataframe[0].value
    row = differences[(differences["Organ"] == "All organs") & differences["Score"].str.startswith("HD95")].iloc[0]
    assert row["B"] == f"{hd95:.2f}"
    runs = open_app(made, "compare", **here, section="runs").dataframe[0].value.set_index("run")
    assert runs.loc["sim-2", "hd95_mm"] == pytest.approx(hd95)


def test_a_scan_s_mean_is_the_same_on_cases_and_compare(open_app, made: Path) -> None:
    """Also where an organ is falsely drawn in one of the two only: each side is what its own table of cases says."""
    tables = {}
    for run in ("sim-1", "sim-2"):
        shown = open_app(made, run=run, evaluation=NAME).dataframe[0].value
        tables[run] = shown.set_index("scan")["mean_dice"]
    compare = open_app(made, "compare", run="sim-2", evaluation=NAME, other=f"sim-1/{NAME}")
    for table in (compare.dataframe[1].value, compare.dataframe[2].value):
        for row in table.to_dict("records"):
            both = tables["sim-1"][row["scan"]], tables["sim-2"][row["scan"]]
            assert (row["dice_a"], row["dice_b"]) == pytest.approx(both)


def test_an_older_file_shows_the_figure_of_today(open_app, made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "workspace")
    path = evaluation_of(folder, "sim-2").paths.summary
    content = {key: value for key, value in evaluation_of(folder, "sim-2").summary.items() if key != "all_organs"}
    content["macro_dice"] = float(np.mean([content["organs"][organ.name]["dice"] for organ in ORGANS]))
    content["conventions"] = {key: rule for key, rule in content["conventions"].items() if key != "all_organs"}
    write_json(path, content)
    app = open_app(folder, "metrics", run="sim-2", evaluation=NAME)
    assert app.metric[0].value == f"{headline(folder, 'sim-2', 'dice'):.3f}"
    compared = open_app(folder, "compare", run="sim-2", evaluation=NAME, other=f"sim-1/{NAME}")
    assert not compared.error, "an old and a new evaluation can still be compared"
    table = evaluations_table(list_runs(Workspace(folder)), [evaluation_of(folder, "sim-2")])
    assert table["dice"].iloc[0] == pytest.approx(headline(folder, "sim-2", "dice"))
