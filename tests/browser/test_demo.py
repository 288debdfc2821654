"""The Gradio demo as people and programs meet it: started by its command, used in a browser, by Gradio's client, by REST."""

import base64
import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from core.data.images import read_image, write_png
from core.data.masks import read_mask
from core.data.phantom.scan import make_scan
from core.imaging.overlay import class_statistics
from core.model.predictor import Predictor
from dashboard.demo.limits import MAX_FILE_BYTES, queue_full
from tests.browser.demo_process import RunningDemo, save_small_model, started
from tests.core.data.readers.odd_files import ODD_FILES, series, zipped
from tests.patience import WAIT_S, wait_until
from training.commands import predict

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
SIZE = (61, 87)
"""(height, width) of the uploaded slice."""


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model's folder."""
    return save_small_model(tmp_path_factory.mktemp("tiny") / "random-b0")


@pytest.fixture(scope="module")
def demos() -> Iterator[tuple[ExitStack, list[RunningDemo]]]:
    """The demos that tests of this module have started; a test that stops one leaves the next to start another."""
    with ExitStack() as stack:
        yield stack, []


@pytest.fixture
def running_demo(
    demos: tuple[ExitStack, list[RunningDemo]], small_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunningDemo:
    """The demo's command with a small random model."""
    stack, running = demos
    if not running or running[-1].process.poll() is not None:
        running.append(stack.enter_context(started(small_model, tmp_path_factory.mktemp("temporary"))))
    return running[-1]


@pytest.fixture
def slice_png(tmp_path: Path) -> Path:
    """A phantom's slice, 16 bits, of an odd size."""
    path = tmp_path / "case1_day0_slice_0001.png"
    write_png(path, make_scan(1, shape=(12, *SIZE), spacing_mm=(27.0, 6.0, 4.0)).image[5])
    return path


def _upload(page: Page, *paths: Path) -> None:
    page.set_input_files("#files input[type=file]", [str(path) for path in paths])


def _counted(page: Page) -> list[int]:
    cells = page.locator("#slice_statistics tbody td:nth-child(2)").all_inner_texts()
    return [int(text.replace(",", "")) for text in cells]


def _natural_size(page: Page, selector: str) -> list[int]:
    page.wait_for_function(f"document.querySelector('{selector}')?.naturalWidth > 0")
    size: list[int] = page.evaluate(f"(i => [i.naturalHeight, i.naturalWidth])(document.querySelector('{selector}'))")
    return size


def test_upload_segment_blend_and_download(running_demo: RunningDemo, slice_png: Path, page: Page) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(running_demo.url)
    expect(page.locator("#heading")).to_contain_text("Not a medical device")
    expect(page.locator("#model_note")).to_contain_text("Training data not recorded")
    _upload(page, slice_png)
    expect(page.locator("#status")).to_contain_text("not segmented yet")
    assert _natural_size(page, "#slice img") == list(SIZE)
    # A 16-bit slice fills a small part of its range; a browser alone would show it black.
    assert _brightest(page, "#slice img") == 255

    page.click("#segment")

    expect(page.locator("#slice_statistics tbody tr")).to_have_count(4)
    assert _natural_size(page, "#third img") == _natural_size(page, "#overlay img") == list(SIZE)
    label_map, _ = Predictor.load(running_demo.model).predict_slice(read_image(slice_png))
    assert _counted(page) == [row["pixels"] for row in class_statistics(label_map)]
    overlay = page.locator("#overlay img")
    before = overlay.get_attribute("src")
    page.fill("#opacity input[type=number]", "0.9")
    page.keyboard.press("Enter")
    expect(overlay).not_to_have_attribute("src", before or "")
    expect(page.locator("#third label").first).to_have_text("Mask")
    page.get_by_label("Confidence (dark: unsure)").check()
    expect(page.locator("#third label").first).to_have_text("Confidence")
    with page.expect_download() as saved:
        page.click("#save_mask")
    assert saved.value.suggested_filename == "case1_day0_slice_0001_mask.png"
    np.testing.assert_array_equal(read_mask(Path(saved.value.path())), label_map)
    assert {urlsplit(url).netloc for url in requests if url.startswith("http")} == {urlsplit(running_demo.url).netloc}
    assert running_demo.left() == []


def _brightest(page: Page, selector: str) -> int:
    script = """(image) => { const canvas = Object.assign(document.createElement("canvas"), {width: 87, height: 61});
      const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
      return Math.max(...context.getImageData(0, 0, 87, 61).data.filter((_, i) => i % 4 === 0)); }"""
    brightest: int = page.locator(selector).evaluate(script)
    return brightest


@pytest.mark.parametrize("kind", ["DICOM series", "three slices of one scan"])
def test_a_whole_scan_has_a_slice_slider(kind: str, running_demo: RunningDemo, tmp_path: Path, page: Page) -> None:
    page.goto(running_demo.url)
    _upload(page, *ODD_FILES[kind](tmp_path))
    expect(page.locator("#status")).to_contain_text("(2 of 3)")
    page.click("#segment")
    expect(page.locator("#scan_statistics tbody tr")).to_have_count(4)
    page.fill("#position input[type=number]", "3")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("(3 of 3)")
    assert sum(_counted(page)) == 40 * 48
    assert running_demo.left() == []


def test_an_example_is_segmented_and_a_second_click_is_told_to_wait(running_demo: RunningDemo, page: Page) -> None:
    page.goto(running_demo.url)
    page.click("#example0")
    expect(page.locator("#status")).to_contain_text("phantom 1, slice 5")
    # Both clicks before the answer can come.
    page.evaluate("document.querySelector('#segment').click(); document.querySelector('#segment').click()")
    expect(page.locator("#busy")).to_contain_text("Still segmenting")
    assert _natural_size(page, "#third img") == [224, 224]
    expect(page.locator("#busy")).to_have_count(0)
    assert sum(_counted(page)) == 224 * 224


def test_no_number_is_cut_off_on_a_small_screen(running_demo: RunningDemo, page: Page) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto(running_demo.url)
    page.click("#example3")
    expect(page.locator("#status")).to_contain_text("phantom 1, whole scan")
    page.click("#segment")
    for table in ("#slice_statistics table", "#scan_statistics table"):
        expect(page.locator(f"{table} th")).to_have_text(["Class", re.compile("Pixels|Voxels"), "Percent", "ml"])
        ends = "(table) => [table, table.closest('.block')].map((each) => each.getBoundingClientRect().right)"
        inner, outer = page.locator(table).evaluate(ends)
        assert inner <= outer


def test_a_pasted_picture_is_read(running_demo: RunningDemo, slice_png: Path, page: Page) -> None:
    page.goto(running_demo.url)
    expect(page.locator("#files input[type=file]")).to_be_attached()
    expect(page.locator("#status")).to_contain_text("Choose a slice")
    content = base64.b64encode(slice_png.read_bytes()).decode()
    script = """(content) => { const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
      const data = new DataTransfer(); data.items.add(new File([bytes], "pasted.png", {type: "image/png"}));
      document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data})); }"""

    def is_read() -> bool:
        """Paste until the page listens: nothing tells when Gradio has mounted what does."""
        page.evaluate(script, content)
        with suppress(PlaywrightTimeout):
            page.wait_for_function("() => document.querySelector('#status').innerText.includes('pasted.png')", timeout=5000)
        return "pasted.png" in page.locator("#status").inner_text()

    wait_until(is_read, "the pasted picture")
    expect(page.locator("#status")).to_contain_text("pasted.png, 87 × 61 pixels, 16 bits")


@pytest.mark.parametrize("kind", ["truncated PNG", "text file"])
def test_a_bad_file_is_one_sentence_and_clears_the_result(
    kind: str, running_demo: RunningDemo, slice_png: Path, tmp_path: Path, page: Page
) -> None:
    page.goto(running_demo.url)
    _upload(page, slice_png)
    expect(page.locator("#status")).to_contain_text("not segmented yet")
    page.click("#segment")
    expect(page.locator("#slice_statistics tbody tr")).to_have_count(4)

    _upload(page, *ODD_FILES[kind](tmp_path))

    wanted = {"truncated PNG": "The picture is damaged: a.png;", "text file": "is not a picture that can be read: report.txt;"}
    expect(page.locator("#status .problem")).to_contain_text(wanted[kind])
    for pane in ("#slice img", "#overlay img", "#third img", "#slice_statistics tr"):
        expect(page.locator(pane)).to_have_count(0)
    page.click("#segment")
    expect(page.get_by_test_id("toast-body")).to_contain_text("There is no picture yet; choose a slice")
    assert running_demo.left() == []


def test_a_file_that_is_too_large_is_one_sentence_and_is_not_sent(
    running_demo: RunningDemo, tmp_path: Path, slice_png: Path, page: Page
) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/upload" in request.url else None)
    page.goto(running_demo.url)
    page.click("#example0")
    expect(page.locator("#slice img")).to_have_count(1)
    with (tmp_path / "scan <b>.nii").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)

    _upload(page, tmp_path / "scan <b>.nii")

    sentence = "The file is larger than 200 MB: scan <b>.nii, 201 MB; send it compressed, or fewer of its slices."
    expect(page.locator("#status .problem")).to_have_text(sentence)
    expect(page.locator("#slice img")).to_have_count(0)
    assert sent == []
    _upload(page, slice_png)
    expect(page.locator("#status")).to_contain_text("not segmented yet")


