"""The dashboard's server with a login, as its command starts it, for tests that ask it real requests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import httpx
from starlette.testclient import TestClient
from websockets.sync.client import ClientConnection, connect

from core.storage.workspace import Workspace
from dashboard.server import build_app
from dashboard.web.access import Access
from dashboard.web.proxies import TrustedProxies

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse"
WAIT_S = 4.0
"""Of the server under test, for heads and bodies: short, but longer than a busy machine takes to send a small request."""
BEGUN, OVER = "A websocket has begun.", "A websocket is over."
SERVER = f"""
import sys
from dashboard.web import access, timeouts; from dashboard import server
from core.cli.command import run_command
answer_websocket = access.Guard._websocket
async def logged_websocket(*arguments):
    print("{BEGUN}", flush=True)
    try:
        await answer_websocket(*arguments)
    finally:
        print("{OVER}", flush=True)
access.Guard._websocket = logged_websocket
timeouts.TimedProtocol.head_s = timeouts.TimedProtocol.idle_s = {WAIT_S}
timeouts.SLOWEST = 100_000
sys.exit(run_command(lambda: server.main(sys.argv[1:])))
"""
LIMIT_S = 60.0
ASKING = httpx.Client(timeout=LIMIT_S, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all, since each new one reads the machine's certificates; but it keeps no cookie."""
ASKING.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))


@dataclass(frozen=True)
class Running:
    port: int
    workspace: Path
    log: Path
    cookie: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ours(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "Origin": self.url, "Sec-Fetch-Site": "same-origin"}

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)

    def sign_in(self, name: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        return ASKING.post(f"{self.url}/sign-in", data={"name": name, "password": password}, headers=headers)

    def wait_for_websockets(self) -> None:
        """Until each that was begun is over, and what the server does right after it is done."""
        until(lambda: self.log.read_text().count(BEGUN) == self.log.read_text().count(OVER))
        assert ASKING.get(f"{self.url}/health").status_code == 200

    def stream(self, **headers: str) -> ClientConnection:
        """Streamlit's websocket, asked for with these headers."""
        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        return connect(address, subprotocols=["streamlit"], additional_headers=headers, max_size=None, open_timeout=LIMIT_S)  # type: ignore[list-item]


@contextmanager
def guarded_server(workspace: Path) -> Iterator[Running]:
    """``python -m dashboard`` with a password and short time-outs."""
    log = workspace.parent / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, "--workspace", str(workspace), "--port", str(port)]
    environment = os.environ | {"GUTCHECK_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as process:
        try:
            until(lambda: "GutCheck: http" in log.read_text() or process.poll() is not None)
            started = Running(port, workspace, log, "")
            cookie = started.sign_in("Dr. Ada").headers["set-cookie"].partition(";")[0]
            yield Running(port, workspace, log, cookie)
        finally:
            process.terminate()
            assert process.wait(LIMIT_S) == 130
            assert log.read_text().endswith("Stopped.\n")


def until(done: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < LIMIT_S
        time.sleep(0.05)


def ended(peer: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    said = b""
    try:
        while piece := peer.recv(4096):
            said += piece
    except ConnectionResetError:
        pass
    return said


def client_of(
    workspace: Path, access: Access, proxies: str = "", client: str = "192.0.2.9", url: str = "http://gut.test"
) -> TestClient:
    app = build_app(Workspace(workspace), access, TrustedProxies.read(proxies))
    return TestClient(app, base_url=url, client=(client, 50000), follow_redirects=False)
