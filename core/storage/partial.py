"""Folders that are filled over a long time: what was done outlives a kill, and the next attempt goes on from there."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import WorkspaceError
from core.storage.files import check_empty, read_json, swap_folder, write_whole
from core.storage.processes import HOST, ProcessIdentity

RECORDS = ".kept"
NOBODY = "0@"
"""In the owner's place, ``MARK@MACHINE`` (see `core.storage.processes`): whoever filled the folder has let go of it."""
SILENCE_LIMIT_S = 3600.0
"""Another machine's folder in which nothing was done for longer than this is nobody's: of its processes we know nothing."""


@dataclass(frozen=True)
class PartialOutput:
    """A folder that is being filled, and a record for each thing in it that is done."""

    folder: Path

    def get(self, name: str, digest: str) -> dict[str, Any] | None:
        """What `put` was told of a thing; ``None`` where it is not done, or was made from something else."""
        try:
            record = read_json(self._record(name))
            return dict(record["facts"]) if record["digest"] == digest else None
        except (WorkspaceError, KeyError, TypeError, ValueError):
            return None

    def put(self, name: str, digest: str, facts: dict[str, Any]) -> None:
        """Say that a thing is done, once its files are written.

        Args:
            digest: of all that it was made from apart from the folder's own key.

        Raises:
            WorkspaceError: the disk refuses.
        """
        write_whole(self._record(name), json.dumps({"digest": digest, "facts": facts}, allow_nan=False).encode())

    def _record(self, name: str) -> Path:
        return self.folder / RECORDS / f"{name}.json"

    def settle(self, wanted: Collection[str]) -> None:
        """Remove the records and all files but those wanted.

        Args:
            wanted: paths below the folder.

        Raises:
            WorkspaceError: one of them is missing.
        """
        shutil.rmtree(self.folder / RECORDS, ignore_errors=True)
        found = {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}
        for name in found.keys() - set(wanted):
            found[name].unlink()
        if missing := set(wanted) - found.keys():
            raise WorkspaceError(f"{len(missing)} files are gone that were written", value=self.folder, todo="start again")


@contextmanager
def partial_folder(path: Path, key: dict[str, Any], *, replace: bool = False) -> Iterator[PartialOutput]:
    """Fill a folder under a temporary name and move it to ``path`` when the block ends well; else keep it for the next attempt.

    An attempt goes on with what an earlier one with the same key left when it failed or was killed; what others left is
    removed. Of two at the same time, each has a folder of its own.

    Args:
        key: what everything in the folder rests on; as JSON.
        replace: move an existing folder aside and delete it once the new one stands.

    Raises:
        WorkspaceError: ``path`` exists and is not empty, or the disk refuses.
    """
    if not replace:
        check_empty(path)
    name = _prefix(path, key)
    mine = path.with_name(f"{name}.{ProcessIdentity.own().mark}@{HOST}.partial")
    try:
        _take_over(path, name, mine)
        yield PartialOutput(mine)
        swap_folder(mine, path)
    except OSError as error:
        todo = "free some space or choose another folder"
        raise WorkspaceError(f"A folder could not be written ({error.strerror or error})", value=path, todo=todo) from error
    finally:
        _let_go(mine, path.with_name(f"{name}.{NOBODY}.partial"))


def partial_count(path: Path, key: dict[str, Any]) -> int:
    """How many things the next attempt with this key finds done."""
    return max((_done(folder) for folder in _left(path) if folder.name.startswith(_prefix(path, key))), default=0)


def _prefix(path: Path, key: dict[str, Any]) -> str:
    return f".{path.name}.{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]}"


def _left(path: Path) -> list[Path]:
    """Folders of earlier attempts at ``path`` that nobody fills any more."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}\.(?P<owner>[0-9a-f-]+)@(?P<host>.*)\.partial")
    found = path.parent.iterdir() if path.parent.is_dir() else ()
    named = [(folder, match) for folder in found if (match := ours.fullmatch(folder.name)) and folder.is_dir()]
    return [folder for folder, match in named if not _is_filled(folder, match["owner"], match["host"])]


def _is_filled(folder: Path, owner: str, host: str) -> bool:
    if f"{owner}@{host}" == NOBODY:
        return False
    try:
        changed_at = folder.stat().st_mtime
        if host == HOST:
            process = ProcessIdentity.from_mark(owner)
            return process.lives() if process.ticks is not None else _began_before(process.pid, changed_at)
        records = folder / RECORDS
        return time.time() - max(changed_at, records.stat().st_mtime if records.is_dir() else 0.0) < SILENCE_LIMIT_S
    except (OSError, ValueError):
        return False


def _began_before(pid: int, changed_at: float) -> bool:
    """Where only the id is known: a process that began after the folder last changed has only been given the same number."""
    found = ProcessIdentity.of(pid)
    return found.created_at is not None and found.created_at <= changed_at


def _done(folder: Path) -> int:
    return sum(1 for _ in (folder / RECORDS).glob("*.json"))


def _take_over(path: Path, name: str, mine: Path) -> None:
    left = _left(path)
    best = max((folder for folder in left if folder.name.startswith(name)), key=_done, default=None)
    for folder in left:
        if folder != best:
            shutil.rmtree(folder, ignore_errors=True)
    if best is not None:
        best.rename(mine)
    mine.mkdir(parents=True, exist_ok=True)
    # From here on it is newer than this process, see `_is_filled`.
    os.utime(mine)


def _let_go(mine: Path, free: Path) -> None:
    if mine.exists() and _done(mine) and not free.exists():
        mine.rename(free)
    else:
        shutil.rmtree(mine, ignore_errors=True)
