"""The files that were sent to this process: the only ones that the demo opens, and the only ones that it deletes."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ImageError
from dashboard.access import reader_of

KEPT_S = 600
"""How long a file may lie in the upload folder that nobody asked to segment, in seconds."""


@dataclass(frozen=True)
class _Arrival:
    """A request that sends files."""

    sender: str
    """The reader who signed in; empty where nobody has to."""
    parts: list[Path] = field(default_factory=list)
    """What Gradio writes the files to while they come in; the whole ones it moves to folders of their own."""


_ARRIVAL: ContextVar[_Arrival] = ContextVar("arrival")


@dataclass(frozen=True)
class _Sent:
    """An upload: who sent it, and when."""

    sender: str
    at_s: float


class Received:
    """The uploads of this process, by the folder that was made for each; each is taken once, by whoever sent it."""

    def __init__(self, *, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept_s, self._clock = kept_s, clock
        self._folders: dict[Path, _Sent] = {}
        self._lock = threading.Lock()

    def folder_name(self, part: Path) -> str:
        """A name, which nobody can guess, for the folder that one upload will get beside the file that it comes in through."""
        arrival = _ARRIVAL.get(_Arrival(""))
        arrival.parts.append(part)
        folder = part.parent.resolve() / secrets.token_hex(32)
        with self._lock:
            self._folders[folder] = _Sent(arrival.sender, self._clock())
        self._sweep()
        return folder.name

    def find(self, path: object, *, sender: str | None = None) -> Path:
        """An uploaded file, where it is one: a file and no link, straight in a folder that was made for an upload.

        Args:
            path: as a request states it.
            sender: who must have sent it; anybody by default.

        Raises:
            ImageError: it is anything else.
        """
        if isinstance(path, str | Path) and (sent := self._folders.get(Path(path).parent)) is not None:
            file = Path(path)
            # Resolved, a link leads elsewhere, whether it stands for the file or for its folder.
            if sender in (None, sent.sender) and file.is_file() and file.resolve() == file:
                return file
        name = Path(path).name[:80] if isinstance(path, str | Path) else None
        raise ImageError("There is no such upload", value=name, todo="send the file itself, then ask for it once")

    @contextmanager
    def taken(self, paths: Sequence[Path]) -> Iterator[list[Path]]:
        """Hand out uploaded files, and delete them and the folders that were made for them once they have been read.

        Raises:
            ImageError: one of them was not uploaded, or was asked for before; then none is touched.
        """
        files = [self.find(path) for path in paths]
        folders = {file.parent for file in files}
        with self._lock:
            if not folders <= self._folders.keys():
                raise ImageError("The files were asked for before", value=f"{len(files)} files", todo="send them again")
            for folder in folders:
                del self._folders[folder]
        try:
            yield files
        finally:
            for file in files:
                with suppress(OSError):
                    file.unlink(missing_ok=True)
            for folder in folders:
                with suppress(OSError):
                    folder.rmdir()

    def _sweep(self) -> None:
        """Forget what nobody asked for in time; Gradio deletes those files by the same clock, and leaves their folders."""
        oldest = self._clock() - self._kept_s
        with self._lock:
            old = [folder for folder, sent in self._folders.items() if sent.at_s < oldest]
            for folder in old:
                del self._folders[folder]
        for folder in old:
            for file in folder.glob("*"):
                with suppress(OSError):
                    file.unlink()
            with suppress(OSError):
                folder.rmdir()


RECEIVED = Received()
"""Those of this process; Gradio has one upload folder a process, too."""


class Arriving:
    """An ASGI application in front of Gradio's that notes who sends files, and deletes what comes in only in part."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        arrival = _Arrival(reader_of(Headers(scope=scope)) or "")
        token = _ARRIVAL.set(arrival)
        try:
            await self._app(scope, receive, send)
        finally:
            _ARRIVAL.reset(token)
            for part in arrival.parts:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
