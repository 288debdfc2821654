"""Every address that the server answers at, and who may call it; one that an update brings fails here until somebody decides."""

import asyncio
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.routing import BaseRoute, compile_path
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from core.storage.workspace import Workspace
from dashboard.demo.models import ModelChoice
from dashboard.demo.routes import ANSWERED, NO_SUCH_ADDRESS, is_answered
from dashboard.demo.session import Demo
from dashboard.server import build_app
from dashboard.web.access import POLICY_VIOLATION, OpenAccess
from dashboard.web.sign_in import PasswordAccess

PASSWORD = "a long password"
WHOEVER_RUNS_IT = {"/health"}
"""Open to everyone under any name; says nothing but how the server is."""
EVERYONE = {"/sign-in", "/sign-out"}
"""Of a server with a password. Without one there is no sign-in, and all that follows is this machine's own browser's."""
READERS = {
    # Ours.
    "POST /gutcheck/correction/{run}/{evaluation}/{scan}",
    "GET /gutcheck/correction/{run}/{evaluation}/{scan}/{sha256}",
    "GET /gutcheck/image/{dataset}/{scan}",
    "GET /gutcheck/scan/{run}/{evaluation}/{scan}",
    "GET /gutcheck/viewer/{digest}/{name:path}",
    "GET /gutcheck/{rest:path}",
    "GET /demo",
    "ANY /demo",
    # Streamlit's: pages and their state, files that a page offers or takes, components.
    "WEBSOCKET /_stcore/stream",
    "GET /_stcore/health",
    "OPTIONS /_stcore/health",
    "GET /_stcore/metrics",
    "OPTIONS /_stcore/metrics",
    "GET /_stcore/host-config",
    "GET /media/{file_id:path}",
    "OPTIONS /media/{file_id:path}",
    "PUT /_stcore/upload_file/{session_id}/{file_id}",
    "DELETE /_stcore/upload_file/{session_id}/{file_id}",
    "OPTIONS /_stcore/upload_file/{session_id}/{file_id}",
    "GET /component/{path:path}",
    "OPTIONS /component/{path:path}",
    "GET /_stcore/bidi-components/{path:path}",
    "OPTIONS /_stcore/bidi-components/{path:path}",
    "ANY /",
    # Streamlit's own sign-in, which no page uses and no settings name.
    "GET /auth/login",
    "GET /auth/logout",
    "GET /oauth2callback",
}
SWITCHED_OFF = {
    f"{method} /_stcore/agent/{name}"
    for name in ("interact", "openapi.json", "mcp")
    for method in ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
}
"""Streamlit's door for programs; behind the login, and closed there too."""
API = "/gradio_api"
CLOSED = {
    # Reads files; fetches from other servers; runs a component's functions; serves a component's files.
    f"GET {API}/file={{path_or_url:path}}",
    f"HEAD {API}/file={{path_or_url:path}}",
    f"GET {API}/file/{{path:path}}",
    f"GET {API}/proxy={{url_path:path}}",
    f"HEAD {API}/proxy={{url_path:path}}",
    f"POST {API}/component_server",
    f"GET {API}/custom_component/{{id}}/{{environment}}/{{type}}/{{file_name}}",
    # Streams of sound and film, recordings of the screen.
    f"POST {API}/stream/{{event_id}}",
    f"POST {API}/stream/{{event_id}}/close",
    f"GET {API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist.m3u8",
    f"GET {API}/stream/{{session_hash}}/{{run}}/{{component_id}}/{{segment_id}}.{{ext}}",
    f"GET {API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist-file",
    f"POST {API}/process_recording",
    # Calls past the queue, or with names in place of places.
    f"POST {API}/api/{{api_name}}",
    f"POST {API}/run/{{api_name}}",
    f"POST {API}/call/v2/{{api_name}}",
    f"GET {API}/call/v2/{{api_name}}/{{event_id}}",
    # Writing the app from the browser; reloading it.
    f"POST {API}/vibe-edit",
    f"POST {API}/undo-vibe-edit",
    f"GET {API}/vibe-code",
    f"POST {API}/vibe-code",
    f"POST {API}/vibe-starter-queries",
    f"GET {API}/dev/reload",
    # What others do here, what they did, who they are.
    "GET /monitoring",
    "GET /monitoring/summary",
    "GET /monitoring/{key}",
    f"GET {API}/queue/status",
    f"GET {API}/runs",
    f"GET {API}/deep_link",
    f"GET {API}/token",
    # Gradio's own sign-in, which only a shared demo has.
    "POST /login",
    "GET /logout",
    f"GET {API}/login_check",
    # Nothing that the demo offers.
    f"GET {API}/openapi.json",
    "GET /openapi.json",
    "GET /pwa_icon",
    "GET /pwa_icon/{size}",
}
"""Of the demo's: 404, whoever asks."""


