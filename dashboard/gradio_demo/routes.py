"""Which of Gradio's addresses the demo answers at: what its page, Gradio's client and the documented calls need, and no other.

Gradio brings routes for apps that show files, proxy others, are edited in the browser, stream and record; some take paths.
"""

import logging
import re
import traceback

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    # Signing in to a demo that runs alone with a password.
    ("POST", "/login"),
    ("GET", "/logout"),
    ("GET", f"{API}/login_check"),
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
NO_SUCH_ADDRESS = "The demo has no such address."
NO_ANSWER = "The demo cannot answer this request; reload the page, or see gradio_api/info for what it takes."
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple((method, compile_path(path)[0]) for method, path in ANSWERED)


def is_answered(method: str, path: str) -> bool:
    """Whether the demo answers there."""
    path = path.rstrip("/") or "/"
    return any(method == wanted and pattern.fullmatch(path) for wanted, pattern in _PATTERNS)


def log_without_values(error: BaseException) -> None:
    """Say in the log where something failed, and nothing of what was sent: an error's own text quotes paths and names."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger("gutcheck").error("A request to the demo failed (%s):\n%s", type(error).__name__, frames)


class OnlyAnswered:
    """An ASGI application in front of Gradio's: 404 for other addresses, and one sentence where a request breaks Gradio."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not is_answered(scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))):
            await PlainTextResponse(NO_SUCH_ADDRESS, 404)(scope, receive, send)
            return
        begun: Message = {}

        async def noted(message: Message) -> None:
            begun.update({} if begun else message)
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
