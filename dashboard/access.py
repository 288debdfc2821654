"""Who is asking: the one seam between a request and a reader. No login by default; a shared password where one is set.

Every request passes `Guard`, which asks an `Access` who sends it. Another sign-in, such as OpenID Connect, is another
`Access`; nothing else changes.
"""

import ipaddress
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import ConfigError

PASSWORD_VARIABLE = "GUTCHECK_PASSWORD"
MIN_PASSWORD = 8
ROLES = frozenset({"reader", "lead", "trainer"})
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
READER_HEADER = "gutcheck-reader"
"""Carries the name to Streamlit's scripts, which see a connection's headers and nothing else of it."""
POLICY_VIOLATION = 1008
"""The WebSocket close code of RFC 6455 for a peer that may not go on."""


@dataclass(frozen=True)
class Identity:
    """Who sends a request."""

    name: str
    """The reader's name; empty where nobody has to sign in."""
    roles: frozenset[str] = ROLES
    """What this person may do; everything, until a sign-in knows better."""


class Access(Protocol):
    """A way to sign in."""

    pages: Mapping[str, Callable[[Request], Awaitable[Response]]]
    """By path; open to everyone."""

    def identify(self, scope: Scope) -> Identity | None:
        """Who sends this request or holds this websocket now; nothing for somebody who may not."""

    def turn_away(self, request: Request) -> Response:
        """The answer to a request of nobody."""


class OpenAccess:
    """No login: this machine's own browser may do everything."""

    pages: Mapping[str, Callable[[Request], Awaitable[Response]]] = {}

    def identify(self, scope: Scope) -> Identity | None:
        """Anybody, under one of this machine's own names.

        A strange page can point a name of its own at 127.0.0.1 and would then count as ours (DNS rebinding).
        """
        host = HTTPConnection(scope).headers.get("host", "")
        return Identity("") if is_loopback(host_name(host)) else None

    def turn_away(self, request: Request) -> Response:
        """See `Access`."""
        sentence = f"Without a login GutCheck answers only at 127.0.0.1 or localhost; set {PASSWORD_VARIABLE} and start it again."
        return PlainTextResponse(sentence, 403)


class Guard:
    """An ASGI application in front of another one: pages, routes, uploads and websockets alike."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._access.pages:
            request = Request(scope, receive)
            await (await self._access.pages[scope["path"]](request))(scope, receive, send)
        elif (identity := self._access.identify(scope)) is not None:
            await self._app(_with(scope, identity), self._checked(scope, receive, send), send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            response = self._access.turn_away(Request(scope, receive))
            response.headers["Cache-Control"] = "no-store"
            await response(scope, receive, send)

    def _checked(self, scope: Scope, receive: Receive, send: Send) -> Receive:
        """A websocket lives for hours: whoever has signed out meanwhile is heard no more."""
        if scope["type"] != "websocket":
            return receive

        async def receive_while_signed_in() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and self._access.identify(scope) is None:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
            return message

        return receive_while_signed_in


def _with(scope: Scope, identity: Identity) -> Scope:
    """The scope with the identity in place of whatever the sender claims."""
    name = READER_HEADER.encode()
    headers = [(key, value) for key, value in scope["headers"] if key.lower() != name]
    headers += [(name, quote(identity.name).encode())] if identity.name else []
    return {**scope, "headers": headers}


def reader_of(headers: Mapping[str, str]) -> str | None:
    """The name of the reader who signed in, from headers that passed `Guard`; nothing where nobody has to."""
    return unquote(headers.get(READER_HEADER, "")) or None


def current_reader() -> str | None:
    """The name of the reader who signed in, for a Streamlit page; nothing where nobody has to."""
    import streamlit as st

    return reader_of(st.context.headers)


def choose_access(host: str, password_file: str | None) -> Access:
    """The access that the environment and the command line ask for.

    Args:
        host: where the server will listen.
        password_file: a file whose first line is the password; else ``GUTCHECK_PASSWORD`` counts.

    Raises:
        ConfigError: another address than this machine's own without a password, or a password that is none.
    """
    from dashboard.sign_in import PasswordAccess

    password = _read_password(password_file) if password_file else os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        if not is_loopback(host):
            todo = f"set {PASSWORD_VARIABLE} or --password-file, or leave --host out"
            raise ConfigError("Without a login GutCheck listens on this machine only", value=f"--host {host}", todo=todo)
        return OpenAccess()
    if len(password) < MIN_PASSWORD:
        raise ConfigError(f"The password has {len(password)} characters", todo=f"use at least {MIN_PASSWORD}")
    return PasswordAccess(password)


def _read_password(file: str) -> str:
    try:
        return (Path(file).read_text(encoding="utf-8").splitlines() or [""])[0].strip()
    except (OSError, ValueError) as error:
        raise ConfigError("The password file cannot be read", value=file, todo="give a text file with one line") from error


def host_name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_same_origin(request: Request) -> bool:
    """Whether a browser sends this from one of our own pages (or it is no browser, which sends neither header).

    Fetch Metadata where the browser has it, else Origin against Host, as OWASP's cross-site request forgery sheet says.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    return origin is None or origin.partition("://")[2].lower() == request.headers.get("host", "").lower()