def test_a_full_queue_is_one_sentence(running_demo: RunningDemo, page: Page) -> None:
    page.goto(running_demo.url)
    page.click("#example0")
    expect(page.locator("#status")).to_contain_text("phantom 1, slice 5")
    # As `dashboard.demo.limits` answers a browser, see tests/dashboard/demo/test_demo_served.py.
    full = {"status": 429, "json": {"detail": str(queue_full())}}
    page.route("**/queue/join*", lambda route: route.fulfill(**full))
    page.click("#segment")
    expect(page.get_by_test_id("toast-body")).to_contain_text(str(queue_full()))
    page.unroute("**/queue/join*")
    page.click("#segment")
    expect(page.locator("#slice_statistics tbody tr")).to_have_count(4)


class TestPrograms:
    """The documented calls, and what they must not reach."""

    def test_gradio_s_client_gets_the_mask_of_the_command_line(
        self, running_demo: RunningDemo, slice_png: Path, tmp_path: Path
    ) -> None:
        predict.main(["--run", str(running_demo.model), "--input", str(slice_png), "--out", str(tmp_path / "out")])
        expected = read_mask(tmp_path / "out" / f"{slice_png.stem}_mask.png")

        client = Client(running_demo.url, verbose=False, analytics_enabled=False)
        answer = client.predict(handle_file(slice_png), api_name="/predict")

        np.testing.assert_array_equal(_png(answer["mask_png"]), expected)
        assert [row["pixels"] for row in answer["classes"]] == np.bincount(expected.ravel(), minlength=4).tolist()
        assert _png(answer["overlay_png"]).shape == (*SIZE, 3)
        assert answer["notes"] == ["A single slice has no volume.", "Not a medical device."]
        assert client.predict(api_name="/models")[0] == "random-b0"
        assert running_demo.left() == []

    def test_rest(self, running_demo: RunningDemo, tmp_path: Path) -> None:
        archive = zipped(tmp_path / "a.zip", {path.name: path.read_bytes() for path in series(tmp_path)})[0]
        answer = _call(running_demo, "predict_scan", [[_file(_send(running_demo, archive))], ""])
        assert (answer["slices"], answer["spacing_mm"]) == (3, [5.0, 2.0, 2.0])
        assert base64.b64decode(answer["mask_nifti"])[:2] == b"\x1f\x8b"
        assert sum(row["pixels"] for row in answer["classes"]) == 3 * 40 * 48
        assert running_demo.left() == []

    def test_the_readme_s_python_example_runs_as_it_is_written(
        self, running_demo: RunningDemo, slice_png: Path, tmp_path: Path
    ) -> None:
        example = f"{_example('python', running_demo)}\nimport json; print(json.dumps([mask_png, classes]))"
        slice_png.rename(tmp_path / "slice.png")
        done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr
        mask, classes = json.loads(done.stdout.splitlines()[-1])
        expected, _ = Predictor.load(running_demo.model).predict_slice(read_image(tmp_path / "slice.png"))
        np.testing.assert_array_equal(_png(mask), expected)
        assert [row["pixels"] for row in classes] == np.bincount(expected.ravel(), minlength=4).tolist()
        assert running_demo.left() == []

    def test_the_readme_s_curl_example_runs_as_it_is_written(
        self, running_demo: RunningDemo, slice_png: Path, tmp_path: Path
    ) -> None:
        if not shutil.which("curl") or "--json" not in subprocess.getoutput("curl --help all"):
            pytest.skip("curl is missing, or older than 7.82, which brought --json")
        slice_png.rename(tmp_path / "slice.png")
        shell = ["bash", "-c", _example("bash", running_demo)]
        done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S)
        assert (done.returncode, done.stderr) == (0, "")
        kind, data = done.stdout.strip().splitlines()[-2:]
        assert kind == "event: complete"
        mask = _png(json.loads(data.removeprefix("data:"))[0]["mask_png"])
        np.testing.assert_array_equal(
            mask, Predictor.load(running_demo.model).predict_slice(read_image(tmp_path / "slice.png"))[0]
        )
        assert running_demo.left() == []

    def test_a_bad_file_is_one_sentence(self, running_demo: RunningDemo, tmp_path: Path) -> None:
        client = Client(running_demo.url, verbose=False, analytics_enabled=False)
        with pytest.raises(AppError, match=r"The file is not a picture that can be read: report\.txt; export"):
            client.predict(handle_file(ODD_FILES["text file"](tmp_path)[0]), api_name="/predict")
        with pytest.raises(AppError, match=r"There are 3 slices: a\.zip; call /predict_scan"):
            client.predict(handle_file(ODD_FILES["zip of slices"](tmp_path)[0]), api_name="/predict")
        assert running_demo.left() == []

    @pytest.mark.parametrize("path", ["{own}", "http://127.0.0.1:1/a.png", "{upload}/../../x"])
    def test_no_other_path_is_read_or_deleted(self, path: str, running_demo: RunningDemo, slice_png: Path) -> None:
        """A file of the test's own: whatever is named here would be gone, were the demo to take it."""
        path = path.replace("{upload}", str(running_demo.temporary)).replace("{own}", str(slice_png))
        answer = _call(running_demo, "predict", [_file(path), ""])
        assert slice_png.is_file()
        assert "error" in answer
        assert "mask_png" not in answer

    @pytest.mark.parametrize(
        "path", ["/etc/hostname", f"{ROOT}/README.md", "../../../../etc/hostname", "%2e%2e/%2e%2e/etc/hostname"]
    )
    def test_no_file_is_served(self, path: str, running_demo: RunningDemo) -> None:
        with pytest.raises(urllib.error.HTTPError, match=r"40[34]"):
            urllib.request.urlopen(f"{running_demo.url}gradio_api/file={path}")

    def test_two_who_send_one_picture_do_not_delete_each_other_s(self, running_demo: RunningDemo, slice_png: Path) -> None:
        uploads = [_send(running_demo, slice_png) for _ in range(2)]
        assert uploads[0] != uploads[1]
        answers = [_call(running_demo, "predict", [_file(path), ""]) for path in uploads]
        assert answers[0]["mask_png"] == answers[1]["mask_png"]


