"""The Gradio demo under the dashboard's server, imported and started when somebody first opens it.

Gradio takes five seconds and 165 MB to import; nobody who only reviews cases should pay for that.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import GutCheckError
from core.workspace import Workspace

WAITING = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>GutCheck demo</title>
<body style="font-family:system-ui;display:grid;place-items:center;height:90vh;color-scheme:light dark">
<p role="status">The demo is starting; this page opens it in some seconds.</p></body>"""


class LazyDemo:
    """An ASGI application that becomes the Gradio demo at its first request; until then a page says that it starts."""

    def __init__(self, workspace: Workspace, path: str) -> None:
        self._workspace, self._path = workspace, path
        self._app: ASGIApp | None = None
        self._starting: asyncio.Task[None] | None = None
        self._lifespan: AbstractAsyncContextManager[Any] | None = None
        self._problem: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None and self._starting is None:
            self._problem = None
            self._starting = asyncio.create_task(self._start())
        if self._app is not None:
            # The demo knows its own path, which the mount around us has already taken off.
            await self._app({**scope, "root_path": scope.get("app_root_path", "")}, receive, send)
        elif self._problem is not None:
            await PlainTextResponse(self._problem, status_code=503)(scope, receive, send)
            # A mended workspace is seen at the next request.
            self._starting = None
        elif scope["type"] == "http":
            await HTMLResponse(WAITING, status_code=202)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1013})

    async def _start(self) -> None:
        try:
            app = await asyncio.to_thread(self._build)
            # Mounted applications get no start-up of their own, and Gradio's queue begins there.
            self._lifespan = app.router.lifespan_context(app)
            await self._lifespan.__aenter__()
            self._app = app
        except GutCheckError as error:
            self._problem = str(error)

    def _build(self) -> Any:
        import fastapi

        from dashboard.demo import mount_demo

        app = fastapi.FastAPI()
        mount_demo(app, self._workspace, path=self._path)
        return app

    async def close(self) -> None:
        """Stop the demo's queue."""
        if self._lifespan is not None:
            await self._lifespan.__aexit__(None, None, None)
