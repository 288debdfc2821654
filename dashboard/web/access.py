"""Who is asking: the one seam between a request and a reader. No login by default; a shared password where one is set.

Every request passes `Guard`, which asks an `Access` who sends it. Another sign-in, such as OpenID Connect, is another
`Access`; nothing else changes.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from dashboard.web.answer_headers import with_headers
from dashboard.web.origin import SENTENCE, is_foreign
from dashboard.web.proxies import TrustedProxies

PASSWORD_VARIABLE = "GUTCHECK_PASSWORD"
ROLES = frozenset({"reader", "lead", "trainer"})
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
READER_HEADER = "gutcheck-reader"
"""Carries the name to Streamlit's scripts, which see a connection's headers and nothing else of it."""
POLICY_VIOLATION, UNSUPPORTED_DATA = 1008, 1003
"""The WebSocket close codes of RFC 6455 for a peer that may not go on, and for one that sends text."""
Page = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Identity:
    """Who sends a request."""

    name: str
    """The reader's name; empty where nobody has to sign in."""
    roles: frozenset[str] = ROLES
    """What this person may do; everything, until a sign-in knows better."""


class Access(Protocol):
    """A way to sign in."""

    pages: Mapping[str, Page]
    """By path; open to everyone."""

    def identify(self, scope: Scope) -> Identity | None:
        """Who sends this request or holds this websocket now; nothing for somebody who may not."""

    def turn_away(self, request: Request) -> Response:
        """The answer to a request of nobody."""


class OpenAccess:
    """No login: this machine's own browser may do everything."""

    pages: Mapping[str, Page] = {}

    def __init__(self, remedy: str = f"set {PASSWORD_VARIABLE} and start it again") -> None:
        self._remedy = remedy

    def identify(self, scope: Scope) -> Identity | None:
        """Anybody, under one of this machine's own names.

        A strange page can point a name of its own at 127.0.0.1 and would then count as ours (DNS rebinding).
        """
        host = HTTPConnection(scope).headers.get("host", "")
        return Identity("") if is_loopback(host_name(host)) else None

    def turn_away(self, request: Request) -> Response:
        """See `Access`."""
        sentence = f"Without a login GutCheck answers only at 127.0.0.1 or localhost; {self._remedy}."
        return PlainTextResponse(sentence, 403)


class Guard:
    """An ASGI application in front of another one: pages, routes, uploads and websockets alike.

    It refuses what another site's page sends, asks who sends the rest, believes the named proxies only, and gives every
    answer the headers of `dashboard.web.answer_headers`.
    """

    def __init__(
        self, app: ASGIApp, access: Access, proxies: TrustedProxies | None = None, open_pages: Mapping[str, Page] | None = None
    ) -> None:
        """
        Args:
            open_pages: by path; answered to everyone under any name, before anything is asked.
        """
        self._app, self._access = app, access
        self._proxies, self._open_pages = proxies or TrustedProxies(), open_pages or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(self._proxies.seen_through(scope), receive, with_headers(send))
        elif scope["type"] == "http":
            # Whoever breaks off an upload is no failure of ours, so nothing for the log.
            with suppress(ClientDisconnect):
                await self._request(self._proxies.seen_through(scope), receive, with_headers(send))
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if page := self._open_pages.get(scope["path"]):
            response = await page(request)
        elif is_foreign(scope):
            response = PlainTextResponse(SENTENCE, 403)
        elif page := self._access.pages.get(scope["path"]):
            response = await page(request)
        elif (identity := self._access.identify(scope)) is None:
            response = self._access.turn_away(request)
        else:
            await self._app(_with(scope, identity), receive, send)
            return
        await response(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = None if is_foreign(scope) else self._access.identify(scope)
        if identity is None:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        with suppress(_Gone, WebSocketDisconnect):
            await self._app(_with(scope, identity), self._checked(scope, receive, send), _until_gone(send))

    def _checked(self, scope: Scope, receive: Receive, send: Send) -> Receive:
        """A websocket lives for hours: whoever has signed out meanwhile is heard no more. Nor is text, which none here takes."""

        async def receive_checked() -> Message:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            if self._access.identify(scope) is None:
                code = POLICY_VIOLATION
            elif message.get("bytes") is None:
                code = UNSUPPORTED_DATA
            else:
                return message
            await _until_gone(send)({"type": "websocket.close", "code": code})
            return {"type": "websocket.disconnect", "code": code}

        return receive_checked


class _Gone(OSError):
    """Nobody is there any more to send to."""


def _until_gone(send: Send) -> Send:
    """``send`` for a websocket, which says in the way that Starlette understands that the other side has gone.

    uvicorn calls it a mistake to send after the connection was closed; but whoever sends cannot know of that yet.
    """

    async def send_or_gone(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError as error:
            raise _Gone from error

    return send_or_gone


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


def host_name(host: str) -> str:
    """A Host header without its port; empty where it is none: what stands behind a port or a bracket is no name of ours."""
    parts = re.fullmatch(r"(?:\[([\da-f:.]+)\]|([^:\[\]]+))(?::\d{1,5})?", host, re.ASCII | re.IGNORECASE)
    return (parts[1] or parts[2]) if parts else ""


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
