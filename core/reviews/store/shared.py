"""The one review store that a process has open of a workspace: what one of its users finds lost, all of them refuse."""

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from core.reviews.store.database import URL_VARIABLE
from core.reviews.store.store import ReviewStore

MOST_OPEN = 4
"""A server has one workspace; beyond this the store that was asked for longest ago is closed."""

_open: OrderedDict[tuple[Path, str], ReviewStore] = OrderedDict()
_lock = Lock()


def shared_store(sqlite_file: Path) -> ReviewStore:
    """The store of a workspace, opened when it is first asked for. A second one, opened after the database was removed, would
    make a new one and take verdicts into it while the first still refuses.

    Raises:
        ReviewError: see `core.reviews.store.database.open_database`.
    """
    key = _key(sqlite_file)
    with _lock:
        if key not in _open:
            _open[key] = ReviewStore.open(sqlite_file)
        _open.move_to_end(key)
        if len(_open) > MOST_OPEN:
            _open.popitem(last=False)[1].close()
        return _open[key]


def opened_store(sqlite_file: Path) -> ReviewStore | None:
    """The store of a workspace where it is open; waits for no opening."""
    return _open.get(_key(sqlite_file))


def _key(sqlite_file: Path) -> tuple[Path, str]:
    return sqlite_file.absolute(), os.environ.get(URL_VARIABLE, "")
