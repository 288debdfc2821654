"""Who gets in: every door of the server with, without and with a false session."""

import time
from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.errors import ConfigError
from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore
from core.storage.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard.server import build_app, choose_access
from dashboard.web.access import PASSWORD_VARIABLE, Guard, Identity, OpenAccess, host_name, is_loopback, reader_of
from dashboard.web.brake import FREE_GUESSES, GuessBrake
from dashboard.web.sign_in import SESSION_S, PasswordAccess

PASSWORD = "correct horse"
PAGE = {"Accept": "text/html,*/*"}


async def whoami(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"reader {reader_of(request.headers)}")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"{reader_of(socket.headers)}: {(await socket.receive_bytes()).decode()}")
    except WebSocketDisconnect:
        pass


def client_of(access: object, base_url: str = "http://testserver") -> TestClient:
    app = Starlette(
        routes=[WebSocketRoute("/_stcore/stream", echo), Route("/{rest:path}", whoami, methods=["GET", "POST", "PUT"])]
    )
    return TestClient(Guard(app, access), base_url=base_url, follow_redirects=False)


@pytest.fixture
def access() -> PasswordAccess:
    return PasswordAccess(PASSWORD)


@pytest.fixture
def client(access: PasswordAccess) -> TestClient:
    return client_of(access)


def sign_in(client: TestClient, name: str = "Dr. Ada", password: str = PASSWORD, **more: str):
    return client.post("/sign-in", data={"name": name, "password": password} | more)


