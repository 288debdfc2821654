"""The main job in a real browser, through the real server: from Cases to a stored verdict, and on to the demo page."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.reviews import ReviewStore, Verdict
from core.runs import Evaluation
from core.workspace import Workspace
from tests.browser.conftest import ROOT, wait_for
from tests.browser.small_workspace import HEIGHT, SCANS, WIDTH

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of this module's own."""
    return shutil.copytree(evaluation.paths.root.parents[3], tmp_path_factory.mktemp("flow") / "workspace")


@pytest.fixture(scope="module")
def dashboard(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``python -m dashboard`` on that workspace."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("dashboard") / "server.log"
    command = [sys.executable, "-m", "dashboard", "--workspace", str(folder), "--port", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
    written = log.read_text()
    assert not any(scan in written for scan in SCANS), "the server's log names a scan"


def test_from_cases_to_a_stored_verdict(page: Page, dashboard: str, folder: Path) -> None:
    page.goto(dashboard)
    page.get_by_text("patient-clean").first.wait_for(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Review the worst unreviewed case").click()
    page.wait_for_url(re.compile(r"/review\?.*case=case2_day"), timeout=PATIENCE_MS)
    worst = re.search(r"case=(case2_day\d)", page.url)[1]
    reader = page.get_by_role("textbox", name="Reader")
    reader.fill("Dr. Ada")
    reader.press("Enter")
    accept = page.get_by_role("button", name="Accept")
    expect(accept).to_be_enabled(timeout=PATIENCE_MS)
    accept.click()
    expect(page.get_by_text("You: Accept")).to_be_visible(timeout=PATIENCE_MS)
    store = ReviewStore.open(Workspace(folder).reviews_db)
    review = store.reviews(run="stub", evaluation="small-valid")[worst]
    assert review.verdicts == {"Dr. Ada": Verdict.ACCEPT}
    assert store.verify() is None
    store.close()
    page.get_by_role("button", name="Next unreviewed").click()
    other = next(scan for scan in SCANS if scan != worst)
    page.wait_for_url(re.compile(f"case={other}"), timeout=PATIENCE_MS)


def test_a_click_in_a_picture_pins_a_finding(page: Page, dashboard: str, folder: Path) -> None:
    page.goto(f"{dashboard}/review?run=stub&evaluation=small-valid&case={SCANS[0]}&slice=9")
    reader = page.get_by_role("textbox", name="Reader")
    reader.fill("Dr. Bo")
    reader.press("Enter")
    page.get_by_role("slider", name=re.compile("slice", re.I)).first.wait_for(timeout=PATIENCE_MS)
    box = page.locator("canvas").nth(1).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("button", name="Add finding").click(timeout=PATIENCE_MS)
    row = page.get_by_role("button", name="Missed, Stomach, slice 9")
    expect(row).to_be_visible()
    store = ReviewStore.open(Workspace(folder).reviews_db)
    finding = store.reviews(run="stub", evaluation="small-valid")[SCANS[0]].findings[0]
    store.close()
    assert (finding.reader, finding.payload["slice_number"]) == ("Dr. Bo", 9)
    assert abs(finding.payload["x"] - WIDTH / 2) <= 1
    assert abs(finding.payload["y"] - HEIGHT / 2) <= 1
    page.get_by_role("button", name="✕").click()
    expect(row).to_have_count(0)


def test_a_link_opens_the_same_case_and_slice(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/review?run=stub&evaluation=small-valid&case={SCANS[1]}&slice=9")
    expect(page.get_by_role("heading", name=SCANS[1])).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("slider", name=re.compile("slice", re.I)).first).to_have_attribute("aria-valuetext", re.compile("9"))


def test_scrolling_in_the_viewer_writes_the_slice_into_the_url(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/review?run=stub&evaluation=small-valid&case={SCANS[0]}&slice=7")
    slider = page.get_by_role("slider", name=re.compile("slice", re.I)).first
    # The slider stands before the scan has come, and a key pressed then has nothing to move.
    expect(slider).to_have_attribute("aria-valuetext", re.compile("7"), timeout=PATIENCE_MS)
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("slice=8"), timeout=PATIENCE_MS)


def test_no_request_leaves_this_machine(page: Page, dashboard: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("", "review", "metrics", "metrics?section=mistakes", "compare", "data", "training", "try"):
        page.goto(f"{dashboard}/{path}")
        page.get_by_role("heading").first.wait_for(timeout=PATIENCE_MS)
        page.wait_for_load_state("networkidle")
    assert {url for url in asked if not url.startswith((dashboard, "data:", "blob:"))} == set()


def test_the_same_server_opens_the_demo(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/try")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the demo").click()
    demo = opened.value
    demo.get_by_role("button", name="Segment").wait_for(timeout=2 * PATIENCE_MS)
    assert demo.url.startswith(f"{dashboard}/demo")
    demo.close()
