"""*Metrics*: what stands on the page equals the tables; empty and broken states."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.labels import ORGANS
from core.reports.evaluation_report import evaluation_report
from core.reviews.store.events import Round, Subject, Verdict
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from dashboard.components.metrics.metric_sections import SCANS_A_PAGE
from tests.dashboard.reviewing import rendered, sign_in
from tests.simulated_workspace import DATASET, evaluation_paths, moved, simulated_workspace

SECTIONS = ("overview", "organs", "where", "volumes", "confidence", "mistakes", "days")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("metrics") / "workspace"
    simulated_workspace(root, scans=12)
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return moved(made, tmp_path / "workspace")


def evaluation_of(folder: Path, run: str = "sim-2") -> Evaluation:
    return open_run(Workspace(folder).run(run).root).evaluation(f"{DATASET}-valid")


def numbers(values: dict[str, str]) -> list[float]:
    """The numbers of a trace, which Plotly sends as bytes."""
    return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()


def charts(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_the_overview_equals_what_the_evaluation_stored(open_app, made: Path) -> None:
    app = open_app(made, "metrics")
    summary = evaluation_of(made).summary
    assert [metric.value for metric in app.metric] == [
        f"{summary['all_organs']['dice']:.3f}",
        *(f"{summary['organs'][organ.name]['dice']:.3f}" for organ in ORGANS),
    ]
    shown = app.table[0].value
    assert (shown["Leak"].str.contains("patient-clean")).all()
    for organ in ORGANS:
        row = summary["organs"][organ.name]
        cells = shown[organ.title]
        for title, key, digits in (("Dice", "dice", 3), ("HD95, mm", "hd95_mm", 1), ("NSD at 3 mm", "nsd_3mm", 3)):
            spread = row["intervals"][key]
            wanted = f"{row[key]:.{digits}f} ({spread['low']:.{digits}f} to {spread['high']:.{digits}f})"
            assert cells[title].startswith(wanted), (organ.name, title)
        assert cells["Missed: in the reference, nothing drawn"].split()[0] == str(row["missed"])


def test_the_means_equal_the_scan_table(open_app, made: Path) -> None:
    app = open_app(made, "metrics")
    scans = evaluation_of(made).scans()
    for metric, organ in zip(app.metric[1:], ORGANS, strict=True):
        assert metric.value == f"{scans.loc[scans['organ'] == organ.name, 'dice'].mean():.3f}"


def test_disputed_scans_are_told_and_the_means_without_them_are_of_the_rest(open_app, folder: Path) -> None:
    evaluation = evaluation_of(folder)
    scans = evaluation.scans()
    first, last = scans["scan"].iloc[0], list(evaluation.summary["scans"])[-1]
    store = ReviewStore.open(Workspace(folder).reviews_db)
    subject = Subject(evaluation.run, evaluation.name, first, "i", "m")
    store.add_verdict(subject, reader="Dr. Ada", verdict=Verdict.REFERENCE_WRONG)
    store.close()
    app = open_app(folder, "metrics")
    assert "Without the 2 scans whose reference is disputed" in words(app)
    rest = scans[~scans["scan"].isin([first, last]) & (scans["organ"] == "stomach")]
    assert app.table[1].value["Stomach"]["Dice"].startswith(f"{rest['dice'].mean():.3f}")


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_opens_by_its_address_beside_the_badge(open_app, made: Path, section: str) -> None:
    app = open_app(made, "metrics", section=section)
    assert app.query_params["section"] == section
    assert "patient-clean" in words(app)
    figures = charts(app)
    assert figures
    for figure in figures:
        assert figure["layout"]["title"]["text"].endswith("?")


def test_the_distribution_s_points_are_the_scan_table(open_app, made: Path) -> None:
    app = open_app(made, "metrics", section="organs")
    scans = evaluation_of(made).scans()
    wanted = {(row["scan"], row["organ"]): round(row["dice"], 6) for row in scans[scans["dice"].notna()].to_dict("records")}
    traces = [trace for trace in charts(app)[0]["data"] if "customdata" in trace]
    shown = {
        (mark[0], mark[2]): round(dice, 6)
        for trace in traces
        for mark, dice in zip(trace["customdata"], numbers(trace["y"]), strict=True)
    }
    assert shown == wanted


def partial_scans(folder: Path, count: int) -> set[str]:
    """Make the first scans what `evaluate` makes of scans with slices missing: no volume, no distance."""
    evaluation = evaluation_of(folder)
    scans, errors = evaluation.scans(), evaluation.errors()
    partial = set(scans["scan"].unique()[:count])
    columns = [name for name in scans if name.endswith(("_ml", "mm"))]
    scans.loc[scans["scan"].isin(partial), columns] = np.nan
    errors.loc[errors["scan"].isin(partial), "volume_ml"] = np.nan
    scans.to_parquet(evaluation.paths.scans, index=False)
    errors.to_parquet(evaluation.paths.errors, index=False)
    return partial


def test_millilitres_a_scan_are_of_the_scans_that_have_millilitres(open_app, folder: Path) -> None:
    partial = partial_scans(folder, 5)
    errors = evaluation_of(folder).errors()
    app = open_app(folder, "metrics", section="mistakes")
    confusion, kinds = charts(app)
    shown = sum(sum(numbers(trace["x"])) for trace in kinds["data"])
    assert shown == pytest.approx(errors.loc[~errors["scan"].isin(partial), "volume_ml"].sum() / 7)
    over = "over 7 scans (5 of unknown volume left out)"
    assert kinds["layout"]["xaxis"]["title"]["text"] == f"ml a scan, on average {over}"
    assert over in confusion["layout"]["title"]["subtitle"]["text"]
    assert "5 scans of unknown volume left out" in words(app)
    report = evaluation_report(evaluation_of(folder), {})
    assert f"ml a scan, on average {over}" in report
    assert "Scans of unknown volume, left out: 5." in report
    assert "5 scans of unknown volume left out" in words(open_app(folder, "metrics", section="volumes"))


def test_a_filter_narrows_the_scans_and_says_so(open_app, made: Path) -> None:
    app = open_app(made, "metrics", section="organs")
    patient = evaluation_of(made).scans()["patient"].iloc[0]
    app.text_input(key="metrics_find").input(f"{patient}_").run()
    assert not app.exception
    assert "only" in charts(app)[0]["layout"]["title"]["subtitle"]["text"]
    app.text_input(key="metrics_find").input("nobody").run()
    assert "No scan matches" in app.info[0].value


def test_many_scans_come_in_pages(open_app, tmp_path: Path) -> None:
    simulated_workspace(tmp_path / "workspace", scans=SCANS_A_PAGE + 2, runs=1)
    app = open_app(tmp_path / "workspace", "metrics", section="organs")
    assert "1 to 40 of 42 scans, worst first" in words(app)


def test_without_pictures_the_days_say_that_the_data_set_is_not_here(open_app, made: Path) -> None:
    app = open_app(made, "metrics", section="days")
    assert "data set is not here" in words(app)


@pytest.mark.parametrize(("section", "table"), [("organs", "scans"), ("where", "slices"), ("mistakes", "errors")])
def test_a_broken_table_is_one_sentence(open_app, folder: Path, section: str, table: str) -> None:
    getattr(evaluation_paths(folder, "sim-2"), table).write_bytes(b"no parquet")
    app = open_app(folder, "metrics", section=section)
    assert "missing or damaged" in app.error[0].value


def test_a_broken_list_of_disputes_is_one_sentence(open_app, folder: Path) -> None:
    (Workspace(folder).dataset(DATASET) / "disputed.txt").write_bytes(b"\xff\xfe\x00")
    app = open_app(folder, "metrics")
    assert "disputed scans cannot be read" in app.error[0].value


def blind(folder: Path, run: str = "sim-2") -> None:
    store = ReviewStore.open(Workspace(folder).reviews_db)
    store.set_round(run, f"{DATASET}-valid", Round("Spring", 2, True), by="Lead")
    store.close()


def judge_all(folder: Path, reader: str) -> None:
    evaluation, store = evaluation_of(folder), ReviewStore.open(Workspace(folder).reviews_db)
    for scan in evaluation.summary["scans"]:
        store.add_verdict(Subject(evaluation.run, evaluation.name, scan, "i", "m"), reader=reader, verdict=Verdict.ACCEPT)
    store.close()


@pytest.mark.parametrize("section", SECTIONS)
def test_a_blind_round_keeps_its_scores_until_someone_asks(open_app, folder: Path, section: str) -> None:
    blind(folder)
    app = open_app(folder, "metrics", section=section)
    assert "Spring” is blind and not over: 0 of 12 scans are done" in app.info[0].value
    assert not [*app.metric, *app.table, *charts(app)]
    assert "patient-clean" not in words(app)
    assert "sim-2" not in str(app.query_params) + rendered(app)
    app.toggle[0].set_value(True).run()
    assert charts(app)
    assert "patient-clean" in words(app)


def test_whoever_has_judged_all_of_a_blind_round_sees_its_scores(open_app, folder: Path) -> None:
    blind(folder)
    judge_all(folder, "Dr. Ada")
    app = sign_in(open_app(folder), "Dr. Ada")
    app.switch_page("views/metrics.py").run()
    assert app.metric
    app.switch_page("views/cases.py").run()
    sign_in(app, "Dr. Bo").switch_page("views/metrics.py").run()
    assert not app.metric


def test_the_trend_leaves_the_run_of_a_blind_round_out(open_app, folder: Path) -> None:
    blind(folder, "sim-1")
    app = open_app(folder, "metrics", run="sim-2", evaluation=f"{DATASET}-valid")
    assert app.metric
    assert "sim-1" not in rendered(app)


def test_an_unknown_section_opens_the_first(open_app, made: Path) -> None:
    app = open_app(made, "metrics", section="nonsense")
    assert app.query_params["section"] == "overview"


def words(app: AppTest) -> str:
    """All running text of the page."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success")
    return " ".join(each.value for kind in kinds for each in app.get(kind))
