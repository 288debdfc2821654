"""The Gradio demo as people meet it: started by its command, used in a browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from transformers import SegformerForSemanticSegmentation

from core.config import DatasetConfig
from core.data.images import read_image, write_png
from core.model import architecture, save_model
from core.overlay import class_statistics
from core.predict import Predictor

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 120
SIZE = (61, 87)
"""(height, width) of the uploaded slice."""


@dataclass(frozen=True)
class RunningDemo:
    process: subprocess.Popen[str]
    url: str
    model: Path
    temporary: Path
    """Where the process keeps its temporary files."""


@pytest.fixture(scope="module")
def running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """The demo's command with a small random model."""
    torch.manual_seed(0)
    model, temporary = tmp_path_factory.mktemp("tiny") / "random-b0", tmp_path_factory.mktemp("temporary")
    save_model(SegformerForSemanticSegmentation(architecture("b0")), model, DatasetConfig(image_size=64))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dashboard.demo", "--run", str(model), "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"}
    environment |= {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=subprocess.STDOUT) as process:
        try:
            _wait_until_ready(process)
            yield RunningDemo(process, f"http://127.0.0.1:{port}/", model, temporary)
        finally:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    start = time.monotonic()
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("GutCheck demo: http://127.0.0.1:"):
            return
        assert time.monotonic() - start < START_LIMIT_S, line
    raise RuntimeError(f"the demo ended with {process.wait()}")


@pytest.fixture
def slice_png(tmp_path: Path) -> Path:
    path = tmp_path / "case1_day0_slice_0001.png"
    write_png(path, np.random.default_rng(0).integers(0, 4000, SIZE, np.uint16))
    return path


def _upload(page: Page, path: Path) -> None:
    page.set_input_files("#picture input[type=file]", path)


def _counted(page: Page) -> list[int]:
    cells = page.locator("#statistics tbody td:nth-child(2)").all_inner_texts()
    return [int(text.replace(",", "")) for text in cells]


def _natural_size(page: Page, selector: str) -> list[int]:
    page.wait_for_function(f"document.querySelector('{selector}')?.naturalWidth > 0")
    size: list[int] = page.evaluate(f"(i => [i.naturalHeight, i.naturalWidth])(document.querySelector('{selector}'))")
    return size


def test_upload_segment_and_blend(running_demo: RunningDemo, slice_png: Path, page: Page) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(running_demo.url)
    expect(page.locator("#heading")).to_contain_text("Not a medical device")
    expect(page.locator("#heading")).to_contain_text("random-b0")
    _upload(page, slice_png)
    expect(page.locator("#statistics")).to_contain_text("not segmented yet")
    assert _natural_size(page, "#overlay img") == list(SIZE)

    page.click("#segment")

    assert _natural_size(page, "#mask img") == list(SIZE)
    label_map, _ = Predictor.load(running_demo.model).predict_slice(read_image(slice_png))
    expect(page.locator("#statistics tbody tr")).to_have_count(4)
    assert _counted(page) == [row["pixels"] for row in class_statistics(label_map)]
    overlay = page.locator("#overlay img")
    before = overlay.get_attribute("src")
    page.fill("#opacity input[type=number]", "0.9")
    page.keyboard.press("Enter")
    expect(overlay).not_to_have_attribute("src", before or "")
    assert {urlsplit(url).netloc for url in requests if url.startswith("http")} == {urlsplit(running_demo.url).netloc}


def test_an_example_is_segmented(running_demo: RunningDemo, page: Page) -> None:
    page.goto(running_demo.url)
    page.locator("button.gallery-item").first.click()
    expect(page.locator("#statistics")).to_contain_text("not segmented yet")
    page.click("#segment")
    assert _natural_size(page, "#mask img") == [224, 224]
    assert sum(_counted(page)) == 224 * 224


def test_a_bad_picture_is_one_sentence_and_clears_the_result(
    running_demo: RunningDemo, slice_png: Path, tmp_path: Path, page: Page
) -> None:
    page.goto(running_demo.url)
    _upload(page, slice_png)
    page.click("#segment")
    expect(page.locator("#statistics tbody tr")).to_have_count(4)
    bad = tmp_path / "bad.png"
    bad.write_bytes(slice_png.read_bytes()[:300])
    page.get_by_role("button", name="Remove Image").click()
    expect(page.locator("#statistics")).to_contain_text("Choose a slice")
    expect(page.locator("#mask img")).to_have_count(0)

    _upload(page, bad)

    sentence = re.compile(r"The picture is damaged: bad\.png; export or copy it again\.")
    expect(page.locator("#statistics")).to_contain_text(sentence)
    page.click("#segment")
    expect(page.get_by_test_id("toast-body")).to_contain_text(sentence)
    expect(page.locator("#mask img")).to_have_count(0)


def test_segment_without_a_picture(running_demo: RunningDemo, page: Page) -> None:
    page.goto(running_demo.url)
    page.click("#segment")
    expect(page.get_by_test_id("toast-body")).to_contain_text("There is no picture yet; choose a slice")


def test_stopping_removes_the_uploads_and_nothing_of_them_was_logged(
    running_demo: RunningDemo, slice_png: Path, page: Page
) -> None:
    page.goto(running_demo.url)
    _upload(page, slice_png)
    page.click("#segment")
    expect(page.locator("#statistics tbody tr")).to_have_count(4)
    assert list(running_demo.temporary.rglob(slice_png.name))

    running_demo.process.send_signal(signal.SIGTERM)
    log, _ = running_demo.process.communicate(timeout=20)

    assert running_demo.process.returncode == 130
    assert not list(running_demo.temporary.rglob("*.png"))
    assert log == "Stopped.\n"
