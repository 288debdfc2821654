"""The viewer in Debian's chromium on a scan of 144 slices, beside `st.image` behind a slider, in one run.

``make bench`` makes a phantom; ``GUTCHECK_BENCH_WORKSPACE`` names another workspace, whose largest scan is opened instead.
The press-to-redraw times run from the key event's own time stamp to the moment the pictures are painted.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from playwright.sync_api import BrowserContext, Page

from core.config import PhantomConfig, SplitConfig
from core.data.prepare.phantoms import prepare_phantom
from core.imaging.scan_payload import PARTS, scan_payload
from core.runs.registry import Evaluation, list_runs
from core.storage.workspace import Workspace
from dashboard.web.scan_route import KEPT_SCANS, Packer
from tests.browser.conftest import ROOT, chromium, wait_for  # noqa: F401  (a fixture)
from tests.browser.small_workspace import evaluate_stub, server_environment

pytestmark = pytest.mark.benchmark
PRESSES = 200

WATCH = """(root) => {
  const viewer = root.gutcheck;
  window.seen = { times: [], painted: [], apart: 0 };
  let pressed = 0;
  root.addEventListener('keydown', (event) => (pressed = event.timeStamp), true);
  const canvas = viewer.panes[0].canvas;
  new MutationObserver(() => {
    window.seen.times.push(performance.now() - pressed);
    window.seen.painted.push(Number(canvas.dataset.slice));
  }).observe(canvas, { attributeFilter: ['data-slice'] });
  const frame = () => {
    window.seen.apart += new Set(viewer.shownPanes().map((pane) => pane.canvas.dataset.slice)).size > 1;
    requestAnimationFrame(frame);
  };
  frame();
}"""

WATCH_IMAGES = """() => {
  window.seen = { times: [], painted: [] };
  let pressed = 0;
  document.addEventListener('keydown', (event) => (pressed = event.timeStamp), true);
  document.addEventListener('load', ({ target }) => {
    if (target.tagName !== 'IMG') return;
    window.seen.times.push(performance.now() - pressed);
    window.seen.painted.push(target.src);
  }, true);
}"""


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    named = os.environ.get("GUTCHECK_BENCH_WORKSPACE")
    if named:
        return list_runs(Workspace.locate(named))[0].evaluations()[0]
    workspace = Workspace(tmp_path_factory.mktemp("bench") / "workspace")
    phantom = PhantomConfig(patients=3, slices=144, size=266)
    split = SplitConfig(valid_fraction=0.67)
    dataset = prepare_phantom(workspace.dataset("phantoms"), config=phantom, split=split, progress=lambda *_: None).root
    return evaluate_stub(workspace, dataset)


@contextmanager
def serving(module: str, evaluation: Evaluation, folder: Path) -> Iterator[str]:
    """The address of a server; its memory is printed at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", f"{module}:app", "--port", str(port), "--log-level", "warning"]
    environment = server_environment(evaluation.paths.root.parents[3])
    log = folder / "server.log"
    with log.open("wb") as out, subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
            print(f"server {module}: {psutil.Process(process.pid).memory_info().rss / 1e6:.0f} MB")
        finally:
            process.terminate()


def largest(evaluation: Evaluation) -> str:
    return max(evaluation.summary["scans"], key=lambda scan: len(evaluation.scan_facts(scan)["slice_numbers"]))


def tab_mb() -> float:
    """Memory that the largest renderer has for itself, in MB."""
    found = [each for each in psutil.Process().children(recursive=True) if "--type=renderer" in each.cmdline()]
    return max(each.memory_full_info().uss for each in found) / 1e6


def summary(times: list[float]) -> str:
    return f"median {np.median(times):.1f} ms, 95 % {np.percentile(times, 95):.1f} ms of {len(times)}"


def ready(page: Page) -> None:
    page.locator("[data-part=root][data-state=ready]").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)  # the next scan is fetched ahead


