"""The demo that runs alone with a password, as programs meet it."""

import signal
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from core.data.images import write_png
from core.data.phantom.scan import make_scan
from tests.browser.demo_process import save_small_model, started

pytestmark = pytest.mark.browser


def test_with_a_password_a_program_signs_in_first(tmp_path: Path) -> None:
    write_png(slice_png := tmp_path / "slice.png", make_scan(1, shape=(12, 61, 87), spacing_mm=(27.0, 6.0, 4.0)).image[5])
    (tmp_path / "temporary").mkdir()
    model = save_small_model(tmp_path / "random-b0")
    with started(model, tmp_path / "temporary", password="correct horse") as demo:
        assert httpx.get(demo.url, headers={"Accept": "text/html"}).headers["location"].startswith("/sign-in")
        assert httpx.post(f"{demo.url}gradio_api/upload", files={"files": ("a.png", b"")}).status_code == 401
        entered = httpx.post(f"{demo.url}sign-in", data={"name": "a program", "password": "correct horse"})
        cookie = entered.headers["set-cookie"].partition(";")[0]
        client = Client(demo.url, headers={"Cookie": cookie}, verbose=False)
        assert client.predict(handle_file(slice_png), api_name="/predict")["model"] == model.name
        # An open event stream, such as a browser's, does not hold up the end.
        with httpx.stream("GET", f"{demo.url}gradio_api/heartbeat/tab", headers={"Cookie": cookie}):
            demo.process.send_signal(signal.SIGTERM)
            log, _ = demo.process.communicate(timeout=30)
    assert demo.process.returncode == 130
    assert log.splitlines()[-1] == "Stopped."
    assert "Traceback" not in log
