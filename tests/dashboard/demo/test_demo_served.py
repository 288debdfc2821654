"""The demo's page as Gradio builds it, mounted below another server, and started when it is first asked for."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import ImageError
from core.storage.workspace import Workspace
from dashboard.demo import limits, page, patches
from dashboard.demo import models as segment
from dashboard.demo import serve as demo
from dashboard.demo.lazy import LazyDemo
from dashboard.demo.models import ModelChoice
from dashboard.demo.received import KEPT_S, RECEIVED, Received
from dashboard.demo.session import Demo


def _in_a_loop(build: Callable[[], Any]) -> Any:
    # Outside a running event loop Gradio makes loops of its own, five a page, and closes none: a ResourceWarning each.
    async def inside() -> Any:
        return build()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(inside())
    return build()  # Playwright's loop, in a session that has run browser tests before


@pytest.mark.slow
class TestPage:
    """The page as Gradio builds it; importing Gradio takes seconds."""

    @pytest.fixture(autouse=True)
    def own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))

    @pytest.fixture
    def opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
        monkeypatch.setattr(Demo, "models", lambda self: {"a": ModelChoice("a", Path())})
        return Demo(Workspace(tmp_path))

    @pytest.fixture
    def built(self, opened: Demo) -> Any:
        return _in_a_loop(lambda: page.build_page(opened))

    def test_every_function_is_queued_and_predicting_is_bounded(self, built: Any) -> None:
        # Mounted below another server, Gradio 6.31 gives pictures of unqueued functions a wrong address.
        ours = [function for function in built.fns.values() if function.fn and function.name != "forget"]
        assert [function.name for function in ours if not function.queue] == []
        bounded = {function.name: function.concurrency_limit for function in ours if function.concurrency_limit}
        assert bounded == dict.fromkeys(("segment", "predict", "predict_scan"), limits.MAX_AT_ONCE)
        assert built._queue.max_size == limits.QUEUE_SIZE

    def test_three_functions_are_public(self, built: Any) -> None:
        assert set(built.get_api_info()["named_endpoints"]) == {"/predict", "/predict_scan", "/models"}

    def test_no_analytics_and_no_open_folders(self) -> None:
        options = page.page_options()
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        assert (options["allowed_paths"], options["run_history"]) == ([], False)
        assert not any("http" in str(font) for font in options["theme"]._stylesheets)
        assert type(options["theme"]).__name__ == "Soft"

    @pytest.fixture
    def narrow(self, opened: Demo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """A client of a demo that takes 1,000 bytes a file and lets nobody wait."""
        import fastapi
        from fastapi.testclient import TestClient

        monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1000)
        monkeypatch.setattr(page, "QUEUE_SIZE", 0)
        app = fastapi.FastAPI()
        _in_a_loop(lambda: demo.mount_demo(app, opened))
        with TestClient(app) as client:
            yield client

    def test_a_file_that_is_too_large_is_one_sentence(self, narrow: Any) -> None:
        large, small = (narrow.post("/demo/gradio_api/upload", files={"files": ("a.png", bytes(size))}) for size in (1001, 1000))
        sentence = "The file is larger than 0.001 MB; send it compressed, or fewer of its slices."
        assert (large.status_code, large.text) == (413, sentence)
        assert small.status_code == 200

    def test_a_full_queue_is_one_sentence(self, narrow: Any) -> None:
        sentence = "The demo is busy: 100 requests wait already; try again in a minute."
        joined = {"data": [], "session_hash": "tab", "fn_index": 0}
        for address, body in (("call/models", {"data": []}), ("queue/join", joined)):
            for origin, status in ((None, 503), ("http://testserver", 429)):
                headers = {"origin": origin} if origin else {}
                answer = narrow.post(f"/demo/gradio_api/{address}", json=body, headers=headers)
                assert (answer.status_code, answer.json()) == (status, {"detail": sentence})

    def test_another_refusal_is_gradio_s_own(self, narrow: Any) -> None:
        answer = narrow.post("/demo/gradio_api/queue/join", json={"data": []})
        assert (answer.status_code, answer.json()) == (400, {"detail": "Session hash not found."})

    @pytest.fixture
    def alone(self, opened: Demo) -> Iterator[Any]:
        """A client of the demo that is served alone, without a login."""
        from starlette.testclient import TestClient

        app = _in_a_loop(lambda: demo.guarded_demo(opened, demo.DemoOptions().access()))
        with TestClient(app, base_url="http://127.0.0.1:7860") as client:
            yield client

    def test_alone_it_answers_to_this_machine_s_names_only(self, alone: Any) -> None:
        assert "GutCheck demo" in alone.get("/").text
        answer = alone.get("/", headers={"Host": "evil.example"})
        assert answer.status_code == 403
        assert "set GUTCHECK_DEMO_PASSWORD or give --password" in answer.text

    def test_alone_it_neither_reads_nor_deletes_what_was_not_sent(self, alone: Any, tmp_path: Path) -> None:
        own = tmp_path / "own" / "slice.png"
        own.parent.mkdir()
        own.write_bytes(b"not an upload")
        for name, files in (("predict", own), ("predict_scan", [own])):
            named = [
                {"path": str(each), "meta": {"_type": "gradio.FileData"}}
                for each in (files if isinstance(files, list) else [files])
            ]
            called = alone.post(f"/gradio_api/call/{name}", json={"data": [named if isinstance(files, list) else named[0], ""]})
            answer = alone.get(f"/gradio_api/call/{name}/{called.json()['event_id']}").text
            assert own.read_bytes() == b"not an upload"
            assert "event: error" in answer

    def test_another_page_sends_nothing(self, alone: Any) -> None:
        for path in ("call/predict", "call/predict_scan", "queue/join", "queue/data", "upload", "cancel", "reset"):
            for headers in ({"Origin": "http://localhost:9"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                answer = alone.post(f"/gradio_api/{path}", json={"data": []}, headers=headers)
                assert (answer.status_code, answer.text[:41]) == (403, "This request comes from another page than")
            assert alone.post(f"/gradio_api/{path}", json={"data": []}).status_code != 403

    def test_no_other_origin_may_read_nor_frame(self, alone: Any) -> None:
        # Gradio lets every page of this machine read, whatever its port, and with cookies.
        for path in ("/", "/config", "/gradio_api/info", "/none"):
            for method in ("GET", "OPTIONS"):
                asked = {"Origin": "http://localhost:9", "Access-Control-Request-Method": "POST"}
                answer = alone.request(method, path, headers=asked)
                assert [name for name in answer.headers if name.startswith("access-control")] == []
                assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["referrer-policy"] == "same-origin"

    def test_gradio_s_own_sign_in_is_a_shared_demo_s_alone(self, alone: Any, opened: Demo) -> None:
        import fastapi
        from fastapi.testclient import TestClient

        form = {"username": demo.USER, "password": "one long one"}
        addresses = (("POST", "/login"), ("GET", "/logout"), ("GET", "/gradio_api/login_check"))
        assert [alone.request(method, path, data=form).status_code for method, path in addresses] == [404] * 3

        app, gradio = fastapi.FastAPI(), patches.load_gradio()
        options = page.page_options(shared=True) | {"path": "/demo", "auth": (demo.USER, "one long one")}
        _in_a_loop(lambda: gradio.mount_gradio_app(app, page.build_page(opened), **options))
        with TestClient(app) as client:
            assert client.get("/demo/gradio_api/login_check").status_code == 401
            assert client.post("/demo/login", data=form).status_code == 200
            assert client.get("/demo/gradio_api/login_check").status_code == 200

    def test_an_upload_s_age_counts_from_its_end(self, opened: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
        """Others' uploads, while it arrives and after, bring about that old ones are forgotten."""
        with ThreadPoolExecutor(1) as elsewhere:  # Playwright's loop may be running in this thread
            elsewhere.submit(asyncio.run, _slow_upload(opened, monkeypatch)).result()

    def test_mounted_below_another_server(self, opened: Demo) -> None:
        import fastapi
        from fastapi.testclient import TestClient

        app = fastapi.FastAPI()
        _in_a_loop(lambda: demo.mount_demo(app, opened))

        with TestClient(app) as client:
            assert "GutCheck demo" in client.get("/demo/").text
            assert client.get("/demo/config").json()["analytics_enabled"] is False
            assert client.get("/").status_code == 404