def presses(page: Page, count: int, *, pause_ms: int) -> None:
    """25 slices down, 25 up, and so on: a multiple of 50 presses ends where it began."""
    for i in range(count):
        page.keyboard.press("ArrowDown" if (i // 25) % 2 == 0 else "ArrowUp")
        if pause_ms:
            page.wait_for_timeout(pause_ms)


WATCH_FIRST = """
  const look = () => {
    const root = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('[data-part=root]') ?? (
      e.matches('[data-part=root]') ? e : null)).find(Boolean);
    if (root?.dataset.state === 'ready') requestAnimationFrame(() => { window.firstPicture = performance.now(); });
    else requestAnimationFrame(look);
  };
  look();
"""
"""Notes when the frame after the first picture begins."""
FIRST = """() => {
  const mine = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/gutcheck/scan/'));
  const [{ startTime, responseEnd, encodedBodySize }] = mine;
  const [page, shown] = [window.firstPicture, window.firstPicture - startTime];
  return { page, shown, fetched: responseEnd - startTime, bytes: encodedBodySize };
}"""


def test_the_viewer(chromium: BrowserContext, evaluation: Evaluation, tmp_path: Path) -> None:  # noqa: F811
    print(f"\nload of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with serving("tests.browser.viewer_server", evaluation, tmp_path) as base:
        for what in ("the server packs it", "the server has it packed"):
            for tab in chromium.pages:
                tab.close()
            page = chromium.new_page()
            page.add_init_script(WATCH_FIRST)
            page.goto(f"{base}/?scan={largest(evaluation)}&slice=40")
            ready(page)
            first = page.evaluate(FIRST)
            asked, fetched, page_ms, megabytes = first["shown"], first["fetched"], first["page"], first["bytes"] / 1e6
            print(f"first picture, {what}: {asked:.0f} ms after the page asked for the scan, {page_ms:.0f} after its own address")
            print(f"  the scan's last byte after {fetched:.0f} ms; {megabytes:.2f} MB sent")
        root = page.locator("[data-part=root]")
        memory = [tab_mb()]
        root.evaluate(WATCH)
        start = int(page.locator("[data-part=pane-0]").get_attribute("data-slice"))
        for count in (50, 150):
            presses(page, count, pause_ms=20)
            memory.append(tab_mb())
        seen = page.evaluate("window.seen")
        print(f"press to redraw: {summary(seen['times'])}")
        print("tab after 0, 50, 200 presses: " + ", ".join(f"{each:.0f}" for each in memory) + " MB")
        page.evaluate("() => { window.seen.times = []; window.seen.painted = []; }")
        presses(page, PRESSES, pause_ms=0)
        page.wait_for_timeout(500)
        quick = page.evaluate("window.seen")
        end = int(page.locator("[data-part=pane-0]").get_attribute("data-slice"))
        print(f"{PRESSES} quick presses: {len(quick['painted'])} frames painted, {len(set(quick['painted']))} of 26 slices seen")
        print(f"frames with panes on different slices: {quick['apart']}")
        assert end == start
        assert quick["apart"] == 0
        show_stroke(page)
        show_opening(page)


def show_stroke(page: Page) -> None:
    """Repainting three outlined planes and the reference after a dab, with every picture made anew and with those it touched."""
    script = """(root) => {
      const { gutcheck } = root;
      const { labels, size, depth } = gutcheck.scan;
      const [before, z] = [labels.slice(), depth >> 1];
      const panes = ['axial', 'coronal', 'sagittal'].map((plane) => ({ plane, content: 'prediction' }));
      panes.push({ plane: 'axial', content: 'reference' });
      gutcheck.change({ panes, mode: 'contour', at: { x: size.x >> 1, y: size.y >> 1, z } });
      gutcheck.layOut();
      const dab = (turn) => {
        for (let i = 0; i < 100; i++) labels[(z * size.y + 20 + (i % 10)) * size.x + 20 + turn + (i / 10 | 0)] ^= 1 << 2;
      };
      const time = (tell) => {
        const start = performance.now();
        for (let turn = 0; turn < 50; turn++) { dab(turn); tell(); gutcheck.paint(); }
        return (performance.now() - start) / 50;
      };
      time(() => gutcheck.labelsChanged());
      const answer = [time(() => gutcheck.labelsChanged()), time(() => gutcheck.labelsChanged(2, [z]))];
      labels.set(before);
      gutcheck.labelsChanged();
      return answer;
    }"""
    everything, touched = page.locator("[data-part=root]").evaluate(script)
    print(f"repaint after a dab: {everything:.1f} ms with every picture made anew, {touched:.1f} ms with those it touched")
    assert touched < everything


def show_opening(page: Page) -> None:
    """From a click to the first picture of another scan that was fetched ahead."""
    script = """(label) => new Promise((done) => {
      const root = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('[data-part=root]')).find(Boolean);
      const { gutcheck } = root;
      const from = gutcheck.data.url;
      const start = performance.now();
      [...document.querySelectorAll('button')].find((button) => button.textContent.includes(label)).click();
      const look = () => {
        const opened = gutcheck.data.url !== from && root.dataset.state === 'ready';
        if (opened) requestAnimationFrame(() => done(performance.now() - start));
        else requestAnimationFrame(look);
      };
      look();
    })"""
    print(f"click to the first picture, fetched ahead: {page.evaluate(script, 'Other scan'):.0f} ms")


def test_pictures_behind_a_slider(chromium: BrowserContext, evaluation: Evaluation, tmp_path: Path) -> None:  # noqa: F811
    with serving("tests.benchmarks.image_server", evaluation, tmp_path) as base:
        page = chromium.new_page()
        page.goto(base)
        slider = page.locator("[data-testid=stSlider] input[type=range], [data-testid=stSlider] [role=slider]").first
        slider.wait_for(timeout=60_000)
        page.wait_for_timeout(1000)
        page.evaluate(WATCH_IMAGES)
        slider.focus()
        memory = [tab_mb()]
        for _ in range(50):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(400)
        memory.append(tab_mb())
        print(f"\nst.image, press to the new pictures: {summary(page.evaluate('window.seen.times')[1::2])}")
        print("tab after 0, 50 presses: " + ", ".join(f"{each:.0f}" for each in memory) + " MB")
        page.evaluate("() => { window.seen.painted = []; }")
        presses(page, PRESSES, pause_ms=0)
        page.wait_for_timeout(3000)
        painted = page.evaluate("window.seen.painted")
        print(f"{PRESSES} quick presses: {len(painted) // 2} pairs of pictures shown")


def test_ten_scans_leave_the_server_as_it_was(evaluation: Evaluation) -> None:
    packer, scan = Packer(KEPT_SCANS), largest(evaluation)
    process = psutil.Process()
    used = []
    for turn in range(10):
        packer.pack(Evaluation(f"run{turn}", evaluation.name, evaluation.paths, evaluation.summary), scan)
        used.append(process.memory_info().rss / 1e6)
    print("\nserver after each of ten scans: " + ", ".join(f"{each:.0f}" for each in used) + " MB")
    for part in PARTS:
        print(f"{part}: {len(scan_payload(evaluation, scan, part).body) / 1e6:.2f} MB")
    assert used[-1] < 1.1 * used[KEPT_SCANS]
