"""``GET /health`` for whoever runs the server: whether reviews can be stored, the disk has room, and the demo stands."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.reviews.store.database import URL_VARIABLE, make_engine
from core.reviews.store.intact import identity_of
from core.reviews.store.shared import opened_store
from core.storage.workspace import Workspace

HEALTH = "/health"
MIN_FREE_BYTES = 500_000_000
"""Below that the disk counts as full: a training's checkpoint would no longer fit, a verdict still does."""
KEPT_S = 1.0
"""How long an answer stands: anybody may ask, and as often as they like."""
DemoHealth = Literal["idle", "ok", "failed"]


class Health:
    """Looks at the workspace when asked, once a second at most."""

    def __init__(self, workspace: Workspace, demo: Callable[[], DemoHealth], clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace, self._demo, self._clock = workspace, demo, clock
        self._first = identity_of(workspace.reviews_db)
        self._known: tuple[float, dict[str, str]] | None = None
        self._looking = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        """200 or 503 and one word on each; nothing of what the workspace holds or where it lies."""
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("This address takes GET.", 405, {"Allow": "GET, HEAD"})
        async with self._looking:
            if self._known is None or self._clock() - self._known[0] >= KEPT_S:
                self._known = self._clock(), await run_in_threadpool(self._look)
        words = self._known[1] | {"demo": self._demo()}
        well = set(words.values()) <= {"ok", "idle"}
        return JSONResponse(words, 200 if well else 503, {"Cache-Control": "no-store"})

    def _look(self) -> dict[str, str]:
        return {"store": "ok" if self._stores() else "failed", "disk": disk_state(self._workspace.root)}

    def _stores(self) -> bool:
        """Whether the store can be read anew and is the file that was there first; one that was never made is no failure."""
        file, url = self._workspace.reviews_db, os.environ.get(URL_VARIABLE)
        now = identity_of(file)
        self._first = self._first or now
        if not url and self._first is None:
            return file.parent.is_dir()
        store = opened_store(file)
        return (bool(url) or now == self._first) and _reads(url, file) and (store is None or store.problem() is None)


def _reads(url: str | None, file: Path) -> bool:
    """Whether a new connection reads; of a file, without waiting for whoever writes it."""
    try:
        read_only = URL.create("sqlite", database=file.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
        engine = make_engine(url) if url else create_engine(read_only, connect_args={"timeout": 1})
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1 FROM events LIMIT 1").all()
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, OSError):
        return False
    return True


def disk_state(folder: Path) -> Literal["ok", "full", "failed"]:
    """Whether the volume of a folder has room."""
    try:
        return "ok" if shutil.disk_usage(folder).free >= MIN_FREE_BYTES else "full"
    except OSError:
        return "failed"
