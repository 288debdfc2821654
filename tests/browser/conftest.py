"""Debian's chromium and a server of the viewer, one each for all browser tests; and the dashboard on any workspace."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from core.runs.registry import Evaluation
from dashboard.web.access import PASSWORD_VARIABLE
from tests.browser.small_workspace import server_command, server_environment, small_workspace
from tests.patience import WAIT_MS, WAIT_S, wait_until

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).resolve().parents[2]
VIEWER = (
    "[...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('[data-part=root]')"
    " ?? (e.matches('[data-part=root]') ? e : null)).find(Boolean)?.gutcheck"
)
"""The page's viewer, for scripts."""
BUTTONS = f"""() => {{
  const state = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState;
  const {{ scale }} = ({VIEWER}).data;
  return scale ? state === "notRunning" && document.querySelector(`.st-key-${{scale}} button`) && "its own" : "none";
}}"""
"""What `settled` waits for: the page is drawn, and the buttons of the verdict are those of the scan and reader in the viewer."""
FORGET = """
try {
  if (!sessionStorage.getItem("fresh")) localStorage.clear();
  sessionStorage.setItem("fresh", "1");
} catch { /* a frame that keeps nothing */ }
"""
"""A new tab's first visit forgets who read there in the tests before."""
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="session")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Two small scans and their stub predictions; not to be changed."""
    return small_workspace(tmp_path_factory.mktemp("viewer"))


@pytest.fixture(scope="session")
def server(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server of the viewer page."""
    port = free_port()
    workspace = evaluation.paths.root.parents[3]
    log = tmp_path_factory.mktemp("server") / "server.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            server_command(port), env=server_environment(workspace), cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Served:
    """A running dashboard."""

    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def served(workspace: Path, log: Path, *, port: int | None = None, password: str | None = None) -> Iterator[Served]:
    """``python -m dashboard`` on a workspace; killed, not asked to stop, at the end."""
    for _ in range(3):
        chosen = port or free_port()
        with _started(workspace, log, port=chosen, password=password) as running:
            if running is not None:
                yield running
                return
    raise RuntimeError(f"no port was free: {log.read_text()[-2000:]}")


@contextmanager
def _started(workspace: Path, log: Path, *, port: int, password: str | None) -> Iterator[Served | None]:
    """The server, or nothing where another program took the port meanwhile."""
    command = [sys.executable, "-m", "dashboard", "--workspace", str(workspace), "--port", str(port)]
    environment = os.environ | ({PASSWORD_VARIABLE: password} if password else {})
    page = "sign-in" if password else "_stcore/health"
    address = f"http://127.0.0.1:{port}"
    with log.open("ab") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as process:
        try:
            try:
                wait_for(f"{address}/{page}", process, log)
            except RuntimeError:
                if "address already in use" not in log.read_text():
                    raise
                yield None
            else:
                yield Served(address, process)
        finally:
            process.kill()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the address answers."""

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=10):
                return True
        except OSError:
            return False

    wait_until(answers, url)


def new_context(browser: Browser) -> BrowserContext:
    """A window of 1280×900 whose every wait is a patient one."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    return context


def wait_for_scan(page: Page, scan: str = "") -> None:
    """Until that scan (or the one that the page wants, whichever) is painted, with its own buttons; it then has the keys."""
    is_wanted, is_ready = "viewer?.data?.url.includes(scan)", "viewer.root.dataset.state === 'ready'"
    page.wait_for_function(f"(scan) => {{ const viewer = {VIEWER}; return {is_wanted} && {is_ready}; }}", arg=scan)
    settled(page, BUTTONS)
    page.locator("[data-part=root]").focus()


def name_reader(page: Page, name: str) -> None:
    """Give a reader's name, and wait until the page is theirs."""
    field = page.get_by_role("textbox", name="Reader")
    field.fill(name)
    field.press("Enter")
    wait_for_reader(page, name)


def wait_for_reader(page: Page, name: str) -> None:
    """Until the viewer and the buttons of the verdict are that reader's."""
    page.wait_for_function(f"(name) => ({VIEWER})?.data?.edit?.reader === name", arg=name)
    settled(page, BUTTONS)


def settled(page: Page, script: str, given: object = None) -> Any:
    """What a script finds once it has found the same, and something, in ten frames in a row: nothing moves any more."""
    steady = f"""async (given) => {{
      const frame = () => new Promise(requestAnimationFrame);
      const look = () => JSON.stringify(({script})(given) ?? null);
      let before = look();
      for (let same = 0; same < 10; ) {{
        await frame();
        const now = look();
        same = now === before && now !== "null" ? same + 1 : 0;
        before = now;
      }}
      return JSON.parse(before);
    }}"""
    return page.evaluate(steady, given)


def wait_in(page: Page, done: Callable[[], bool]) -> None:
    """Until something that the page's events tell Python is so; they are heard only while the page is waited for."""
    end = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < end, "it never came"
        page.wait_for_timeout(20)


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserContext]:
    """One browser; its tabs share a cache, so that Streamlit's own scripts load once."""
    if not os.path.exists(CHROMIUM):
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield new_context(browser)
        browser.close()


@pytest.fixture
def page(chromium: BrowserContext) -> Iterator[Page]:
    """A fresh tab of 1280×900 that fails the test on an error in the page."""
    page = chromium.new_page()
    page.add_init_script(FORGET)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []
