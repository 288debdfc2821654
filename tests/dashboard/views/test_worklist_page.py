"""*Cases*: the queue, its filters in the address, and whose turn it is."""

from pathlib import Path

import pytest

from core.reviews.queue.filters import SavedFilter, WorklistFilter, save_filter, saved_filters
from core.reviews.store.events import Verdict
from dashboard.components.common.text import escape_markdown
from tests.browser.small_workspace import SCANS
from tests.dashboard.reviewing import (
    EVALUATION,
    RUN,
    button,
    evaluation_of,
    one,
    opened,
    rendered,
    second_run,
    set_round,
    sign_in,
    subject,
)


def test_lists_scans_worst_first_with_scores_and_badge(open_app, folder: Path) -> None:
    app = open_app(folder)
    table = app.dataframe[0].value
    assert sorted(table["scan"]) == sorted(SCANS)
    assert list(table["state"]) == ["Unreviewed", "Unreviewed"]
    assert list(table["mean_dice"]) == sorted(table["mean_dice"])
    said = " ".join(each.value for each in app.markdown)
    summary = evaluation_of(folder).summary
    assert "patient-clean" in said
    assert f"{summary['all_organs']['dice']:.3f}" in said
    assert f"{summary['organs']['stomach']['dice']:.3f}" in said


def test_the_address_holds_evaluation_filter_and_order(open_app, folder: Path) -> None:
    app = open_app(folder)
    assert app.query_params == {"run": RUN, "evaluation": EVALUATION}
    app.text_input(key="filter_text").input("day7").run()
    app.selectbox(key="filter_order").select("name").run()
    assert list(app.dataframe[0].value["scan"]) == ["case2_day7"]
    assert app.query_params == {"run": RUN, "evaluation": EVALUATION, "text": "day7", "order": "name"}
    linked = open_app(folder, text="day7", order="name", kind="boundary")
    assert linked.text_input(key="filter_text").value == "day7"
    assert linked.multiselect(key="filter_kind").value == ["boundary"]
    next(each for each in linked.button if each.label == "Clear").click().run()
    assert sorted(linked.dataframe[0].value["scan"]) == sorted(SCANS)
    assert "text" not in linked.query_params


def test_a_filter_that_leaves_nothing_says_so(open_app, folder: Path) -> None:
    app = open_app(folder, text="no such patient")
    assert "No case matches" in app.info[0].value


@pytest.mark.parametrize(
    "query",
    [
        {"state": "'; DROP TABLE events; --"},
        {"dice_from": "nan"},
        {"order": "../../etc/passwd"},
        {"disputed": "![x](http://evil/x.png)"},
        {"text": "x" * 5000},
    ],
)
def test_a_hostile_filter_in_a_link_is_one_sentence_and_every_scan(open_app, folder: Path, query: dict[str, str]) -> None:
    app = open_app(folder, **query)
    assert "makes no sense" in app.warning[0].value
    assert "![" not in app.warning[0].value.replace("!\\[", "")
    assert len(app.dataframe[0].value) == len(SCANS)


def test_sql_in_the_text_filter_is_text(open_app, folder: Path) -> None:
    app = open_app(folder, text="' OR 1=1; DROP TABLE events; --")
    assert "No case matches" in app.info[0].value
    with opened(folder) as store:
        assert store.verify() is None


def test_next_case_is_leased_and_a_second_reader_gets_another(open_app, folder: Path) -> None:
    app = open_app(folder)
    assert app.button(key="next_case").disabled
    sign_in(app, "Dr. Ada").button(key="next_case").click().run()
    first = app.query_params["case"]
    other = sign_in(open_app(folder), "Dr. Bo")
    assert list(other.dataframe[0].value["at_hand"]) == ["Dr. Ada", ""]
    other.button(key="next_case").click().run()
    assert {first, other.query_params["case"]} == set(SCANS)
    back = sign_in(open_app(folder), "Dr. Ada")
    assert back.button(key="next_case").label == f"Resume {escape_markdown(first)}"


def test_no_case_left_says_so(open_app, folder: Path) -> None:
    with opened(folder) as store:
        for scan in SCANS:
            store.add_verdict(subject(folder, scan), reader="Dr. Ada", verdict=Verdict.ACCEPT)
    app = sign_in(open_app(folder), "Dr. Ada")
    app.button(key="next_case").click().run()
    assert "No more cases for you in this queue" in app.info[0].value


def test_filters_are_saved_applied_and_deleted(open_app, folder: Path) -> None:
    app = sign_in(open_app(folder, text="day7"), "Dr. Ada")
    app.text_input(key="save_filter_name").input("[sevens](http://evil)").run()
    app.button(key="save_filter").click().run()
    with opened(folder) as store:
        kept = saved_filters(store, "Dr. Ada")
        assert kept == [SavedFilter("[sevens](http://evil)", WorklistFilter(text="day7"), "Dr. Ada")]
        assert saved_filters(store, "Dr. Bo") == []
        save_filter(store, SavedFilter("zero", WorklistFilter(text="day0")))
    app.run()
    assert "(http" not in "".join(each.label.replace("\\(", "") for each in app.button)
    app.button(key="use--zero").click().run()
    assert list(app.dataframe[0].value["scan"]) == ["case2_day0"]
    app.button(key="delete--zero").click().run()
    with opened(folder) as store:
        assert [each.name for each in saved_filters(store, "Dr. Ada")] == ["[sevens](http://evil)"]


def test_the_round_is_set_by_whoever_has_a_name(open_app, folder: Path) -> None:
    app = open_app(folder)
    assert button(app, "round_set").disabled
    one(sign_in(app, "Lead").number_input, "round_readers").set_value(2).run()
    one(app.toggle, "round_blind").set_value(True).run()
    button(app, "round_set").click().run()
    assert not app.exception
    with opened(folder) as store:
        settings = store.round(run=RUN, evaluation=EVALUATION)
    assert (settings.readers_per_scan, settings.blind) == (2, True)


def test_a_blind_round_tells_neither_score_nor_run_nor_verdicts(open_app, folder: Path) -> None:
    with opened(folder) as store:
        store.add_verdict(subject(folder, SCANS[0]), reader="Dr. Bo", verdict=Verdict.REJECT, comment="hollow")
    set_round(folder, name="Spring", readers_per_scan=2, blind=True)
    app = sign_in(open_app(folder, dice_from="0.5"), "Dr. Ada")
    table = app.dataframe[0].value
    assert table["mean_dice"].isna().all()
    shown = rendered(app)
    headline = f"{evaluation_of(folder).summary['all_organs']['dice']:.3f}"
    for secret in (f'"{RUN}', f" {RUN} ", "Reject", "hollow", "Dr. Bo", headline):
        assert secret not in shown, secret
    assert "run" not in app.query_params
    assert len(app.query_params["round"]) == 12
    again = open_app(folder, round=app.query_params["round"])
    assert not again.warning


def test_changed_most_asks_for_the_other_run(open_app, folder: Path) -> None:
    second_run(folder)
    app = open_app(folder, run=RUN, evaluation=EVALUATION, order="most_changed", other=f"newer/{EVALUATION}")
    assert list(app.dataframe[0].value["change"]) == [0.0, 0.0]
    assert app.query_params["other"] == f"newer/{EVALUATION}"
