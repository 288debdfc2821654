"""What a reader meets on Cases and Review: rows that open, a form that takes what is typed, the next scan's panes, leases."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.reviews.queue.scan_table import read_scan_table
from core.reviews.queue.worklist import Worklist
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from tests.browser.conftest import served
from tests.browser.small_workspace import RUN, SCANS

pytestmark = pytest.mark.browser
ROW_PX, HEAD_PX = 34, 35


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of this module's own."""
    return shutil.copytree(evaluation.paths.root.parents[3], tmp_path_factory.mktemp("screen") / "workspace")


@pytest.fixture(scope="module")
def dashboard(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(folder, tmp_path_factory.mktemp("log") / "server.log") as running:
        yield running.address


@pytest.fixture(autouse=True)
def _free_scans(folder: Path) -> None:
    """Nobody has a scan at hand from the test before."""
    with closing(sqlite3.connect(Workspace(folder).reviews_db)) as database, suppress(sqlite3.OperationalError), database:
        database.execute("DELETE FROM leases")


def part(page: Page, name: str):
    return page.locator(f"[data-part={name}]")


def open_scan(page: Page, dashboard: str, scan: str, reader: str) -> None:
    # The browser may know another reader, from the test before.
    page.goto(f"{dashboard}/gutcheck/nothing")
    page.evaluate("(reader) => localStorage.setItem('gutcheck-reader', reader)", reader)
    page.goto(f"{dashboard}/review?run={RUN}&evaluation=small-valid&case={scan}&slice=9")
    expect(page.get_by_role("textbox", name="Reader")).to_have_value(reader)
    expect(page.get_by_role("button", name="Accept and next")).to_be_enabled()
    page.locator("[data-part=root][data-state=ready]").wait_for()
    part(page, "root").focus()


def at_hand(folder: Path) -> dict[str, str]:
    evaluation = open_run(Workspace(folder).run(RUN).root).evaluation("small-valid")
    store = ReviewStore.open(Workspace(folder).reviews_db)
    try:
        return Worklist(store, read_scan_table(evaluation)).at_hand()
    finally:
        store.close()


def reviews(folder: Path) -> dict[str, ScanReview]:
    store = ReviewStore.open(Workspace(folder).reviews_db)
    try:
        return store.reviews(run=RUN, evaluation="small-valid")
    finally:
        store.close()


def test_a_look_leases_nothing_and_the_first_key_in_the_viewer_does(page: Page, dashboard: str, folder: Path) -> None:
    open_scan(page, dashboard, SCANS[0], "Dr. Ada")
    part(page, "root").evaluate("({ gutcheck: v }) => v.change({ at: { ...v.view.at, z: 3 } })")  # nobody's hand
    expect(page).to_have_url(re.compile("slice=8"))
    assert at_hand(folder) == {}
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("slice=9"))
    assert at_hand(folder) == {SCANS[0]: "Dr. Ada"}
    page.get_by_role("link", name="Cases").click()
    page.get_by_role("button", name=f"Resume {SCANS[0]}").wait_for()


@pytest.mark.parametrize("column", [0.25, 0.9])
def test_a_click_in_any_cell_opens_the_row(page: Page, dashboard: str, column: float) -> None:
    page.goto(dashboard)
    grid = page.locator(".st-key-case_list [data-testid=data-grid-canvas]")
    grid.get_by_text(SCANS[1], exact=True).wait_for(state="attached")
    box, row = grid.bounding_box(), row_of(page, SCANS[1])
    assert box
    page.mouse.click(box["x"] + column * box["width"], box["y"] + HEAD_PX + (row + 0.5) * ROW_PX)
    page.wait_for_url(re.compile(f"review.*case={SCANS[1]}"))


def test_enter_opens_the_row_in_focus_and_the_arrows_only_look(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    grid = page.locator(".st-key-case_list [data-testid=data-grid-canvas]")
    grid.get_by_text(SCANS[1], exact=True).wait_for(state="attached")
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # the first row, whether the focus alone was there or not
    for _ in range(row_of(page, SCANS[1])):
        page.keyboard.press("ArrowDown")
    cell = grid.locator(f"#glide-cell-1-{row_of(page, SCANS[1])}")
    expect(cell).to_have_attribute("aria-selected", "true")
    expect(cell).to_be_focused()  # a screen reader's cell, which takes the focus from the picture of the table
    expect(page).not_to_have_url(re.compile("review"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"review.*case={SCANS[1]}"))


def row_of(page: Page, scan: str) -> int:
    rows = page.locator(".st-key-case_list [data-testid=data-grid-canvas] tbody tr")
    return next(i for i, text in enumerate(rows.all_inner_texts()) if scan in text)


def test_what_is_typed_after_a_click_is_the_finding_s_comment_and_no_verdict(page: Page, dashboard: str, folder: Path) -> None:
    open_scan(page, dashboard, SCANS[1], "Dr. Bo")
    box = part(page, "pane-1").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.type("axe we may")  # every verdict's letter, and the viewer's space
    field = page.get_by_role("textbox", name="Comment on the finding")
    expect(field).to_be_focused()
    expect(field).to_have_value("axe we may")
    page.keyboard.press("Enter")
    expect(page.get_by_text("axe we may", exact=True)).to_be_visible()
    said = reviews(folder)[SCANS[1]]
    assert (said.verdicts, said.findings[-1].payload["comment"]) == ({}, "axe we may")
    part(page, "root").focus()
    page.keyboard.press("q")
    page.keyboard.type("mx")
    expect(field).to_have_value("mx")
    assert reviews(folder)[SCANS[1]].verdicts == {}
    page.get_by_role("button", name="Cancel").click()
    expect(field).to_have_count(0)
    part(page, "root").focus()
    page.keyboard.press("x")  # the keys give verdicts again
    expect(page.get_by_text("You: Reject")).to_be_visible()


def test_after_a_correction_the_next_scan_shows_its_prediction(page: Page, dashboard: str, folder: Path) -> None:
    open_scan(page, dashboard, SCANS[0], "Dr. Cy")
    part(page, "correct").click()
    expect(part(page, "content-1")).to_have_value("correction")
    expect(page).to_have_url(re.compile("correction"))
    page.locator(".st-key-next button:enabled, .st-key-previous button:enabled").first.click()
    page.wait_for_url(re.compile(f"case={SCANS[1]}"))
    expect(page.locator("[data-part=root][data-state=ready]")).to_be_visible()
    expect(part(page, "content-1")).to_have_value("prediction")
    expect(part(page, "pane-1")).to_have_attribute("aria-label", re.compile("^Prediction"))
    expect(page).not_to_have_url(re.compile("correction"))
