"""Whether what was opened is still there: a server that goes on with a removed file takes verdicts that nobody finds again."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from core.errors import ReviewError
from core.reviews.store.chain import Head, stored_head
from core.reviews.store.schema import events

Identity = tuple[int, int] | None
"""Device and inode; nothing for a file that is not there."""
_COMPANIONS = ("-wal", "-shm")
_NOTE = "gutcheck_files"


def identity_of(path: Path) -> Identity:
    """Which file it is now that a path leads to."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def note_files(info: MutableMapping[Any, Any], database: Path) -> None:
    """Keep with a connection which files it has opened. SQLite removes none of them while a connection is open."""
    info[_NOTE] = _files(database)


def read_claim(file: Path) -> str:
    """Whose database it is that a workspace says it has; empty where it says nothing."""
    try:
        return file.read_text(encoding="utf-8").strip()[:64]
    except (OSError, ValueError):
        return ""


class Opened:
    """What a store was opened with. Once it is found gone it stays so, until the store is opened anew."""

    def __init__(self, database: Path | None, claim: tuple[Path, str] | None) -> None:
        """
        Args:
            database: the SQLite file.
            claim: the file that says whose a database of its own is, and what it says.
        """
        self._database, self._claim = database, claim
        self._identity = identity_of(database) if database else None
        self._last: Head | None = None
        self._problem: tuple[str, object] | None = None

    def check(self, connection: Connection | None = None) -> None:
        """Check that the files are those that were opened, by the store and by the connection.

        Raises:
            ReviewError: they are not, or once were not.
        """
        self._problem = self._problem or self._find_problem(connection)
        self._refuse()

    def check_going_on(self, connection: Connection) -> None:
        """Check that the database still has the event that was last when `note` was called: a backup put back has not.

        Raises:
            ReviewError: it has not.
        """
        last, found = self._last, stored_head(connection)
        if last is None or found is None or found == last:
            return
        kept = select(events.c.hash).where(events.c.sequence == last.sequence)
        if found.sequence < last.sequence or (last.sequence and connection.scalar(kept) != last.hash):
            where = self._database or "the database"
            self._problem = "The review store lacks an event that was stored: another copy was put in its place", where
            self._refuse()

    def note(self, last: Head | None) -> None:
        """Remember what the database had last."""
        self._last = last or self._last

    def _find_problem(self, connection: Connection | None) -> tuple[str, object] | None:
        if self._database is not None:
            now = _files(self._database)
            noted = connection.connection.info.get(_NOTE, now) if connection is not None else now
            others = any(had and had != has for had, has in zip(noted, now, strict=True))
            if self._identity is None or now[0] != self._identity or others:
                return "The review store was removed or replaced while GutCheck was running", self._database
        if self._claim is not None and read_claim(self._claim[0]) != self._claim[1]:
            return "The workspace was removed or replaced while GutCheck was running", self._claim[0].parent
        return None

    def _refuse(self) -> None:
        if self._problem is not None:
            what, value = self._problem
            todo = "nothing more is stored: see that the right one is in its place, then start GutCheck again"
            raise ReviewError(what, value=value, todo=todo)


def _files(database: Path) -> tuple[Identity, ...]:
    # SQLite has the others beside the file itself, wherever a link to it lies.
    real = database.resolve()
    return identity_of(database), *(identity_of(real.with_name(real.name + ending)) for ending in _COMPANIONS)