async def _slow_upload(opened: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(RECEIVED, "_clock", lambda: now[0])
    address, head = "/gradio_api/upload", {"Content-Type": "multipart/form-data; boundary=b"}
    app = demo.guarded_demo(opened, demo.DemoOptions().access())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:7860") as client:

        async def other() -> None:
            assert (await client.post(address, files={"files": ("b.png", b"1")})).status_code == 200

        async def slowly() -> AsyncIterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nhalf of it'
            await other()
            now[0] += 2 * KEPT_S
            await other()
            yield b" and the rest\r\n--b--\r\n"

        sent = await client.post(address, content=slowly(), headers=head)
        path = Path(sent.json()[0])
        now[0] += KEPT_S
        await other()
        assert RECEIVED.find(path).read_bytes() == b"half of it and the rest"
        now[0] += 1
        await other()
        assert not path.parent.exists()
        with pytest.raises(ImageError, match="There is no such upload"):
            RECEIVED.find(path)


def test_a_folder_that_became_a_link_is_swept_past(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    now = [0.0]
    received = Received(kept_s=10, clock=lambda: now[0])
    (tmp_path / received.folder_name(tmp_path / "part")).symlink_to(tmp_path / "elsewhere")
    now[0] = 11.0
    received.folder_name(tmp_path / "next")
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_uploads_go_to_a_private_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    folder = patches.private_folder()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    assert folder.stat().st_mode & 0o077 == 0
    assert patches.private_folder() == folder


class TestStarting:
    """The demo under the dashboard's server, before anything of it is there."""

    def answered(self, lazy: LazyDemo) -> tuple[int, str]:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        answering = lazy({"type": "http", "method": "GET", "path": "/"}, None, send)  # type: ignore[arg-type]
        with pytest.raises(StopIteration):  # by hand: Playwright's loop may be running in this thread
            answering.send(None)
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent).decode()

    def test_the_first_request_starts_it_and_is_told_to_wait(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lazy = LazyDemo(Workspace(tmp_path), "/demo")
        monkeypatch.setattr(lazy, "_build", lambda: None)
        assert lazy.progress.state == "idle"
        status, text = self.answered(lazy)
        assert (status, lazy.progress.state) == (202, "starting")
        assert "The demo is starting" in text

    def test_a_problem_is_one_sentence_and_the_next_request_tries_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(segment, "CARRIED_RUN", tmp_path / "missing")
        lazy = LazyDemo(Workspace(tmp_path), "/demo")
        monkeypatch.setattr("dashboard.demo.lazy.threading.Thread", _AtOnce)
        lazy.start()
        assert self.answered(lazy)[0] == 503
        assert lazy.progress.state == "idle"

    def test_it_is_started_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lazy, started = LazyDemo(Workspace(tmp_path), "/demo"), []
        monkeypatch.setattr(lazy, "_build", lambda: started.append(1))
        monkeypatch.setattr("dashboard.demo.lazy.threading.Thread", _AtOnce)
        lazy.start()
        lazy.start()
        assert started == [1]


class _AtOnce:
    """A thread that runs where it is started."""

    def __init__(self, target: Callable[[], None], **_: object) -> None:
        self.start = target