def _example(language: str, demo: RunningDemo) -> str:
    """The documentation's example of a call, with this demo's address in place of the usual one."""
    section = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
    [block] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert block.count("http://127.0.0.1:7860/") == 1
    return str(block.replace("http://127.0.0.1:7860/", demo.url))


def _send(demo: RunningDemo, path: Path) -> str:
    return str(
        httpx.post(f"{demo.url}gradio_api/upload", files={"files": (path.name, path.read_bytes())}, timeout=WAIT_S).json()[0]
    )


def _file(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def _call(demo: RunningDemo, name: str, values: list[Any]) -> Any:
    """Gradio's REST way: post, then read the answer of the event."""
    address = f"{demo.url}gradio_api/call/{name}"
    event = httpx.post(address, json={"data": values}, timeout=WAIT_S).json()
    if "event_id" not in event:
        return event
    kind, data = httpx.get(f"{address}/{event['event_id']}", timeout=WAIT_S).text.strip().splitlines()[-2:]
    content = json.loads(data.removeprefix("data:"))
    return content[0] if kind == "event: complete" else content


def _png(content: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_UNCHANGED)


def test_stopping_removes_the_uploads_and_nothing_of_them_was_logged(
    running_demo: RunningDemo, slice_png: Path, page: Page
) -> None:
    page.goto(running_demo.url)
    _upload(page, slice_png)
    expect(page.locator("#status")).to_contain_text("not segmented yet")
    page.click("#segment")
    expect(page.locator("#slice_statistics tbody tr")).to_have_count(4)
    # One that nobody asks to segment stays until it is swept, or until the end.
    _send(running_demo, slice_png)
    assert [path.name for path in running_demo.left()] == [slice_png.name]

    running_demo.process.send_signal(signal.SIGTERM)
    log, _ = running_demo.process.communicate(timeout=WAIT_S)

    assert running_demo.process.returncode == 130
    assert running_demo.left() == []
    assert not re.search(r"case1_day0|report\.txt|Doe|4711", log)
    assert log.splitlines()[-1] == "Stopped."
