"""The Gradio demo on a CPU: click to result, fifty uploads at once, and what mounting it costs the dashboard.

``make bench`` measures a b0 with the weights of the embedded demo, in ONNX Runtime where the run holds a ``model.onnx``.
``GUTCHECK_BENCH_MODEL`` names another model's folder.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import sync_playwright

from core.data.images import write_png
from core.data.phantom.scan import make_scan
from core.model.onnx_export import export_onnx
from core.storage.workspace import CARRIED_RUN
from tests.browser.conftest import ARGUMENTS, CHROMIUM

pytestmark = pytest.mark.benchmark
ROOT = Path(__file__).resolve().parents[2]
CLICKS, AT_ONCE = 20, 50


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "GUTCHECK_BENCH_MODEL" in os.environ:
        return Path(os.environ["GUTCHECK_BENCH_MODEL"])
    folder = Path(shutil.copytree(CARRIED_RUN / "model", tmp_path_factory.mktemp("bench") / "model"))
    export_onnx(folder)
    return folder


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Fifty phantom slices of 266 pixels, 16 bits."""
    folder = tmp_path_factory.mktemp("slices")
    image = make_scan(1, shape=(AT_ONCE, 266, 266)).image
    for number, plane in enumerate(image):
        write_png(folder / f"slice_{number:02d}.png", plane)
    return sorted(folder.iterdir())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def server(*words: str, **environment: str) -> Iterator[tuple[psutil.Process, str, float]]:
    """A server's process, its address, and the seconds until it answered."""
    port, started = free_port(), time.perf_counter()
    command = [sys.executable, "-m", *words, "--port", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            address = f"http://127.0.0.1:{port}/"
            while process.poll() is None and not answers(address):
                time.sleep(0.05)
            yield psutil.Process(process.pid), address, time.perf_counter() - started
        finally:
            process.terminate()


def answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(address, timeout=5):
        return True
    return False


def megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def shown(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, 95% {np.percentile(seconds, 95):.2f} s, longest {max(seconds):.2f} s"


def test_click_to_result(model: Path, slices: list[Path]) -> None:
    with server("dashboard.demo", "--run", str(model)) as (process, address, _), sync_playwright() as playwright:
        before = megabytes(process)
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS).new_page()
        page.goto(address)
        taken = []
        for path in slices[: CLICKS + 1]:
            page.set_input_files("#files input[type=file]", path)
            page.wait_for_function(f"document.querySelector('#status').innerText.includes('{path.name}')")
            started = time.perf_counter()
            page.click("#segment")
            page.wait_for_selector("#slice_statistics tbody tr")
            page.wait_for_function("document.querySelector('#overlay img')?.naturalWidth > 0")
            taken.append(time.perf_counter() - started)
        print(f"\nclick to result, {CLICKS} slices after a first of {taken[0]:.2f} s: {shown(taken[1:])}")
        print(f"memory of the server: {before:.0f} MB when ready, {megabytes(process):.0f} MB after")


def test_fifty_uploads_at_once(model: Path, slices: list[Path]) -> None:
    with server("dashboard.demo", "--run", str(model)) as (process, address, _):
        clients = [Client(address, verbose=False, analytics_enabled=False) for _ in range(AT_ONCE)]
        clients[0].predict(handle_file(slices[0]), api_name="/predict")
        before, gate, highest = megabytes(process), threading.Barrier(AT_ONCE), [0.0]

        def one(client: Client, path: Path) -> float:
            gate.wait()
            started = time.perf_counter()
            answer = client.predict(handle_file(path), api_name="/predict")
            highest[0] = max(highest[0], megabytes(process))
            assert sum(row["pixels"] for row in answer["classes"]) == 266 * 266
            return time.perf_counter() - started

        with ThreadPoolExecutor(AT_ONCE) as pool:
            taken = list(pool.map(one, clients, slices))
        print(f"\n{AT_ONCE} uploads at once: {len(taken)} answered, {shown(taken)}")
        print(f"memory of the server: {before:.0f} MB before, at most {highest[0]:.0f} MB")


WITHOUT_DEMO = """
import sys
from starlette.responses import PlainTextResponse
from dashboard.demo import lazy as lazy_demo
from dashboard.server import main

class NoDemo:
    def __init__(self, workspace, path): self.answer = PlainTextResponse("no demo")
    async def __call__(self, scope, receive, send): await self.answer(scope, receive, send)
    async def close(self): pass

lazy_demo.LazyDemo = NoDemo
main(sys.argv[1:])
"""


def test_what_the_demo_costs_the_dashboard(model: Path, tmp_path: Path) -> None:
    run = shutil.copytree(CARRIED_RUN, tmp_path / "workspace" / "runs" / "demo")
    shutil.copytree(model, run / "model", dirs_exist_ok=True)
    (tmp_path / "without.py").write_text(WITHOUT_DEMO)
    words = ("--workspace", str(tmp_path / "workspace"))
    print()
    for _ in range(3):
        with server("without", *words, PYTHONPATH=f"{tmp_path}:{ROOT}") as (process, _, seconds):
            print(f"dashboard without the demo: {seconds:.2f} s to the first answer, {megabytes(process):.0f} MB")
        with server("dashboard", *words) as (process, address, seconds):
            print(f"dashboard with the demo mounted: {seconds:.2f} s to the first answer, {megabytes(process):.0f} MB", end="; ")
            started = time.perf_counter()
            while httpx.get(f"{address}demo/", timeout=60).status_code == 202:
                time.sleep(0.1)
            print(f"demo ready {time.perf_counter() - started:.1f} s after its first request, {megabytes(process):.0f} MB")