@pytest.mark.parametrize("path", ["/", "/review?run=a&case=b", "/demo", "/demo/"])
def test_a_page_without_a_session_leads_to_the_sign_in_page_and_back(client: TestClient, path: str) -> None:
    turned = client.get(path, headers=PAGE)
    assert turned.status_code == 303
    shown = client.get(turned.headers["location"])
    assert shown.status_code == 200
    assert f'name="next" value="{path.replace("&", "&amp;")}"' in shown.text
    entered = sign_in(client, next=path)
    assert (entered.status_code, entered.headers["location"]) == (303, path)
    assert client.get(path).text == "reader Dr. Ada"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gutcheck/scan/run/set/case1_day0"),
        ("GET", "/gutcheck/viewer/0/viewer.js"),
        ("POST", "/gutcheck/correction/run/set/case1_day0"),
        ("PUT", "/_stcore/upload_file/a/b"),
        ("GET", "/_stcore/health"),
        ("GET", "/media/a.png"),
        ("GET", "/static/js/index.js"),
        ("POST", "/demo/gradio_api/queue/join"),
        ("GET", "/demo/config"),
    ],
)
def test_everything_else_is_unauthorised(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
    assert "reader" not in answer.text
    sign_in(client)
    assert client.request(method, path).text == "reader Dr. Ada"


def test_a_scan_is_never_a_redirect_even_to_a_page_s_request(client: TestClient) -> None:
    assert client.get("/gutcheck/scan/run/set/case1_day0", headers=PAGE).status_code == 401


def test_a_websocket_without_a_session_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/_stcore/stream"):
        pass
    assert refused.value.code == 1008
    sign_in(client, "Dr. Zoë")
    with client.websocket_connect("/_stcore/stream") as socket:
        socket.send_bytes(b"hello")
        assert socket.receive_text() == "Dr. Zoë: hello"


def test_signing_out_ends_the_session_and_the_open_websocket(client: TestClient) -> None:
    sign_in(client)
    session = dict(client.cookies)
    with client.websocket_connect("/_stcore/stream") as socket:
        assert client.get("/sign-out").headers["location"] == "/sign-in"
        assert not client.cookies
        socket.send_bytes(b"still there?")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    client.cookies.update(session)  # a copy of the cookie is worth nothing either
    assert client.get("/").status_code == 401


def test_another_site_cannot_sign_a_reader_in_or_out(client: TestClient) -> None:
    foreign = {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/sign-in", data={"name": "Eve", "password": PASSWORD}, headers=foreign).status_code == 403
    sign_in(client)
    client.get("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert client.get("/").text == "reader Dr. Ada"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: TestClient, access: PasswordAccess) -> None:
    cookie = sign_in(client).headers["set-cookie"]
    assert cookie.startswith(f"{access.cookie}=")
    assert {"HttpOnly", "SameSite=lax", f"Max-Age={SESSION_S}"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "; Secure" in sign_in(client_of(access, "https://testserver")).headers["set-cookie"]


# The last letter but one: two bits of the last say nothing, so that another letter there may be the same signature.
@pytest.mark.parametrize(
    "change", [lambda t: t[:-2] + ("A" if t[-2] != "A" else "B") + t[-1], lambda t: "x" + t, lambda t: "", lambda t: "é"]
)
def test_a_forged_cookie_is_none(client: TestClient, access: PasswordAccess, change) -> None:
    sign_in(client)
    token = client.cookies[access.cookie]
    client.cookies.clear()
    assert client.get("/", headers={"Cookie": f"{access.cookie}={change(token)}".encode()}).status_code == 401


def test_a_cookie_of_another_server_or_workspace_is_none(access: PasswordAccess) -> None:
    other = PasswordAccess(PASSWORD)
    signed_in = client_of(other)
    sign_in(signed_in)
    token = signed_in.cookies[other.cookie]
    assert client_of(access).get("/", headers={"Cookie": f"{access.cookie}={token}; {other.cookie}={token}"}).status_code == 401


def test_a_session_ends_after_a_working_day(client: TestClient, access: PasswordAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client)
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + SESSION_S - 5)
    assert client.get("/", headers={"Cookie": f"{access.cookie}={client.cookies[access.cookie]}"}).status_code == 200
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + SESSION_S + 5)
    assert client.get("/", headers={"Cookie": f"{access.cookie}={client.cookies[access.cookie]}"}).status_code == 401


def test_a_well_signed_cookie_with_other_content_is_none(client: TestClient, access: PasswordAccess) -> None:
    signer: URLSafeTimedSerializer = access._signer
    for content in ("text", ["id"], {"a": 1}, ["id", "name", "more"], None):
        assert client.get("/", headers={"Cookie": f"{access.cookie}={signer.dumps(content)}"}).status_code == 401


def test_nobody_can_claim_a_name_by_a_header(client: TestClient) -> None:
    sign_in(client)
    assert client.get("/", headers={"GutCheck-Reader": "Eve"}).text == "reader Dr. Ada"
    assert client_of(OpenAccess(), "http://localhost").get("/", headers={"GutCheck-Reader": "Eve"}).text == "reader None"


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({"name": "Ada", "password": "wrong horse"}, 401, "That is not the password."),
        ({"name": "Ada", "password": PASSWORD + " "}, 401, "That is not the password."),
        ({"name": "Ada"}, 401, "That is not the password."),
        ({"name": " ", "password": PASSWORD}, 422, "This is no reader&#x27;s name"),
        ({"name": "a" * 81, "password": PASSWORD}, 422, "This is no reader&#x27;s name"),
        ({"name": "a" * 9000, "password": PASSWORD}, 401, "That is not the password."),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(client: TestClient, form: dict[str, str], status: int, sentence: str) -> None:
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == status
    assert sentence in answer.text
    assert not client.cookies


def test_one_name_is_one_reader_and_a_name_like_another_s_signs_nobody_in(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    store = ReviewStore.open(Workspace(tmp_path).reviews_db)
    store.add_verdict(Subject("run", "valid", "case1_day0", "", ""), reader="Dr. Ada", verdict=Verdict.ACCEPT)
    store.close()
    for name in ("Dr. \u0410d\u0430", "Dr. \u0410da"):
        answer = sign_in(client, name)
        assert answer.status_code == 422
        assert "looks like another reader" in answer.text or "mixes Cyrillic and Latin" in answer.text
    sign_in(client, "DR.  ada")
    assert client.get("/whoami").text == "reader Dr. Ada"


def test_a_script_in_the_form_stays_text(client: TestClient) -> None:
    shown = client.post("/sign-in", data={"name": '"><script>alert(1)</script>', "password": "no", "next": '/"><img src=x>'})
    assert "<script>" not in shown.text
    assert "<img" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]


@pytest.mark.parametrize("target", ["https://example.org", "//example.org", "/\\example.org", "javascript:alert(1)", ""])
def test_signing_in_leads_to_no_other_site(client: TestClient, target: str) -> None:
    assert sign_in(client, next=target).headers["location"] == "/"


def test_wrong_passwords_are_slowed(client: TestClient) -> None:
    for _ in range(FREE_GUESSES):
        assert sign_in(client, password="guess").status_code == 401
    answer = sign_in(client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert not client.cookies


def test_each_further_guess_waits_twice_as_long_up_to_a_minute() -> None:
    now = 100.0
    brake = GuessBrake(lambda: now)
    waits = []
    for _ in range(FREE_GUESSES + 8):
        brake.note_wrong("a")
        waits.append(brake.wait_s("a"))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert brake.wait_s("b") == 0
    now += 61
    assert brake.wait_s("a") == 0
    brake.note_wrong("a")
    brake.forget("a")
    assert brake.wait_s("a") == 0


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8501", "http://localhost", "http://[::1]:8501", "http://gutcheck.localhost:80"]
)
def test_without_a_login_this_machine_s_own_names_are_served(url: str) -> None:
    assert client_of(OpenAccess(), url).get("/").text == "reader None"


@pytest.mark.parametrize("host", ["evil.example:8501", "127.0.0.1.evil.example", "192.168.1.5", "localhost.evil.example", ""])
def test_without_a_login_no_other_name_is_served(host: str) -> None:
    client = client_of(OpenAccess(), "http://127.0.0.1")
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert "127.0.0.1 or localhost" in answer.text
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream", headers={"Host": host}):
        pass


def test_names_of_this_machine() -> None:
    assert [host_name(host) for host in ("a:1", "a", "[::1]:2", "[::1]")] == ["a", "a", "::1", "::1"]
    foreign = ("[::1]evil.com", "[::1]:1@evil.com", "localhost:evil.com", "localhost:1:2", "[::1", "::1", "", "[localhost]")
    assert [host_name(host) for host in foreign] == [""] * len(foreign)
    assert not is_loopback("")
    assert is_loopback("127.8.8.8")
    assert not is_loopback("0.0.0.0")


def test_another_sign_in_needs_nothing_but_identify() -> None:
    class ByProxy:
        def __init__(self) -> None:
            self.pages = {}

        def identify(self, scope: Scope) -> Identity | None:
            return Identity("Lead", frozenset({"lead"})) if (b"x-proxy-user", b"lead") in scope["headers"] else None

        def turn_away(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("no", 401)

    client = client_of(ByProxy())
    assert client.get("/").status_code == 401
    assert client.get("/", headers={"X-Proxy-User": "lead"}).text == "reader Lead"


def test_the_password_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    assert isinstance(choose_access("127.0.0.1", None), OpenAccess)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nsecond line\n")
    assert sign_in(client_of(choose_access("0.0.0.0", str(file)))).status_code == 303
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert sign_in(client_of(choose_access("0.0.0.0", None))).status_code == 303


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "gutcheck.hospital"])
def test_without_a_login_no_other_address_is_listened_on(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=rf"^Without a login GutCheck listens on this machine only: --host {host}; set .*\.$"):
        choose_access(host, None)


@pytest.mark.parametrize("content", [b"", b"short\n", b"        \n", b"\n" + PASSWORD.encode(), b"\xff\xfe", None])
def test_a_password_file_that_holds_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^The password (file cannot be read|has \d characters|is blank)"):
        choose_access("127.0.0.1", str(file))


@pytest.fixture
def whole(tmp_path: Path) -> TestClient:
    """The server as it is served, with a login."""
    return TestClient(build_app(Workspace(tmp_path), PasswordAccess(PASSWORD)), follow_redirects=False)


@pytest.mark.parametrize(
    "path", ["/", "/review", "/demo", "/demo/", "/_stcore/health", "/_stcore/host-config", "/gutcheck/scan/a/b/c"]
)
def test_the_whole_server_is_behind_the_login(whole: TestClient, path: str) -> None:
    assert whole.get(path).status_code == 401
    assert whole.get(path, headers=PAGE).status_code in (303, 401)


def test_the_whole_server_refuses_a_websocket(whole: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), whole.websocket_connect("/_stcore/stream", subprotocols=["streamlit"]):
        pass
