"""One at a time: what looks first and acts then, held by a lock that ends with the process that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import BusyError, WorkspaceError

PATIENCE_S = 20.0
"""What is done under a lock takes a moment; whoever waits longer than this is told."""


@contextmanager
def locked(path: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock file at ``path``, which is made where it is missing and stays; not to be taken twice by one thread.

    Raises:
        BusyError: another process or thread has held it for too long.
        WorkspaceError: the file cannot be written.
    """
    lock = FileLock(path, timeout=patience_s)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        todo = "try again in a moment"
        raise BusyError("Somebody else is at work on the same thing", value=path.parent, todo=todo) from error
    except OSError as error:
        what = f"A lock could not be taken ({error.strerror})"
        raise WorkspaceError(what, value=path, todo="check the disk and permissions") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def runs_locked(runs: Path) -> Iterator[None]:
    """Hold the one lock of a workspace under which runs are started, resumed, stopped, deleted, put back and brought in.

    Args:
        runs: the folder that holds them.

    Raises: see `locked`.
    """
    with locked(runs / ".runs.lock"):
        yield
