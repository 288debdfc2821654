"""The main job in a real browser, through the real server: from Cases to a stored verdict, and on to the demo page."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.reviews.store.events import Finding, FindingKind, Round, Verdict
from core.reviews.store.leases import Leases
from core.reviews.store.state import ScanReview
from core.runs.registry import Evaluation
from tests.browser.conftest import BUTTONS, VIEWER, name_reader, served, settled, wait_for_scan
from tests.browser.small_workspace import HEIGHT, SCANS, WIDTH
from tests.dashboard.reviewing import opened, subject
from tests.page_client import open_tab
from tests.patience import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of this module's own."""
    return shutil.copytree(evaluation.paths.root.parents[3], tmp_path_factory.mktemp("flow") / "workspace")


@pytest.fixture(scope="module")
def dashboard(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``python -m dashboard`` on that workspace."""
    log = tmp_path_factory.mktemp("dashboard") / "server.log"
    with served(folder, log) as running:
        yield running.address
    written = log.read_text()
    assert not any(scan in written for scan in SCANS), "the server's log names a scan"


def test_a_whole_case_with_the_keyboard_alone(page: Page, dashboard: str, folder: Path) -> None:
    page.goto(dashboard)
    reader = page.get_by_role("textbox", name="Reader")
    reader.wait_for()
    reader.focus()
    page.keyboard.type("Dr. Ada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Next case")).to_be_enabled()
    reader.evaluate("each => each.blur()")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/review\?.*case=case2_day"))
    first = case_in(page)
    wait_for_scan(page, first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # the cross-hair
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")  # a finding there
    form = page.get_by_text(re.compile("Finding at slice"))
    expect(form).to_contain_text(f"column {WIDTH // 2 + 2}, row {HEIGHT // 2}")
    comment_on_it = page.get_by_role("textbox", name="Comment on the finding")
    expect(comment_on_it).to_be_focused()
    page.keyboard.type("tip **cut**")
    page.keyboard.press("Enter")
    expect(page.get_by_text("tip **cut**", exact=True)).to_be_visible()
    expect(comment_on_it).to_have_count(0)  # the form has gone, so that the key leads to the other field
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    comment = page.get_by_role("textbox", name="Comment", exact=True)
    expect(comment).to_be_focused()
    page.keyboard.type("good enough")
    page.keyboard.press("Escape")
    expect(comment).not_to_be_focused()
    settled(page, BUTTONS)  # until the page has taken the comment, they are about to be replaced
    page.keyboard.press("y")
    other = next(scan for scan in SCANS if scan != first)
    page.wait_for_url(re.compile(f"case={other}"))
    said = reviews_in(folder)[first]
    assert (said.verdicts, said.comments) == ({"Dr. Ada": Verdict.ACCEPT}, {"Dr. Ada": "good enough"})
    assert said.findings[0].payload["comment"] == "tip **cut**"
    wait_for_scan(page, other)
    page.keyboard.press("z")
    page.wait_for_url(re.compile(f"case={first}"))
    expect(page.get_by_text("You: Accept")).to_have_count(0)
    assert reviews_in(folder)[first].verdicts == {}
    wait_for_scan(page, first)
    page.keyboard.press("e")
    expect(page.get_by_text("You: Minor edits")).to_be_visible()


@pytest.fixture
def judged(small_copy: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a dashboard of its own, in a blind round of two, whose first scan Dr. Ada has judged."""
    with opened(small_copy) as store:
        store.set_round("stub", "small-valid", Round("Spring", 2, True), by="Lead")
        store.add_verdict(subject(small_copy, SCANS[0]), reader="Dr. Ada", verdict=Verdict.MINOR_EDITS, comment="good enough")
        finding = Finding(FindingKind.EXTRA, "stomach", 9, comment="tip")
        store.add_finding(subject(small_copy, SCANS[0]), reader="Dr. Ada", finding=finding)
    with served(small_copy, tmp_path / "server.log") as running:
        yield running.address


def test_a_second_reader_in_a_blind_round(page: Page, judged: str, small_copy: Path) -> None:
    # Dr. Ada has judged and may see it all.
    page.goto(f"{judged}/review?run=stub&evaluation=small-valid&case={SCANS[0]}&reader=Dr.%20Ada")
    page.wait_for_url(re.compile("round="))
    name_reader(page, "Dr. Bo")
    expect(page.get_by_role("button", name="Accept and next")).to_be_enabled()
    wait_for_scan(page, SCANS[0])
    telling = re.compile(r"\bstub\b|Minor edits:|good enough|tip|patient-clean|slice Dice|0\.\d{3}")
    # What stood there for the reader before goes once the whole page has been built anew.
    expect(page.locator("body")).not_to_contain_text(telling, use_inner_text=True)
    assert "stub" not in page.url
    expect(page.locator("[data-part=scores]")).to_have_text("")
    page.keyboard.press("m")
    expect(page.get_by_text("You: Major edits")).to_be_visible()
    expect(page.get_by_text(re.compile("Dr. Ada: Minor edits"))).to_be_visible()
    expect(page.get_by_text("patient-clean").first).to_be_visible()
    assert "stub" not in page.url
    with opened(small_copy) as store:
        assert store.verify() is None


def test_a_late_click_says_nothing_of_the_scan_that_came_meanwhile(judged: str, small_copy: Path) -> None:
    names = {"run": "stub", "evaluation": "small-valid"}
    with open_tab(judged, reader="Dr. Bo", scan=SCANS[0], **names) as tab:
        late = [tab.button(name) for name in ("verdict-reject", "accept-and-next", "undo")]
        tab.open(SCANS[1])
        for each in late:
            tab.press(each)
        assert "Dr. Bo" not in reviews_in(small_copy).get(SCANS[1], ScanReview()).verdicts
        tab.open(SCANS[1])  # Undo has led back
        tab.press(tab.button("verdict-reject"))
    assert reviews_in(small_copy)[SCANS[1]].verdicts["Dr. Bo"] == Verdict.REJECT


def test_a_click_is_heard_though_another_message_follows_at_once(judged: str, small_copy: Path) -> None:
    given = [*Verdict] * 3
    with open_tab(judged, reader="Dr. Bo", run="stub", evaluation="small-valid", scan=SCANS[1]) as tab:
        for verdict in given:
            tab.press_in_passing(tab.button(f"verdict-{verdict.value}"))
        wait_until(lambda: len(verdicts_of(small_copy, "Dr. Bo")) >= len(given), "verdicts")
    assert Counter(verdicts_of(small_copy, "Dr. Bo")) == Counter(given)


def test_of_quick_clicks_the_last_stands(judged: str, small_copy: Path) -> None:
    given = [Verdict.REJECT, Verdict.MAJOR_EDITS, Verdict.ACCEPT, Verdict.MINOR_EDITS] * 3
    with open_tab(judged, reader="Dr. Bo", run="stub", evaluation="small-valid", scan=SCANS[1]) as tab:
        tab.press_in_passing(*[tab.button(f"verdict-{verdict.value}") for verdict in given])
        wait_until(lambda: len(verdicts_of(small_copy, "Dr. Bo")) >= len(given), "verdicts")
    assert verdicts_of(small_copy, "Dr. Bo") == given


def test_back_counts_though_other_messages_come_before_and_after(judged: str) -> None:
    with open_tab(judged, reader="Dr. Bo", run="stub", evaluation="small-valid", scan=SCANS[0]) as tab:
        for scan in [SCANS[1], SCANS[0]] * 2:
            tab.open(scan, in_passing=True)
            wait_until(lambda tab=tab, scan=scan: tab.tell() or tab.title == scan, scan)


def test_a_finding_s_form_counts_once(page: Page, judged: str, small_copy: Path) -> None:
    page.goto(f"{judged}/review?run=stub&evaluation=small-valid&case={SCANS[1]}&slice=7")
    name_reader(page, "Dr. Bo")
    wait_for_scan(page, SCANS[1])
    page.keyboard.press("q")
    expect(page.get_by_role("textbox", name="Comment on the finding")).to_be_focused()
    page.get_by_role("button", name="Add finding").dblclick()
    expect(page.get_by_role("textbox", name="Comment on the finding")).to_have_count(0)
    assert len(reviews_in(small_copy)[SCANS[1]].findings) == 1
    # The keys are the viewer's again.
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("slice=8"))


