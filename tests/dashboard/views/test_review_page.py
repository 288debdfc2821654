"""*Review*: verdict, findings, undo, leases, blind mode; and nothing lost when the store refuses."""

import html
import json
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.reviews.queue.scan_table import read_scan_table
from core.reviews.queue.worklist import Worklist
from core.reviews.store.events import Finding, FindingKind, Verdict
from core.storage.workspace import Workspace
from dashboard.components.common.text import escape_markdown
from dashboard.components.review.largest_errors import MOST_REGIONS, largest_first
from dashboard.demo.lazy import LazyDemo
from dashboard.demo.link import DEMO_PATH, demo_link
from dashboard.state import SERVER
from dashboard.viewer.component import Pick
from tests.browser.small_workspace import SCANS
from tests.dashboard.reviewing import (
    RUN,
    button,
    evaluation_of,
    opened,
    pinned,
    rendered,
    reviews,
    second_run,
    set_round,
    sign_in,
    subject,
)

FIRST, SECOND = SCANS
SCRIPT = "<script>alert(1)</script> ![x](http://evil/x.png) **bold** :red[red]"


def review(open_app, folder: Path, reader: str = "Dr. Ada", scan: str = FIRST, **query: str) -> AppTest:
    return sign_in(open_app(folder, "review", case=scan, **query), reader)


def test_opens_the_case_of_the_link(open_app, folder: Path) -> None:
    app = open_app(folder, "review", case=SECOND)
    assert app.subheader[0].value == escape_markdown(SECOND)
    assert app.query_params["case"] == SECOND
    assert app.get("bidi_component")


@pytest.mark.parametrize("case", ["case99_day0", "../../../etc/passwd", "![x](http://evil/x.png)"])
def test_an_unknown_case_is_said_and_the_queues_first_is_shown(open_app, folder: Path, case: str) -> None:
    app = open_app(folder, "review", case=case)
    assert "is not in" in app.warning[0].value
    assert "![x]" not in app.warning[0].value
    assert app.subheader[0].value in [escape_markdown(scan) for scan in SCANS]


def test_a_verdict_needs_a_name(open_app, folder: Path) -> None:
    app = open_app(folder, "review", case=FIRST)
    assert button(app, "verdict-accept").disabled
    assert button(app, "accept-and-next").disabled


def test_a_verdict_is_stored_shown_and_undone(open_app, folder: Path) -> None:
    app = review(open_app, folder)
    app.text_input(key=f"comment-{FIRST}").input("antrum cut").run()
    button(app, "verdict-minor_edits").click().run()
    assert not app.exception
    stored = reviews(folder)[FIRST]
    assert stored.verdicts == {"Dr. Ada": Verdict.MINOR_EDITS}
    assert stored.comments == {"Dr. Ada": "antrum cut"}
    assert stored.standing["Dr. Ada"].subject.mask_sha256 == evaluation_of(folder).scan_facts(FIRST)["prediction_sha256"]
    assert "You: Minor edits: antrum cut" in [each.value for each in app.text]
    button(app, "undo").click().run()
    assert reviews(folder)[FIRST].verdicts == {}


def test_accept_and_next_goes_on_and_undo_comes_back(open_app, folder: Path) -> None:
    app = review(open_app, folder)
    button(app, "accept-and-next").click().run()
    assert app.query_params["case"] == SECOND
    button(app, "undo").click().run()
    assert app.query_params["case"] == FIRST
    assert reviews(folder)[FIRST].verdicts == {}


def test_next_passes_an_unjudged_case_over(open_app, folder: Path) -> None:
    app = review(open_app, folder)
    button(app, "next-case").click().run()
    assert app.query_params["case"] == SECOND
    with opened(folder) as store:
        assert Worklist(store, read_scan_table(evaluation_of(folder))).at_hand() == {SECOND: "Dr. Ada"}


def test_a_scan_that_another_has_at_hand_is_not_given_twice(open_app, folder: Path) -> None:
    with opened(folder) as store:
        assert Worklist(store, read_scan_table(evaluation_of(folder))).hold("Dr. *Bo*", FIRST)
    app = review(open_app, folder)
    assert "In review by Dr\\. \\*Bo\\*;" in app.warning[0].value
    assert button(app, "verdict-accept").disabled
    button(app, "insist").click().run()
    assert not button(app, "verdict-accept").disabled


