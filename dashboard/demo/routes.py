"""Which of Gradio's addresses the demo answers at: what its page, Gradio's client and the documented calls need, and no other.

Gradio brings routes for apps that show files, proxy others, are edited in the browser, stream and record; some take paths.
"""

import logging
import re
import traceback

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.demo.limits import refuse_plainly
from dashboard.demo.received import RECEIVED
from dashboard.web.access import reader_of

API = "/gradio_api"
ANSWERED: tuple[tuple[str, str], ...] = (
    # The page, and what a browser loads with it.
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/config"),
    ("GET", "/theme.css"),
    ("GET", f"{API}/theme.css"),
    ("GET", "/assets/{path:path}"),
    ("GET", "/static/{path:path}"),
    ("GET", "/svelte/{path:path}"),
    ("GET", "/favicon.ico"),
    ("GET", "/manifest.json"),
    ("GET", "/robots.txt"),
    ("GET", f"{API}/startup-events"),
    ("GET", f"{API}/user"),
    ("GET", f"{API}/app_id"),
    # A file in, a call, its answer; the end of a tab.
    ("POST", f"{API}/upload"),
    ("GET", f"{API}/upload_progress"),
    ("GET", f"{API}/info"),
    ("POST", f"{API}/call/{{api_name}}"),
    ("GET", f"{API}/call/{{api_name}}/{{event_id}}"),
    ("POST", f"{API}/queue/join"),
    ("GET", f"{API}/queue/data"),
    ("POST", f"{API}/cancel"),
    ("POST", f"{API}/reset"),
    ("GET", f"{API}/heartbeat/{{session_hash}}"),
)
"""Method and path below the demo's own, as Starlette writes them; a slash at the end makes no difference."""
SIGN_IN: tuple[tuple[str, str], ...] = (("POST", "/login"), ("GET", "/logout"), ("GET", f"{API}/login_check"))
"""Gradio's own, which only a shared demo has; any other is behind `dashboard.web.access.Guard`."""
NO_SUCH_ADDRESS = "The demo has no such address."
NO_ANSWER = "The demo cannot answer this request; reload the page, or see gradio_api/info for what it takes."


def _compiled(addresses: tuple[tuple[str, str], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((method, compile_path(path)[0]) for method, path in addresses)


_ANSWERED, _SHARED = _compiled(ANSWERED), _compiled(ANSWERED + SIGN_IN)


def is_answered(method: str, path: str, *, shared: bool = False) -> bool:
    """Whether the demo answers there.

    Args:
        shared: it is served by Gradio's own launch, with Gradio's own sign-in.
    """
    path = path.rstrip("/") or "/"
    return any(method == answered and pattern.fullmatch(path) for answered, pattern in (_SHARED if shared else _ANSWERED))


def log_without_values(error: BaseException) -> None:
    """Say in the log where something failed, and nothing of what was sent: an error's own text quotes paths and names."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger("gutcheck").error("A request to the demo failed (%s):\n%s", type(error).__name__, frames)


class Front:
    """The ASGI application in front of Gradio's.

    404 for addresses that are not answered; our sentences in place of Gradio's refusals (`limits.refuse_plainly`); who sends
    files (`received.Received.arriving`); and one sentence where a request breaks Gradio.
    """

    def __init__(self, app: ASGIApp, *, shared: bool = False) -> None:
        self._app, self._shared = app, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not is_answered(scope["method"], path, shared=self._shared):
            await PlainTextResponse(NO_SUCH_ADDRESS, 404)(scope, receive, send)
        elif scope["method"] == "POST":
            with RECEIVED.arriving(reader_of(Headers(scope=scope)) or ""):
                await self._answer(scope, receive, refuse_plainly(scope, receive, send))
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            return  # whoever breaks off an upload is no failure of ours
        except Exception as error:
            if begun and isinstance(error.__cause__, HTTPException):
                # Gradio tells, as an event, that there is none of that id, and raises this too: the answer is whole.
                await send({"type": "http.response.body", "body": b""})
                return
            log_without_values(error)
            if not begun:
                await PlainTextResponse(NO_ANSWER, 400)(scope, receive, send)
