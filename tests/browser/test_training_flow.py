"""A run started in the browser outlives page and server; it is stopped, resumed, and its scores can be opened."""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from core.config import PhantomConfig, SplitConfig
from core.data.prepare.phantoms import prepare_phantom
from core.runs.registry import read_status
from core.storage.workspace import Workspace
from tests.browser.conftest import served
from tests.patience import WAIT_MS

pytestmark = [pytest.mark.browser, pytest.mark.long]
PHANTOMS = PhantomConfig(patients=3, slices=8, size=64)
LIMIT_MS = 3 * WAIT_MS
"""A training begins with the import of torch, and goes on for 45 epochs."""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "workspace")
    prepare_phantom(made.dataset("phantoms"), config=PHANTOMS, split=SplitConfig(valid_fraction=0.34))
    yield made
    for process in psutil.process_iter(["cmdline"]):
        if str(made.root) in (process.info["cmdline"] or []):
            process.kill()


def fill(page: Page, label: str, value: str) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Enter")


def test_start_kill_the_server_stop_resume_open(workspace: Workspace, page: Page, tmp_path: Path) -> None:
    run = workspace.run("mine")
    with served(workspace.root, tmp_path / "server.log") as running:
        page.goto(f"{running.address}/training")
        fill(page, "Name of the run", "mine")
        fill(page, "Epochs", "45")
        fill(page, "Image size (px)", "64")
        expect(page.get_by_text("Its scores will be patient-clean")).to_be_visible()
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_text("The same four validation slices after each epoch").wait_for(timeout=LIMIT_MS)
        expect(page.get_by_text(re.compile(r"running, epoch \d+ of 45"))).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name="Stop after this step")).to_be_visible()
    epoch = read_status(run).epoch
    with served(workspace.root, tmp_path / "server.log") as running:
        page.goto(f"{running.address}/training?run=mine")
        expect(page.get_by_text(re.compile(r"running, epoch \d+ of 45"))).to_be_visible()
        assert read_status(run).epoch >= epoch >= 1
        page.get_by_role("button", name="Stop after this step").click()
        page.get_by_role("button", name="Resume").wait_for(timeout=LIMIT_MS)
        assert read_status(run).state == "stopped"
        page.get_by_role("button", name="Resume").click()
        page.get_by_text(re.compile(r"finished: Finished\.\s+Epoch 45 of 45")).wait_for(timeout=LIMIT_MS)
        page.get_by_role("link", name="Review phantoms-valid (patient-clean)").click()
        expect(page.get_by_text("patient-clean").first).to_be_visible()
        assert "run=mine" in page.url
