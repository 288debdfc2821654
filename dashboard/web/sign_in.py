"""Signing in with a name and a password that all readers of a workspace share."""

import hmac
import html
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlencode

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from core.errors import ConfigError, ReviewError
from dashboard.web.access import SIGN_IN, SIGN_OUT, Access, Identity, OpenAccess, Page, is_loopback
from dashboard.web.brake import Brakes
from dashboard.web.names import name_to_sign_in
from dashboard.web.origin import is_cross_site

MIN_PASSWORD = 8
SESSION_S = 12 * 60 * 60
"""A working day; then one signs in again."""
MAX_FORM_BYTES = 8192
NAME_NOTE = "Your name stands beside every verdict and correction you give."
_PAGE = Template(Path(__file__).with_name("sign_in.html").read_text(encoding="utf-8"))
# Guard adds what every answer has, "Referrer-Policy: same-origin" too; with "no-referrer" the form's origin would be null.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}


@dataclass(frozen=True)
class _Session:
    id: str
    name: str


class PasswordAccess:
    """One password for all; each signs in under a name of their own. Sessions end with the server."""

    def __init__(self, password: str, note: str = NAME_NOTE, named: Callable[[str], str] = name_to_sign_in) -> None:
        """
        Args:
            note: what the page says of the name.
            named: the name under which somebody is then known; raises `ReviewError` for an impossible one. May take long.
        """
        self._password, self._note, self._named = _digest(password), note, named
        # Random at each start: nothing to keep secret on disk, and no other server's or workspace's cookie fits.
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="gutcheck-session")
        # Browsers share cookies between the ports of one machine.
        self.cookie = f"gutcheck-{secrets.token_hex(4)}"
        self._ended: set[str] = set()
        self._brakes = Brakes()
        self.pages: Mapping[str, Page] = {SIGN_IN: self._sign_in, SIGN_OUT: self._sign_out}

    def identify(self, scope: Scope) -> Identity | None:
        """See `dashboard.web.access.Access`."""
        session = self._session(HTTPConnection(scope))
        return Identity(session.name) if session else None

    def turn_away(self, request: Request) -> Response:
        """People get the sign-in page; whatever else asks gets one sentence."""
        wants_page = "text/html" in request.headers.get("accept", "") and request.method in ("GET", "HEAD")
        if not wants_page or request.url.path.startswith("/gutcheck/"):
            return PlainTextResponse("Sign in first: open GutCheck's start page.", 401)
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': wanted})}", 303)

    def _session(self, connection: HTTPConnection) -> _Session | None:
        try:
            session = _Session(*self._signer.loads(connection.cookies.get(self.cookie, ""), max_age=SESSION_S))
        except (BadSignature, TypeError):
            return None
        return None if session.id in self._ended else session

    async def _sign_in(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return self._page(request.query_params.get("next", "/"))
        if request.method != "POST":
            return PlainTextResponse("This page takes GET and POST.", 405, {"Allow": "GET, HEAD, POST"})
        return await self._check(request, await _read_form(request))

    async def _check(self, request: Request, form: Mapping[str, str]) -> Response:
        target, name = form.get("next", "/"), form.get("name", "")
        address = request.client.host if request.client else ""
        if wait_s := self._brakes.wait_s(name, address):
            seconds = math.ceil(wait_s)
            sentence = f"Too many wrong passwords; try again in {seconds} s."
            return self._page(target, name, sentence, 429, {"Retry-After": str(seconds)})
        if not hmac.compare_digest(_digest(form.get("password", "")), self._password):
            self._brakes.note_wrong(name, address)
            return self._page(target, name, "That is not the password.", 401)
        self._brakes.forget(name, address)
        try:
            # The review store may have to wait for a busy disk or another machine, and the server for nothing.
            session = _Session(secrets.token_hex(8), await run_in_threadpool(self._named, name))
        except ReviewError as error:
            return self._page(target, name, str(error), 422)
        return self._begin(session, target, secure=request.url.scheme == "https")

    def _begin(self, session: _Session, target: str, *, secure: bool) -> Response:
        response = RedirectResponse(_local(target), 303, {"Cache-Control": "no-store"})
        token = self._signer.dumps([session.id, session.name])
        response.set_cookie(self.cookie, token, max_age=SESSION_S, httponly=True, samesite="lax", secure=secure)
        return response

    async def _sign_out(self, request: Request) -> Response:
        response = RedirectResponse(SIGN_IN, 303, {"Cache-Control": "no-store"})
        session = self._session(request)
        # HEAD is no click on the link; neither is another site's page that leads here.
        if session and request.method != "HEAD" and not is_cross_site(request.headers):
            self._ended.add(session.id)
            response.delete_cookie(self.cookie)
        return response

    def _page(
        self, target: str, name: str = "", sentence: str = "", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        shown = {"target": _local(target), "name": name, "sentence": sentence, "note": self._note}
        content = _PAGE.substitute({key: html.escape(value) for key, value in shown.items()}, action=SIGN_IN)
        return HTMLResponse(content, status, _HEADERS | dict(headers or {}))


def access_for(
    host: str, password: str | None, *, remedy: str, note: str | None = None, named: Callable[[str], str] | None = None
) -> Access:
    """A login with this password; without one none, for this machine only.

    Args:
        host: where the server will listen.
        remedy: how a password is set, for who needs one.
        note: what the sign-in page says of the name; default: the dashboard's own.
        named: see `dashboard.web.sign_in.PasswordAccess`; default: the dashboard's own, which asks the workspace's reviews.

    Raises:
        ConfigError: another address than this machine's own without a password, or a password that is none.
    """
    if password is None:
        if not is_loopback(host):
            todo = f"{remedy}, or leave --host out"
            raise ConfigError("Without a login GutCheck listens on this machine only", value=f"--host {host}", todo=todo)
        return OpenAccess(f"{remedy}, and start it again")
    length = len(password.strip())
    if length < MIN_PASSWORD:
        what = f"The password has {length} characters" if length else "The password is blank"
        raise ConfigError(what, todo=f"use at least {MIN_PASSWORD} characters")
    return PasswordAccess(password, note or NAME_NOTE, named or name_to_sign_in)


def _digest(password: str) -> bytes:
    # Equal lengths, so that comparing tells nothing of the password's own.
    return sha256(password.encode("utf-8", "surrogatepass")).digest()


async def _read_form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    return {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}


def _local(target: str) -> str:
    """Where to go after signing in: a path of this server, never another one's."""
    own = target.startswith("/") and not target.startswith("//") and "\\" not in target
    # Browsers drop tabs and line ends from an address before they read it.
    return target if own and target.isprintable() else "/"