def named(routes: Iterable[BaseRoute | Any]) -> Iterator[str]:
    """Routes as "METHOD /path", without the HEAD that goes with Starlette's GET, and without a slash at the end."""
    for route in routes:
        if hasattr(route, "original_router"):  # FastAPI's, of a router that was included
            yield from named(route.original_router.routes)
            continue
        methods = getattr(route, "methods", None) or {"WEBSOCKET" if type(route).__name__ == "WebSocketRoute" else "ANY"}
        path = route.path.rstrip("/") or "/"
        yield from (f"{method} {path}" for method in methods if method != "HEAD" or "GET" not in methods)


@pytest.fixture(scope="module")
def gradio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gradio's application as the dashboard mounts it."""
    import fastapi

    from dashboard.demo.serve import mount_demo

    async def mounted() -> fastapi.FastAPI:
        app = fastapi.FastAPI(openapi_url=None)
        mount_demo(app, Demo(Workspace(tmp_path_factory.mktemp("empty"))))
        return app

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Demo, "models", lambda self: {"a": ModelChoice("a", Path())})
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("cache")))
        # In a thread of its own: where browser tests ran before, Playwright's loop is running in this one.
        with ThreadPoolExecutor(1) as thread:
            app = thread.submit(lambda: asyncio.run(mounted())).result()
        yield app


@pytest.mark.slow
def test_gradio_s_routes_are_those_that_were_decided_on(gradio: Any) -> None:
    [mount] = gradio.routes
    assert mount.path == "/demo"
    found = set(named(mount.routes))
    answered = {f"{method} {path}" for method, path in ANSWERED}
    assert found == answered | CLOSED
    assert answered & CLOSED == set()


@pytest.mark.slow
def test_closed_ones_are_closed(gradio: Any) -> None:
    client = TestClient(gradio, raise_server_exceptions=False)
    for each in CLOSED:
        method, path = each.split(" ")
        answer = client.request(method, f"/demo{compile_path(path)[1].format_map(_Anything())}")
        assert answer.status_code == 404
        assert method == "HEAD" or answer.text == NO_SUCH_ADDRESS


class _Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


@pytest.mark.parametrize("path", ["/gradio_api/call/a/b/c", "/gradio_api", "/gradio_api/upload/x", "/gradio_api/call/", "/x"])
def test_what_no_pattern_names_is_not_answered(path: str) -> None:
    assert not any(is_answered(method, path) for method in ("GET", "POST", "PUT"))


def test_starlette_s_routes_are_those_that_were_decided_on(tmp_path: Path) -> None:
    assert not st.get_option("server.enableAgentApi")
    guard: Any = build_app(Workspace(tmp_path), OpenAccess())
    app = guard._app
    assert set(named(app._build_starlette_app().routes)) == READERS | SWITCHED_OFF
    assert set(PasswordAccess(PASSWORD).pages) == EVERYONE
    assert set(getattr(guard, "_open_pages", {})) <= WHOEVER_RUNS_IT


def test_nobody_else_gets_past_the_login(tmp_path: Path) -> None:
    client = TestClient(build_app(Workspace(tmp_path), PasswordAccess(PASSWORD)), follow_redirects=False)
    for each in READERS | SWITCHED_OFF:
        method, path = each.replace("ANY", "GET").split(" ")
        address = compile_path(path)[1].format_map(_Anything())
        if method == "WEBSOCKET":
            with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(address):
                pass
            assert refused.value.code == POLICY_VIOLATION
        else:
            assert client.request(method, address).status_code in (303, 401, 403), each
