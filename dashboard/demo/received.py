"""The files that were sent to this process: the only ones that the demo opens, and the only ones that it deletes."""

import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import ImageError

KEPT_S = 600
"""How long a file may lie in the upload folder that nobody asked to segment, in seconds."""


@dataclass(frozen=True)
class _Arrival:
    """A request that sends files."""

    sender: str
    """The reader who signed in; empty where nobody has to."""
    parts: list[Path] = field(default_factory=list)
    """What Gradio writes the files to while they come in; the whole ones it moves to folders of their own."""
    folders: list[Path] = field(default_factory=list)
    """Those folders."""


_ARRIVAL: ContextVar[_Arrival] = ContextVar("arrival")


@dataclass(frozen=True)
class _Sent:
    """An upload: who sent it, and when the last of it came; infinity while it is still arriving."""

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
        arrival = _ARRIVAL.get(None)
        folder = part.parent.resolve() / secrets.token_hex(32)
        if arrival is not None:
            arrival.parts.append(part)
            arrival.folders.append(folder)
        sent = _Sent("", self._clock()) if arrival is None else _Sent(arrival.sender, math.inf)
        with self._lock:
            self._folders[folder] = sent
        self._sweep()
        return folder.name

    @contextmanager
    def arriving(self, sender: str) -> Iterator[None]:
        """Receive a request's files from ``sender``: their age counts from its end, and what came in only in part is deleted."""
        arrival = _Arrival(sender)
        token = _ARRIVAL.set(arrival)
        try:
            yield
        finally:
            _ARRIVAL.reset(token)
            with self._lock:
                now_s = self._clock()
                # What was asked for before this end is no longer among them.
                self._folders |= {folder: _Sent(sender, now_s) for folder in arrival.folders if folder in self._folders}
            for part in arrival.parts:
                with suppress(OSError):
                    part.unlink(missing_ok=True)

    def find(self, path: object, *, sender: str | None = None) -> Path:
        """An uploaded file, where it is one: a file and no link, straight in a folder that was made for an upload.

        Args:
            path: as a request states it.
            sender: who must have sent it; anybody by default.

        Raises:
            ImageError: it is anything else.
        """
        if isinstance(path, str | Path):
            file = Path(path)
            with self._lock:
                sent = self._folders.get(file.parent)
            # Resolved, a link leads elsewhere, whether it stands for the file or for its folder.
            if sent is not None and sender in (None, sent.sender) and file.is_file() and file.resolve() == file:
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
            if folder.is_symlink():
                continue
            for file in folder.glob("*"):
                with suppress(OSError):
                    file.unlink()
            with suppress(OSError):
                folder.rmdir()


RECEIVED = Received()
"""Those of this process; Gradio has one upload folder a process, too."""


def check_files(inputs: Sequence[Any], takes_files: Sequence[bool], sender: str) -> None:
    """Refuse values that name a file which the sender has not uploaded, or name one where no file belongs.

    Args:
        inputs: the values of a request, as JSON.
        takes_files: of each field, whether files belong there.

    Raises:
        ImageError: such a value.
    """
    for position, value in enumerate(inputs):
        for path in _named_files(value):
            if position >= len(takes_files) or not takes_files[position]:
                raise ImageError("A file was sent where none belongs", todo="see gradio_api/info for what each value may be")
            RECEIVED.find(path, sender=sender)


def _named_files(value: Any) -> Iterator[Any]:
    """The path of everything in a value that Gradio could take for a file, however deep it lies."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "path" in part:
                yield part["path"]
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
