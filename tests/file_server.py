"""A web server on this machine that serves one file, and cuts, lies, changes or refuses as a test wants."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4000
OTHER = CONTENT[::-1]


@dataclass
class Behaviour:
    """What the server does."""

    content: bytes = CONTENT
    etag: str = '"one"'
    ranges: bool = True
    chunked: bool = False
    cut_after: list[int] = field(default_factory=list)
    """For each answer that is to be cut: bytes of it that are sent."""
    status: list[int] = field(default_factory=list)
    """For each answer that is to be an error: its status."""
    change_after: int | None = None
    """After so many answers the file is another."""
    asked: list[str | None] = field(default_factory=list)
    """The Range of each request."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        behaviour: Behaviour = self.server.behaviour  # type: ignore[attr-defined]
        self.close_connection = True
        if behaviour.change_after is not None and len(behaviour.asked) >= behaviour.change_after:
            behaviour.content, behaviour.etag = OTHER, '"two"'
        behaviour.asked.append(self.headers.get("Range"))
        if behaviour.status:
            self.send_error(behaviour.status.pop(0))
            return
        start = self.start(behaviour)
        if start >= len(behaviour.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(behaviour.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = behaviour.content[start:]
        self.send_response(206 if start else 200)
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(behaviour.content) - 1}/{len(behaviour.content)}")
        self.send_header(*(("Transfer-Encoding", "chunked") if behaviour.chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        sent = body[: behaviour.cut_after.pop(0)] if behaviour.cut_after else body
        if behaviour.chunked:
            self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n" + (b"0\r\n\r\n" if len(sent) == len(body) else b""))
        else:
            self.wfile.write(sent)

    def start(self, behaviour: Behaviour) -> int:
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") == behaviour.etag
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked and behaviour.ranges and same else 0


Server = tuple[str, Behaviour]
"""Its address and its behaviour."""


@contextmanager
def serving() -> Iterator[Server]:
    """Address and behaviour of a server that runs as long as the block."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.behaviour = Behaviour()  # type: ignore[attr-defined]
    made.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up is part of the tests
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_address[1]}/set.zip", made.behaviour  # type: ignore[attr-defined]
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