def test_a_round_of_two_readers_lets_both_judge_and_warns_the_third(open_app, folder: Path) -> None:
    set_round(folder, name="Spring", readers_per_scan=2)
    with opened(folder) as store:
        assert Worklist(store, read_scan_table(evaluation_of(folder))).hold("Dr. Bo", FIRST)
    app = review(open_app, folder)
    assert not app.warning
    assert not button(app, "verdict-accept").disabled
    app.text_input(key=f"comment-{FIRST}").input("thin wall").run()
    third = review(open_app, folder, "Dr. Cy")
    assert "In review by Dr. Ada, Dr. Bo;" in third.warning[0].value.replace("\\", "")
    assert button(third, "verdict-accept").disabled
    button(app, "verdict-accept").click().run()
    assert button(third.run(), "verdict-accept").disabled  # one judged it, the other has it at hand


def test_a_look_leases_nothing_and_work_does(open_app, folder: Path) -> None:
    def held() -> dict[str, str]:
        with opened(folder) as store:
            return Worklist(store, read_scan_table(evaluation_of(folder))).at_hand()

    for scan in SCANS:  # as links opened in three tabs
        app = review(open_app, folder, scan=scan, slice="9")
        app.run()
    assert held() == {}
    button(app, "pin-slice").click().run()
    assert held() == {SECOND: "Dr. Ada"}
    app.button(key="previous").click().run()
    assert app.query_params["case"] == FIRST
    assert held() == {SECOND: "Dr. Ada"}
    app.text_input(key=f"comment-{FIRST}").input("thin wall").run()
    assert held() == {FIRST: "Dr. Ada"}


