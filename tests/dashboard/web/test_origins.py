"""Which pages the running server listens to, and what each of its answers tells the browser."""

import re
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dashboard.web.sign_in import PasswordAccess
from tests.dashboard.guarded_server import ASKING, PASSWORD, Running, client_of, ended

WRITES = [
    ("POST", "/demo/gradio_api/call/predict"),
    ("POST", "/demo/gradio_api/queue/join"),
    ("POST", "/demo/gradio_api/upload"),
    ("PUT", "/_stcore/upload_file/a/b"),
    ("DELETE", "/_stcore/upload_file/a/b"),
    ("POST", "/gutcheck/correction/run/set/scan"),
    ("POST", "/sign-in"),
    ("PATCH", "/"),
]
SAID = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


class TestOrigin:
    """A page of another origin, another port of this machine's too, changes nothing and opens no websocket."""

    @pytest.mark.parametrize(("method", "path"), WRITES)
    def test_another_page_s_request_is_refused(self, running: Running, method: str, path: str) -> None:
        foreign = [
            {"Origin": f"http://localhost:{running.port}"},
            {"Origin": "http://127.0.0.1:1"},
            {"Origin": "http://127.0.0.1"},
            {"Origin": running.url.replace("http", "https")},
            {"Origin": f"{running.url}/"},
            {"Origin": f"http://evil@127.0.0.1:{running.port}"},
            {"Origin": "null"},
            {"Origin": ""},
            {"Origin": "http://[::1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        ]
        for headers in foreign:
            answer = ASKING.request(method, running.url + path, headers={"Cookie": running.cookie} | headers)
            assert (answer.status_code, answer.text[:60]) == (403, "This request comes from another page than GutCheck's own, an")
        both = [("Cookie", running.cookie), ("Origin", running.url), ("Origin", "https://evil.example")]
        assert ASKING.request(method, running.url + path, headers=both).status_code == 403

    @pytest.mark.parametrize(("method", "path"), WRITES)
    def test_our_own_page_s_and_a_program_s_come_through(self, running: Running, method: str, path: str) -> None:
        for headers in ({"Cookie": running.cookie}, running.ours, running.ours | {"Origin": running.url.upper()}):
            assert ASKING.request(method, running.url + path, headers=headers).status_code != 403 or (
                path.startswith("/gutcheck/correction") or path.startswith("/_stcore")  # they ask for a header of their own
            )

    @pytest.mark.parametrize("path", ["/_stcore/stream", "/demo/gradio_api/queue/join", "/demo/", "/"])
    @pytest.mark.parametrize("origin", ["http://127.0.0.1:1", "http://localhost", "null", "https://evil.example"])
    def test_another_page_s_websocket_is_refused(self, running: Running, path: str, origin: str) -> None:
        headers = {"Cookie": running.cookie, "Origin": origin}
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws://127.0.0.1:{running.port}{path}", additional_headers=headers, subprotocols=["streamlit"])  # type: ignore[list-item]

    def test_our_own_websocket_opens(self, running: Running) -> None:
        for headers in ({"Cookie": running.cookie}, running.ours):
            with running.stream(**headers) as stream:
                assert stream.subprotocol == "streamlit"

    @pytest.mark.parametrize(
        ("url", "origin", "refused"),
        [
            ("http://gut.test", "http://gut.test:80", False),
            ("http://gut.test:80", "http://gut.test", False),
            ("https://gut.test", "https://gut.test:443", False),
            ("https://gut.test", "https://GUT.test", False),
            ("https://gut.test", "http://gut.test", True),
            ("https://gut.test", "https://gut.test:80", True),
            ("http://gut.test:8501", "http://gut.test:8502", True),
            ("http://gut.test", "http://gut.test.evil.example", True),
            ("http://[::1]:8501", "http://[::1]:8501", False),
            ("http://[::1]:8501", "http://[::2]:8501", True),
            ("http://gut.test", "file://", True),
        ],
    )
    def test_scheme_host_and_port_must_be_ours(self, tmp_path: Path, url: str, origin: str, refused: bool) -> None:
        client = client_of(tmp_path, PasswordAccess(PASSWORD), url=url)
        answer = client.post("/sign-in", data={"name": "Ada", "password": PASSWORD}, headers={"Origin": origin})
        assert answer.status_code == (403 if refused else 303)

    def test_no_other_origin_may_read(self, running: Running) -> None:
        for path in ("/_stcore/health", "/_stcore/host-config", "/media/x.png", "/component/x/y"):
            for method in ("GET", "OPTIONS"):
                asked = {"Cookie": running.cookie, "Origin": "http://localhost:9", "Access-Control-Request-Method": "PUT"}
                answer = ASKING.request(method, running.url + path, headers=asked)
                assert [name for name in answer.headers if name.startswith("access-control")] == []


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 200),
            ("GET", "/review", 200),
            ("HEAD", "/", 200),
            ("GET", "/sign-in", 200),
            ("GET", "/sign-in?next=/review", 200),
            ("GET", "/_stcore/health", 200),
            ("GET", "/_stcore/host-config", 200),
            ("GET", "/media/none.png", 404),
            ("GET", "/gutcheck/none", 404),
            ("GET", "/gutcheck/scan/stub/small-valid/case2_day0", 200),
            ("GET", "/gutcheck/scan/stub/small-valid/none", 404),
            ("GET", "/health", 200),
            ("HEAD", "/health", 200),
            ("POST", "/health", 405),
            ("DELETE", "/sign-in", 405),
            ("GET", "/demo/", None),
            ("OPTIONS", "/", None),
        ],
    )
    def test_every_answer_has_them(self, running: Running, method: str, path: str, status: int | None) -> None:
        answer = ASKING.request(method, running.url + path, headers={"Cookie": running.cookie})
        assert status in (None, answer.status_code)
        self.check(answer)
        assert "server" not in answer.headers
        if method == "HEAD":
            assert answer.content == b""

    def test_refusals_have_them_too(self, running: Running) -> None:
        page = {"Accept": "text/html"}
        for status, answer in [
            (401, ASKING.get(f"{running.url}/media/x.png")),
            (303, ASKING.get(running.url, headers=page)),
            (303, ASKING.get(f"{running.url}/sign-out")),
            (403, ASKING.post(running.url, headers={"Origin": "null"})),
        ]:
            assert answer.status_code == status
            self.check(answer)
            assert answer.headers["cache-control"] == "no-store"

    def test_what_is_no_request_has_them_too(self, running: Running) -> None:
        with running.socket() as peer:
            peer.sendall(b"no request\r\n\r\n")
            said = ended(peer).decode()
        assert said.startswith("HTTP/1.1 400 ")
        assert {"x-content-type-options: nosniff", "referrer-policy: same-origin"} <= set(said.splitlines())

    def test_the_sign_in_page_keeps_its_own_policy(self, running: Running) -> None:
        policies = ASKING.get(f"{running.url}/sign-in").headers.get_list("content-security-policy")
        assert len(policies) == 2
        assert policies[0].startswith("default-src 'none'")

    def test_files_of_streamlit_have_them_and_stay_cached(self, running: Running) -> None:
        page = ASKING.get(running.url, headers={"Cookie": running.cookie}).text
        [script] = re.findall(r'src="\./(static/js/index[^"]*)"', page)[:1]
        answer = ASKING.get(f"{running.url}/{script}", headers={"Cookie": running.cookie})
        self.check(answer)
        assert "max-age=" in answer.headers["cache-control"]

    def check(self, answer: httpx.Response) -> None:
        assert {name: answer.headers[name] for name in SAID} == SAID
        assert "frame-ancestors 'self'" in answer.headers.get_list("content-security-policy")
        assert answer.headers["cache-control"]
