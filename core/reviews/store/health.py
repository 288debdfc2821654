"""Whether reviews can be stored now, for whoever watches the server: asked of the very stores that the server has open."""

from pathlib import Path
from threading import Lock
from typing import Protocol
from weakref import WeakKeyDictionary


class Watched(Protocol):
    """An open store."""

    def problem(self) -> str | None:
        """See `core.reviews.store.store.ReviewStore.problem`."""


_watched: WeakKeyDictionary[Watched, Path] = WeakKeyDictionary()
_lock = Lock()


def watch(sqlite_file: Path, store: Watched) -> None:
    """Remember that this process has a store open."""
    with _lock:
        _watched[store] = sqlite_file.absolute()


def forget(store: Watched) -> None:
    """The store was closed."""
    with _lock:
        _watched.pop(store, None)


def store_problem(sqlite_file: Path) -> str | None:
    """Why the reviews of a workspace cannot be stored or read now, as a sentence; ``None`` where they can.

    Costs a look at the files and one read for each store that this process has open there; where it has none, there is no problem
    to tell, since opening one says what is wrong.

    Args:
        sqlite_file: the workspace's, see `core.storage.workspace.Workspace.reviews_db`; also where another database is used.
    """
    with _lock:
        open_here = [store for store, file in _watched.items() if file == sqlite_file.absolute()]
    problems = (store.problem() for store in open_here)
    return next((problem for problem in problems if problem), None)