def test_active_time_is_stored_with_the_verdict(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr("core.reviews.queue.activity.ActivityMeter.__init__.__defaults__", (lambda: float(next(now)),))
    app = review(open_app, folder)
    app.run()
    button(app, "verdict-accept").click().run()
    assert reviews(folder)[FIRST].active_s["Dr. Ada"] >= 20


def test_a_finding_is_pinned_listed_and_taken_back(open_app, folder: Path) -> None:
    app = pinned(review(open_app, folder), Pick(9, 10, 12))
    app.text_input(key=f"finding-{FIRST}-9-10-12-text").input("tip")
    next(each for each in app.button if each.label == "Add finding").click().run()
    found = reviews(folder)[FIRST].findings[0]
    assert (found.payload["slice_number"], found.payload["x"], found.payload["y"], found.payload["comment"]) == (9, 10, 12, "tip")
    app.button(key=f"drop-{found.id}").click().run()
    assert reviews(folder)[FIRST].findings == ()


def test_a_finding_on_the_whole_slice_needs_no_pointer(open_app, folder: Path) -> None:
    app = review(open_app, folder, slice="9")
    button(app, "pin-slice").click().run()
    next(each for each in app.button if each.label == "Add finding").click().run()
    found = reviews(folder)[FIRST].findings[0].payload
    assert (found["slice_number"], found["x"], found["y"]) == (9, None, None)


def test_error_regions_lead_to_their_slice(open_app, folder: Path) -> None:
    app = review(open_app, folder)
    region = button(app, "region-0")
    errors = evaluation_of(folder).errors()
    mine = errors[(errors["scan"] == FIRST) & (errors["kind"] != "boundary")]
    largest = mine.loc[mine["voxels"].idxmax()]
    assert f"{largest['volume_ml']:.1f} ml" in region.label
    region.click().run()
    assert app.query_params["slice"] == str(largest["slice"])


def test_the_errors_of_the_organ_in_question_come_first_and_none_of_the_others_goes() -> None:
    sizes = {"stomach": [5, 9, 1], "small_bowel": range(100, 100 + MOST_REGIONS), "large_bowel": [50, 60]}
    found = pd.DataFrame([(organ, size) for organ, each in sizes.items() for size in each], columns=["organ", "voxels"])
    usual = largest_first(found, None)
    assert list(usual["voxels"]) == [*range(99 + MOST_REGIONS, 99, -1)]
    asked = largest_first(found, "stomach")
    assert list(asked["voxels"]) == [9, 5, 1, *usual["voxels"]]
    assert list(largest_first(found, "small_bowel")["voxels"]) == list(usual["voxels"])


def test_a_link_for_an_organ_holds_for_its_scan(open_app, folder: Path) -> None:
    app = open_app(folder, "review", case=FIRST, organ="large_bowel")
    assert viewer_data(app)["organ"] == "large_bowel"
    button(app, "region-0").click().run()
    assert app.query_params["organ"] == "large_bowel"  # the list stays as it was
    assert "slice" in app.query_params
    app.button(key="next" if not app.button(key="next").disabled else "previous").click().run()
    assert app.query_params["case"] == SECOND
    assert "organ" not in app.query_params


@pytest.mark.parametrize("organ", ["liver", "<b>", ""])
def test_an_organ_that_is_none_is_left_out(open_app, folder: Path, organ: str) -> None:
    app = open_app(folder, "review", case=FIRST, organ=organ)
    assert viewer_data(app)["organ"] is None
    assert "organ" not in app.query_params


def viewer_data(app: AppTest) -> dict[str, object]:
    """What Python told the viewer."""
    found = [json.loads(each.proto.json) for each in app.get("bidi_component")]
    return next(each for each in found if "url" in each)


def test_a_script_in_a_comment_stays_text(open_app, folder: Path) -> None:
    with opened(folder) as store:
        store.add_verdict(subject(folder, FIRST), reader="Dr. <i>Bo</i>", verdict=Verdict.REJECT, comment=SCRIPT)
        finding = Finding(FindingKind.MISSED, "stomach", 9, 10, 12, SCRIPT)
        store.add_finding(subject(folder, FIRST), reader="Dr. <i>Bo</i>", finding=finding)
    app = review(open_app, folder)
    assert f"Dr. <i>Bo</i>: Reject: {SCRIPT}" in [each.value for each in app.text]
    for part in (app.markdown, app.caption, app.error, app.warning):
        assert not any("<script" in each.value or "<i>" in each.value or "![x]" in each.value for each in part)
    assert not any("<i>" in each.value for each in app.get("html") if hasattr(each, "value"))
    assert "<script" not in html.unescape("".join(each.label for each in app.button))


def test_a_forged_reader_in_the_address_gives_no_verdict(open_app, folder: Path) -> None:
    app = open_app(folder, "review", case=FIRST, reader="Professor Evil", READER="Professor Evil")
    assert button(app, "verdict-accept").disabled
    button(sign_in(app, "Dr. Ada"), "verdict-accept").click().run()
    assert list(reviews(folder)[FIRST].verdicts) == ["Dr. Ada"]


def test_who_signed_in_goes_before_whatever_was_typed(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = sign_in(open_app(folder), "Professor Evil")
    for module in ("reader", "page_keys"):
        monkeypatch.setattr(f"dashboard.components.common.{module}.current_reader", lambda: "Dr. Ada")
    app.switch_page("views/review.py").run()
    button(app, "verdict-accept").click().run()
    assert list(reviews(folder)[app.query_params["case"]].verdicts) == ["Dr. Ada"]


@pytest.mark.parametrize("name", ["x" * 200, "two\nlines", "\x00"])
def test_an_impossible_name_is_one_sentence(open_app, folder: Path, name: str) -> None:
    app = review(open_app, folder, reader=name)
    assert button(app, "verdict-accept").disabled


def test_an_oversized_comment_never_reaches_the_store(open_app, folder: Path) -> None:
    app = review(open_app, folder)
    # The field takes 4,000 characters; more can only come from a forged message, which Streamlit drops.
    app.text_input(key=f"comment-{FIRST}").input("x" * 5000).run()
    button(app, "verdict-accept").click().run()
    assert not app.exception
    assert reviews(folder)[FIRST].comments == {"Dr. Ada": ""}


def test_a_blind_round_hides_score_run_and_others_until_ones_own_verdict_is_in(open_app, folder: Path) -> None:
    with opened(folder) as store:
        store.add_verdict(subject(folder, FIRST), reader="Dr. Bo", verdict=Verdict.REFERENCE_WRONG, comment="hollow")
        finding = Finding(FindingKind.MISSED, "stomach", 9, 10, 12, "left edge")
        store.add_finding(subject(folder, FIRST), reader="Dr. Bo", finding=finding)
    second_run(folder)
    set_round(folder, name="Spring", readers_per_scan=2, blind=True)
    scores = evaluation_of(folder).scans()
    dice = [f"{value:.3f}" for value in scores[scores["scan"] == FIRST]["dice"]]
    app = review(open_app, folder, run=RUN, evaluation="small-valid", other="newer/small-valid")
    shown = rendered(app)
    assert [
        secret
        for secret in [*dice, RUN, "newer", "Dr. Bo", "hollow", "left edge", "disputed", "patient-clean"]
        if secret in shown
    ] == []
    assert set(app.query_params) == {"round", "case"}
    button(app, "verdict-accept").click().run()
    shown = rendered(app)
    assert [secret for secret in [*dice, "Dr. Bo", "hollow", "left edge"] if secret not in shown] == []
    assert "newer" not in shown
    assert "run" not in app.query_params


def said_of_the_score(folder: Path) -> list[bool | None]:
    """What each verdict says, in order of writing."""
    with opened(folder) as store:
        return [event.payload["score_known"] for event in store.history(kind="verdict")]


def test_a_verdict_after_the_score_was_shown_says_so(open_app, folder: Path) -> None:
    set_round(folder, name="Spring", blind=True)
    app = review(open_app, folder)
    for name in ("verdict-accept", "undo", "verdict-reject"):
        button(app, name).click().run()
    assert said_of_the_score(folder) == [False, True]
    with opened(folder) as store:
        store.add_verdict(subject(folder, FIRST), reader="Dr. Bo", verdict=Verdict.REJECT)
    app = open_app(folder, "round_page", section="readers")
    app.toggle[0].set_value(True).run()
    assert "Verdicts left out because their reader knew the scan's score: 1." in [each.value for each in app.caption]
    assert not app.dataframe


def test_a_verdict_after_a_page_of_all_scores_says_so(open_app, folder: Path) -> None:
    set_round(folder, name="Spring", blind=True)
    app = open_app(folder, "metrics")
    app.toggle[0].set_value(True).run()
    assert app.metric
    app.switch_page("views/review.py")
    app.query_params["case"] = FIRST
    # Whoever looked without a name is known by the session.
    button(sign_in(app.run(), "Dr. Ada"), "verdict-accept").click().run()
    assert said_of_the_score(folder) == [True]
    app.switch_page("views/metrics.py").run()
    again = review(open_app, folder, scan=SECOND)
    button(again, "verdict-accept").click().run()
    assert said_of_the_score(folder) == [True, True]
    other = review(open_app, folder, reader="Dr. Bo", scan=SECOND)
    button(other, "verdict-accept").click().run()
    assert said_of_the_score(folder) == [True, True, False]


def test_one_name_is_one_reader_and_a_name_like_another_s_is_refused(open_app, folder: Path) -> None:
    with opened(folder) as store:
        store.add_verdict(subject(folder, FIRST), reader="Dr. Ada", verdict=Verdict.REJECT)
    app = review(open_app, folder, reader="  DR.  ADA ")
    assert button(app, "verdict-reject").proto.type == "primary"
    assert "You: Reject" in [each.value for each in app.text]
    button(app, "undo").click().run()
    assert not reviews(folder)[FIRST].standing
    sign_in(app, "Dr. Аda")
    assert "mixes Cyrillic and Latin letters" in app.error[0].value
    assert button(app, "verdict-accept").disabled


def test_a_second_run_lies_beside(open_app, folder: Path) -> None:
    second_run(folder)
    app = review(open_app, folder, run="newer", evaluation="small-valid", other=f"{RUN}/small-valid")
    assert app.query_params["other"] == f"{RUN}/small-valid"
    assert app.query_params["view"] == f"panes:other-axial.prediction-axial~other:{RUN}/small-valid"


def demo_links(app: AppTest) -> list[str]:
    return [each.proto.url for each in app.get("link_button")]


def test_the_demo_opens_with_the_slice_where_the_server_has_one(open_app, folder: Path, monkeypatch) -> None:
    assert demo_links(review(open_app, folder)) == []
    monkeypatch.setattr(SERVER, "demo", LazyDemo(Workspace(folder), DEMO_PATH))
    number = evaluation_of(folder).scan_facts(FIRST)["slice_numbers"][1]
    assert demo_links(review(open_app, folder, slice=str(number))) == [demo_link(evaluation_of(folder), FIRST, number)]


def test_no_link_to_the_demo_tells_the_run_of_a_blind_round(open_app, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(SERVER, "demo", LazyDemo(Workspace(folder), DEMO_PATH))
    set_round(folder, name="Spring", blind=True)
    assert demo_links(review(open_app, folder)) == []
