"""The Gradio demo under the dashboard's server, imported and started when somebody first asks for it.

Gradio takes five seconds and 165 MB to import; nobody who only reviews cases should pay for that.
"""

import asyncio
import logging
import threading
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import GutCheckError
from core.storage.workspace import Workspace

WAITING = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>GutCheck demo</title>
<body style="font-family:system-ui;display:grid;place-items:center;height:90vh;color-scheme:light dark">
<p role="status">The demo is starting; this page opens it in some seconds.</p></body>"""


@dataclass(frozen=True)
class DemoProgress:
    """How far the demo is."""

    state: Literal["idle", "starting", "ready", "failed"] = "idle"
    problem: str = ""
    """The sentence to show, where it failed."""


class LazyDemo:
    """An ASGI application that becomes the Gradio demo at its first request; until then a page says that it starts."""

    def __init__(self, workspace: Workspace, path: str) -> None:
        self._workspace, self._path = workspace, path
        self._app: Any = None
        self._entered: ASGIApp | None = None
        self._entering = asyncio.Lock()
        self._lifespan: AbstractAsyncContextManager[Any] | None = None
        self._progress, self._lock = DemoProgress(), threading.Lock()

    @property
    def progress(self) -> DemoProgress:
        """Whether it was started, is ready, or why it failed."""
        return self._progress

    def start(self) -> None:
        """Import Gradio, build the page and load the default model in the background, unless that is done or under way."""
        with self._lock:
            if self._progress.state in ("starting", "ready"):
                return
            self._progress = DemoProgress("starting")
        threading.Thread(target=self._build, name="demo", daemon=True).start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._progress.state == "idle":
            self.start()
        if self._progress.state == "ready":
            app = await self._running()
            # The demo knows its own path, which the mount around us has already taken off.
            await app({**scope, "root_path": scope.get("app_root_path", "")}, receive, send)
        elif self._progress.state == "failed":
            await PlainTextResponse(self._progress.problem, status_code=503)(scope, receive, send)
            # A mended workspace is seen at the next request.
            self._progress = DemoProgress()
        elif scope["type"] == "http":
            await HTMLResponse(WAITING, status_code=202)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1013})

    async def _running(self) -> ASGIApp:
        """The demo, its queue started: mounted applications get no start-up of their own, and Gradio's queue begins there."""
        async with self._entering:
            if self._entered is None:
                self._lifespan = self._app.router.lifespan_context(self._app)
                await self._lifespan.__aenter__()
                self._entered = self._app
        return self._entered

    def _build(self) -> None:
        try:
            from dashboard.demo.serve import mount_demo
            from dashboard.demo.session import Demo

            demo = Demo(self._workspace)
            # Before Gradio is imported: without a model there is no page to wait for.
            demo.models()

            import fastapi

            app = fastapi.FastAPI(openapi_url=None)
            mount_demo(app, demo, path=self._path)
            demo.warm_up()
            self._app = app
            self._progress = DemoProgress("ready")
        except GutCheckError as error:
            self._progress = DemoProgress("failed", str(error))
        except Exception:  # nobody waits for this thread, so that without this the page would say "starting" for ever
            logging.getLogger("gutcheck").exception("The demo could not be started")
            self._progress = DemoProgress("failed", "The demo could not be started; the server's log has the details.")

    async def close(self) -> None:
        """Stop the demo's queue."""
        if self._lifespan is not None:
            await self._lifespan.__aexit__(None, None, None)
