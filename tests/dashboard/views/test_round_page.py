"""*Round*: agreement, acceptance, second round, exports and reports; empty, filled and refused."""

import io
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import escape
from streamlit.testing.v1 import AppTest

from core.reports.round_report import round_report
from core.reviews.round.acceptance import OF_WHOLE_SCANS
from core.reviews.store.events import Finding, FindingKind, Subject, Verdict
from core.reviews.store.store import ReviewStore
from core.storage.workspace import Workspace
from dashboard.components.common.queue_choice import Queue
from dashboard.components.common.reading import ReaderView
from dashboard.components.round.exports_section import tables_zip
from tests.browser.small_workspace import SCANS
from tests.dashboard.reviewing import RUN, evaluation_of, opened, reviews, second_run, set_round, sign_in, subject
from tests.patience import wait_until
from tests.simulated_workspace import simulated_workspace

FIRST, SECOND = SCANS


def round_page(open_app, folder: Path, section: str, **query: str) -> AppTest:
    return open_app(folder, "round_page", section=section, **query)


def judge(folder: Path, scan: str, **verdicts: Verdict) -> None:
    with opened(folder) as store:
        for reader, verdict in verdicts.items():
            store.add_verdict(subject(folder, scan), reader=reader, verdict=verdict, comment=f"<b>{reader}</b>")


def finished(app: AppTest) -> AppTest:
    """The page once the work beside it is done."""

    def is_done() -> bool:
        app.run()
        return not app.get("progress")[1:]

    if app.get("progress")[1:]:
        wait_until(is_done)
    return app


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("readers", "No scan has verdicts of two readers yet"),
        ("scores", "No verdict on the four-point scale yet"),
        ("second", "There is no other evaluation of these scans"),
        ("out", "There are no masks to export"),
    ],
)
def test_a_round_without_verdicts_says_so(open_app, folder: Path, section: str, sentence: str) -> None:
    app = round_page(open_app, folder, section)
    assert sentence in app.info[0].value
    assert app.query_params["section"] == section


def test_readers_kappas_and_what_they_disagree_on_side_by_side(open_app, folder: Path) -> None:
    judge(folder, FIRST, Ada=Verdict.ACCEPT, Bo=Verdict.REJECT)
    judge(folder, SECOND, Ada=Verdict.ACCEPT, Bo=Verdict.ACCEPT)
    with opened(folder) as store:
        finding = Finding(FindingKind.EXTRA, "stomach", 9, comment="tip")
        store.add_finding(subject(folder, FIRST), reader="Bo", finding=finding)
    app = round_page(open_app, folder, "readers")
    kappas, apart = app.dataframe
    assert list(kappas.value.iloc[0])[:4] == ["Ada and Bo", 2, "0.50", "0.00"]  # one of two equal; by hand: kappa 0
    assert list(apart.value["Scan"]) == [FIRST]
    assert list(apart.value["Steps apart"]) == ["3"]
    shown = [each.value for each in app.text]
    assert shown == ["Ada", "<b>Ada</b>", "Bo", "<b>Bo</b>", "tip"]
    sign_in(app, "Lead")
    next(each for each in app.button if each.label.startswith("Request another reader")).click().run()
    with opened(folder) as store:
        settings = store.round(run=RUN, evaluation="small-valid")
    assert (settings.readers_per_scan, settings.filter) == (2, "state=Readers+disagree")
    app.button(key="open-consensus").click().run()
    assert app.query_params["case"] == FIRST


def test_scores_say_why_there_is_no_line_and_count_disputed(open_app, folder: Path) -> None:
    judge(folder, FIRST, Ada=Verdict.ACCEPT, Bo=Verdict.REFERENCE_WRONG)
    app = round_page(open_app, folder, "scores")
    assert any("Not enough verdicts: 1 accepted and 0 not" in each.value for each in app.info)
    headlines = app.dataframe[1].value
    assert list(headlines["n"]) == [2, 2, 2, 2]
    assert list(headlines["n without"]) == [1, 1, 1, 1]