def test_a_message_with_the_address_of_before_does_not_lead_back(judged: str) -> None:
    with open_tab(judged, reader="Dr. Bo", run="stub", evaluation="small-valid", scan=SCANS[0]) as tab:
        for name, scan in [("accept-and-next", SCANS[1]), ("undo", SCANS[0])] * 3:
            tab.press_in_passing(tab.button(name))
            wait_until(lambda tab=tab, scan=scan: tab.tell() or tab.title == scan, scan)
            tab.tell()
            assert tab.title == scan


def test_next_right_after_a_verdict_passes_no_scan_over(judged: str, small_copy: Path) -> None:
    with open_tab(judged, reader="Dr. Bo", run="stub", evaluation="small-valid", scan=SCANS[1]) as tab:
        tab.press_in_passing(tab.button("verdict-accept"), tab.button("next-case"))
        wait_until(lambda: tab.tell() or tab.title == SCANS[0], SCANS[0])
    with opened(small_copy) as store, store.reading() as connection:
        leases = Leases(connection, run="stub", evaluation="small-valid", clock=store.clock).active()
    assert [lease.scan for lease in leases if lease.skipped] == []


def verdicts_of(folder: Path, reader: str) -> list[Verdict]:
    with opened(folder) as store:
        return [Verdict(each.payload["verdict"]) for each in store.history(kind="verdict") if each.reader == reader]


