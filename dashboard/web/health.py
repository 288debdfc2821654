"""``GET /health`` for whoever runs the server: whether reviews can be stored, the disk has room, and the demo stands."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.reviews.store.database import URL_VARIABLE, make_engine
from core.reviews.store.health import store_problem
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
        self._store = StoreFile(workspace.reviews_db)
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
        stores = self._store.answers() and store_problem(self._workspace.reviews_db) is None
        return {"store": "ok" if stores else "failed", "disk": disk_state(self._workspace.root)}


class StoreFile:
    """The review store's file, or the database that ``GUTCHECK_DATABASE_URL`` names, by one small query."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._first = self._place()

    def answers(self) -> bool:
        """Whether it can be read, and is still the file that was there first; one that was never made is no failure."""
        if os.environ.get(URL_VARIABLE):
            return _database_answers(os.environ[URL_VARIABLE])
        place = self._place()
        self._first = self._first or place
        if place is None or place != self._first:
            return self._first is None and self._file.parent.is_dir()
        try:
            with closing(sqlite3.connect(f"{self._file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
                connection.execute("SELECT 1 FROM events LIMIT 1").fetchall()
        except sqlite3.Error:
            return False
        return True

    def _place(self) -> tuple[int, int] | None:
        """Device and inode: another file of the same name is another store."""
        with suppress(OSError):
            found = self._file.stat()
            return found.st_dev, found.st_ino
        return None


def _database_answers(url: str) -> bool:
    try:
        engine = make_engine(url)
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
