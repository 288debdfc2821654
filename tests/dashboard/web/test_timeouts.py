"""Connections that are held open, cut off or misused: each ends in time, and none leaves a traceback in the log."""

import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import streamlit
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect, WebSocketDisconnected
from streamlit.proto.BackMsg_pb2 import BackMsg
from uvicorn import Config, Server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dashboard.server import quiet_logs
from dashboard.web import timeouts
from tests.dashboard.guarded_server import ASKING, LIMIT_S, WAIT_S, Running, ended


def _sent_until_refused(peer: socket.socket, piece: bytes, pause_s: float) -> bool:
    """Go on sending; whether the other side ended the connection before long."""
    start = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() - start < LIMIT_S:
            peer.sendall(piece)
            time.sleep(pause_s)
    return time.monotonic() - start < LIMIT_S


def _closing_code(stream: ClientConnection) -> int | None:
    """Read until the server closes the websocket."""
    try:
        while True:
            stream.recv(LIMIT_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


class TestTimeOuts:
    def test_a_head_that_never_ends(self, running: Running) -> None:
        """It comes line by line, so that the connection is never idle."""
        with running.socket() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            assert _sent_until_refused(peer, b"x: y\r\n", 0.2)

    def test_a_head_that_is_cut_off(self, running: Running) -> None:
        start = time.monotonic()
        with running.socket() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            assert ended(peer).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - start >= WAIT_S

    def test_a_connection_that_says_nothing(self, running: Running) -> None:
        with running.socket() as peer:
            assert ended(peer) == b""

    def test_a_second_request_that_never_ends(self, running: Running) -> None:
        with running.socket() as peer:
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HT")
            said = ended(peer)
        assert said.startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("path", ["/sign-in", "/gutcheck/correction/stub/small-valid/case2_day0", "/none"])
    def test_a_body_that_never_comes(self, running: Running, path: str) -> None:
        before = running.log.read_text()
        cookie = f"Cookie: {running.cookie}\r\ngutcheck-correction: 1"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{cookie}\r\nContent-Length: 900\r\n\r\nname="
        with running.socket() as peer:
            peer.sendall(head.encode())
            said = ended(peer)
        assert said.split(b" ")[1] in (b"408", b"404", b"405")
        assert "Traceback" not in running.log.read_text().removeprefix(before)

    def test_a_body_that_trickles(self, running: Running) -> None:
        """Byte by byte, so that it is never idle, and never done."""
        with running.socket() as peer:
            peer.sendall(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
            assert _sent_until_refused(peer, b"a", 0.2)

    def test_a_slow_but_steady_body_is_taken(self, running: Running) -> None:
        """In more time than the time-out, with pauses shorter than it, and above the slowest rate (100,000 bytes a second)."""
        size, pieces = 800_000, 8
        start = time.monotonic()
        with running.socket() as peer:
            head = f"POST /none HTTP/1.1\r\nHost: x\r\nCookie: {running.cookie}\r\nContent-Length: {size}\r\n\r\n"
            peer.sendall(head.encode())
            for _ in range(pieces):
                peer.sendall(b"a" * (size // pieces))
                time.sleep(WAIT_S * 1.2 / pieces)
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = ended(peer)
        assert time.monotonic() - start > WAIT_S
        assert b"408" not in said
        assert said.count(b"HTTP/1.1 ") == 2

    def test_an_answer_that_nobody_reads(self, running: Running) -> None:
        """Several large ones, more than the sockets between us hold."""
        static = Path(streamlit.__file__).parent / "static/static/js"
        largest = max(static.glob("*.js"), key=lambda path: path.stat().st_size).name
        request = f"GET /static/js/{largest} HTTP/1.1\r\nHost: x\r\nCookie: {running.cookie}\r\n\r\n".encode()
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.settimeout(LIMIT_S)
            peer.connect(("127.0.0.1", running.port))
            peer.sendall(request * 8)
            assert _sent_until_refused(peer, b"G", 0.2)


async def _large(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose answer is more than the sockets between two programs hold."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(64):
        await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_an_answer_that_nobody_reads_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "SHUTDOWN_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(Config(_large, http=timeouts.TimedProtocol, lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            with socket.create_connection(listening.getsockname(), timeout=LIMIT_S) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert peer.recv(1)
                server.should_exit = True
                thread.join(timeouts.IDLE_S / 2)
                assert not thread.is_alive()
        finally:
            server.force_exit = True
            thread.join()


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (KeyError("ours"), True),
        (RuntimeError("ours"), True),
        (ConnectionResetError(), False),
        (WebSocketDisconnect(), False),
        (WebSocketDisconnected("closed"), False),
    ],
)
def test_a_websocket_s_traceback_is_logged_where_the_fault_is_ours(
    error: Exception, is_kept: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = logging.getLogger("streamlit.web.server.starlette.starlette_websocket")
    monkeypatch.setattr(stream, "filters", [])
    quiet_logs()
    stream.addHandler(caplog.handler)
    try:
        raise error
    except Exception:
        stream.exception("Error sending websocket payload")
    finally:
        stream.removeHandler(caplog.handler)
    assert ("Traceback" in caplog.text) == is_kept


class TestWebSocket:
    @pytest.fixture(autouse=True)
    def quiet(self, running: Running) -> Iterator[None]:
        """No traceback, and no address, gets into the log."""
        before = running.log.read_text()
        yield
        running.wait_for_websockets()
        written = running.log.read_text().removeprefix(before)
        assert "Traceback" not in written
        assert "/_stcore" not in written

    def test_text_is_not_taken(self, running: Running) -> None:
        with running.stream(**running.ours) as stream:
            stream.send("text")
            assert _closing_code(stream) == 1003

    def test_what_is_no_message_ends_it(self, running: Running) -> None:
        with running.stream(**running.ours) as stream:
            stream.send(_rerun())
            stream.send(b"\xff\xfe garbage")
            assert _closing_code(stream) == 1002

    def test_signing_out_while_a_page_is_being_drawn(self, running: Running) -> None:
        cookie = running.sign_in("Bo").headers["set-cookie"].partition(";")[0]
        with running.stream(**running.ours | {"Cookie": cookie}) as stream:
            stream.send(_rerun())
            ASKING.get(f"{running.url}/sign-out", headers={"Cookie": cookie})
            stream.send(_rerun())
            assert _closing_code(stream) == 1008

    @pytest.mark.parametrize("how", ["closed", "reset"])
    def test_going_while_a_page_is_being_drawn(self, running: Running, how: str) -> None:
        """That nothing of it is in the log; whether the server still sends when they have gone is left to chance."""
        for _ in range(5):
            with running.stream(**running.ours) as stream:
                stream.send(_rerun())
                stream.recv(LIMIT_S)
                if how == "reset":
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    stream.socket.close()

    def test_a_refused_one_is_not_in_the_log(self, running: Running) -> None:
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{running.port}/_stcore/stream?case=case2_day0")


def _rerun() -> bytes:
    message = BackMsg()
    message.rerun_script.query_string = ""
    return message.SerializeToString()