def test_a_verdict_key_waits_for_the_buttons_of_the_scan_in_the_panes(page: Page, judged: str, small_copy: Path) -> None:
    page.goto(f"{judged}/review?run=stub&evaluation=small-valid&case={SCANS[1]}")
    name_reader(page, "Dr. Bo")
    wait_for_scan(page, SCANS[1])
    # The panes are on another scan already, the buttons not yet.
    own = page.evaluate(f"() => {{ const {{ data }} = {VIEWER}; const own = data.scale; data.scale += 'x'; return own; }}")
    page.keyboard.press("x")
    page.keyboard.press("PageDown")  # other keys work
    expect(page).to_have_url(re.compile("view=|slice="))
    page.evaluate(f"(own) => {{ ({VIEWER}).data.scale = own; }}", own)
    page.keyboard.press("m")
    expect(page.get_by_text("You: Major edits")).to_be_visible()
    assert verdicts_of(small_copy, "Dr. Bo") == [Verdict.MAJOR_EDITS]


def test_a_finding_on_the_slice_is_on_the_slice_that_is_shown(page: Page, judged: str) -> None:
    page.goto(f"{judged}/review?run=stub&evaluation=small-valid&case={SCANS[0]}&slice=7")
    name_reader(page, "Dr. Bo")
    wait_for_scan(page, SCANS[0])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("q")  # before the viewer has come to rest and told where it is
    expect(page.get_by_text("Finding at slice 8")).to_be_visible()


def case_in(page: Page) -> str:
    return re.search(r"case=(case2_day\d)", page.url)[1]


def reviews_in(folder: Path) -> dict[str, ScanReview]:
    with opened(folder) as store:
        return store.reviews(run="stub", evaluation="small-valid")


def test_a_click_in_a_picture_pins_a_finding(page: Page, dashboard: str, folder: Path) -> None:
    page.goto(f"{dashboard}/review?run=stub&evaluation=small-valid&case={SCANS[0]}&slice=9")
    name_reader(page, "Dr. Bo")
    expect(page.get_by_role("button", name="Accept and next")).to_be_enabled()
    wait_for_scan(page, SCANS[0])
    # What comes in above the pictures moves them.
    box = settled(page, f"() => ({VIEWER}).panes[1].canvas.getBoundingClientRect().toJSON()")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("button", name="Add finding").click()
    row = page.get_by_role("button", name=re.compile(", slice 9$"))
    expect(row).to_be_visible()
    finding = next(each for each in reviews_in(folder)[SCANS[0]].findings if each.reader == "Dr. Bo")
    assert (finding.reader, finding.payload["slice_number"]) == ("Dr. Bo", 9)
    assert abs(finding.payload["x"] - WIDTH / 2) <= 1
    assert abs(finding.payload["y"] - HEIGHT / 2) <= 1
    page.get_by_role("button", name="✕").last.click()
    expect(row).to_have_count(0)


def test_a_link_opens_the_same_case_and_slice(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/review?run=stub&evaluation=small-valid&case={SCANS[1]}&slice=9")
    expect(page.get_by_role("heading", name=SCANS[1])).to_be_visible()
    expect(page.get_by_role("slider", name=re.compile("slice", re.I)).first).to_have_attribute("aria-valuetext", re.compile("9"))


def test_scrolling_in_the_viewer_writes_the_slice_into_the_url(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/review?run=stub&evaluation=small-valid&case={SCANS[0]}&slice=7")
    slider = page.get_by_role("slider", name=re.compile("slice", re.I)).first
    # The slider stands before the scan has come, and a key pressed then has nothing to move.
    expect(slider).to_have_attribute("aria-valuetext", re.compile("7"))
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("slice=8"))


def test_no_request_leaves_this_machine(page: Page, dashboard: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in (
        "",
        "review",
        "round",
        "round?section=out",
        "metrics",
        "metrics?section=mistakes",
        "compare",
        "data",
        "training",
        "try",
    ):
        page.goto(f"{dashboard}/{path}")
        page.get_by_role("heading").first.wait_for()
        page.wait_for_load_state("networkidle")
    assert {url for url in asked if not url.startswith((dashboard, "data:", "blob:"))} == set()


def test_the_same_server_opens_the_demo(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/try")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the demo").click()
    demo = opened.value
    demo.get_by_role("button", name="Segment").wait_for()
    assert demo.url.startswith(f"{dashboard}/demo")
    demo.close()