def test_the_line_of_an_organ_s_score_is_of_whole_scans_and_says_so(open_app, tmp_path: Path) -> None:
    """Ten verdicts on whole scans that a line can be fitted to: nothing on page or report says that an organ was accepted."""
    folder = tmp_path / "workspace"
    (evaluation,) = simulated_workspace(folder, scans=24, runs=1)
    dice = evaluation.scans().query("organ == 'stomach'").dropna(subset=["dice"]).sort_values("dice")["scan"].tolist()
    store = ReviewStore.open(Workspace(folder).reviews_db)
    for place, scan in enumerate(dice):
        verdict = Verdict.ACCEPT if place > len(dice) / 2 or place % 4 == 0 else Verdict.REJECT
        store.add_verdict(Subject(evaluation.run, evaluation.name, scan, "i", "m"), reader="Dr. Ada", verdict=verdict)
    reviews = store.reviews(run=evaluation.run, evaluation=evaluation.name)
    store.close()
    app = open_app(folder, "round_page", run=evaluation.run, evaluation=evaluation.name, section="scores")
    next(each for each in app.get("button_group") if each.key == "round_organ").set_value("stomach").run()
    report = round_report(Workspace(folder), evaluation, reviews, pictures=0)
    assert any(OF_WHOLE_SCANS in each.value for each in app.caption)
    assert [each.label for each in app.metric[:2]] == ["50% of scans accepted", "80% of scans accepted"]
    assert "Dice, stomach, at which" in [each.value for each in app.caption]
    assert "P(scan accepted)" in app.get("plotly_chart")[0].proto.spec
    limits = app.dataframe[0].value
    assert {"Of", "Verdicts on scans", "Scans accepted", "Half of the scans accepted at"} <= set(limits.columns)
    assert escape(OF_WHOLE_SCANS) in report
    for column in ("Verdicts on scans", "Scans accepted", "80% of the scans accepted at"):
        assert column in report
    assert "P(accept)" not in report


def test_second_round_carries_over_and_opens_the_queue_of_what_changed(open_app, folder: Path) -> None:
    judge(folder, FIRST, Ada=Verdict.ACCEPT, Bo=Verdict.MINOR_EDITS)
    second_run(folder)
    app = sign_in(round_page(open_app, folder, "second", run=RUN, evaluation="small-valid"), "Lead")
    next(each for each in app.button if each.label == "Preview").click().run()
    finished(app)
    assert [each.value for each in app.metric] == ["2", "1", "1"]
    next(each for each in app.button if each.label == "Carry 2 verdicts over").click().run()
    assert "2 verdicts carried over" in finished(app).success[0].value
    carried = reviews(folder, "newer")[FIRST]
    assert carried.verdicts == {"Ada": Verdict.ACCEPT, "Bo": Verdict.MINOR_EDITS}
    assert carried.standing["Ada"].payload["by"] == "Lead"
    next(each for each in app.button if each.label.startswith("Open the queue")).click().run()
    assert list(app.dataframe[0].value["scan"]) == [SECOND]
    assert (app.query_params["run"], app.query_params["order"]) == ("newer", "most_changed")
    assert app.query_params["other"] == f"{RUN}/small-valid"


def test_tables_come_in_three_formats(folder: Path) -> None:
    judge(folder, FIRST, Ada=Verdict.ACCEPT)
    with opened(folder) as store:
        evaluation = evaluation_of(folder)
        found = store.reviews(run=RUN, evaluation=evaluation.name)
        view = ReaderView(evaluation, store, "Lead", Queue(), store.round(run=RUN, evaluation=evaluation.name), found)  # type: ignore[arg-type]
        packed = {form: zipfile.ZipFile(io.BytesIO(tables_zip(view, form))) for form in ("csv", "json", "parquet")}
    for form, archive in packed.items():
        assert f"verdicts.{form}" in archive.namelist()
    assert pd.read_csv(packed["csv"].open("verdicts.csv"))["verdict"].tolist() == ["accept"]


def test_masks_become_a_data_set_and_run_lengths(open_app, folder: Path) -> None:
    judge(folder, FIRST, Ada=Verdict.ACCEPT)
    app = round_page(open_app, folder, "out")
    app.toggle(key="masks_accepted").set_value(True).run()
    app.text_input(key="dataset_name").input("../outside").run()
    next(each for each in app.button if each.label == "Write the data set").click().run()
    assert app.error
    app.text_input(key="dataset_name").input("mended").run()
    next(each for each in app.button if each.label == "Write the data set").click().run()
    assert "mended" in finished(app).success[0].value
    assert (folder / "datasets" / "mended" / "dataset.json").is_file()
    next(each for each in app.button if each.label == "Write the data set").click().run()
    assert finished(app).error  # it is there already, and stays
    next(each for each in app.button if each.label == "Make run lengths").click().run()
    assert any(each.label == "Download run lengths" for each in finished(app).get("download_button"))


def test_the_rounds_report_is_made_beside_the_page(open_app, folder: Path) -> None:
    app = round_page(open_app, folder, "out")
    next(each for each in app.button if each.label == "Make the round's report").click().run()
    labels = [each.label for each in finished(app).get("download_button")]
    assert "Download the round's report" in labels


def test_a_blind_round_that_is_not_over_is_behind_a_curtain(open_app, folder: Path) -> None:
    set_round(folder, readers_per_scan=2, blind=True)
    judge(folder, FIRST, Ada=Verdict.ACCEPT, Bo=Verdict.REJECT)
    app = round_page(open_app, folder, "readers")
    assert "blind and not over: 1 of 2" in app.info[0].value
    assert not app.dataframe
    assert not re.search(rf"\b{RUN}\b", str(app.query_params))
    app.toggle[0].set_value(True).run()
    assert len(app.dataframe) == 2
