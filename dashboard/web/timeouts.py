"""Time-outs of a connection, which uvicorn has none of: for a request's head, for its body, for an answer nobody reads."""

import asyncio
from typing import Any, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from dashboard.web.answer_headers import ANSWER_HEADERS

HEAD_S = 20.0
"""For the whole head of a request, from the connection on, or from the answer before."""
IDLE_S = 60.0
"""For the next piece of a body, or until an answer's reader takes some of it. A slow line may take hours for a large file."""
SLOWEST = 500
"""Bytes a second below which a body does not count as one that comes, once `IDLE_S` are over."""
SHUTDOWN_S = 3.0
"""For an answer that is still being sent when the server ends; a page's open event stream never ends by itself."""


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to every wait for the other side."""

    head_s, idle_s = HEAD_S, IDLE_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._phase: Literal["head", "body"] | None = None
        self._since = self._heard = 0.0
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard = self.loop.time()
        self._bytes += len(data)
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """The connection waits for its next request."""
        super().on_response_complete()
        self._follow()

    def pause_writing(self) -> None:
        """The other side does not keep up; it has `IDLE_S` to take what waits."""
        super().pause_writing()
        self._write_timer = self._write_timer or self.loop.call_later(self.idle_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def shutdown(self) -> None:
        """The server ends: an answer under way has `SHUTDOWN_S` left."""
        super().shutdown()
        # Closed, the transport would wait for what is left to be read, and uvicorn for the transport.
        self.loop.call_later(SHUTDOWN_S, self.transport.abort)

    def _follow(self) -> None:
        """See what the connection waits for now, and time that."""
        phase = self._awaited()
        if phase == self._phase:
            return
        self._stop()
        self._phase = phase
        self._since = self._heard = self.loop.time()
        self._bytes = 0
        if phase is not None:
            self._timer = self.loop.call_at(self._deadline(), self._check)

    def _awaited(self) -> Literal["head", "body"] | None:
        # A websocket has the transport to itself, and pings.
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return None
        if self.conn.their_state is h11.IDLE:
            return "head"
        return "body" if self.conn.their_state is h11.SEND_BODY else None

    def _deadline(self) -> float:
        if self._phase == "head":
            return self._since + self.head_s
        return min(self._heard, self._since + self._bytes / SLOWEST) + self.idle_s

    def _check(self) -> None:
        self._timer = None
        if self._awaited() != self._phase:
            self._follow()
            return
        if self.flow.read_paused or (self.cycle and self.cycle.waiting_for_100_continue):  # we have not asked for more
            self._since = self._heard = self.loop.time()
            self._bytes = 0
        if self.loop.time() >= self._deadline():
            self._give_up()
        else:
            self._timer = self.loop.call_at(self._deadline(), self._check)

    def _give_up(self) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and (self._phase == "body" or self._bytes):
            self._refuse(b"408 Request Timeout", "The rest of the request did not come in time.")
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn: with the headers that every answer has."""
        self._refuse(b"400 Bad Request", msg)
        self.transport.close()

    def _refuse(self, status: bytes, sentence: str) -> None:
        """An answer without a request, which no application sees."""
        headers = [*ANSWER_HEADERS, (b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        lines = [b"HTTP/1.1 " + status, *(name + b": " + value for name, value in headers), b"", sentence.encode()]
        self.transport.write(b"\r\n".join(lines))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._phase = None


class TimedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's websocket, which ends where no ping is answered, also with messages left that nobody takes."""

    def keepalive_timeout(self) -> None:
        """See uvicorn: it would wait for the messages to be taken."""
        super().keepalive_timeout()
        self.loop.call_later(1.0, self.transport.abort)
