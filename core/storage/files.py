"""Files written whole (temporary name, then rename), hashed, and read with errors that a person understands."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.errors import WorkspaceError

if TYPE_CHECKING:
    from numpy.typing import NDArray


SPARE_BYTES = 2**28
"""What has to stay free on a disk beside what is written."""
CHUNK_BYTES = 2**18
"""Of a large file, read at a time."""


def check_free_space(
    folder: Path, needed: int, *, spare: int = 0, todo: str = "free some space or choose another folder"
) -> None:
    """Check that the disk of a folder, which need not be there yet, has room.

    Args:
        needed: bytes that will be written.
        spare: bytes that have to stay free beside them, at least `SPARE_BYTES`.

    Raises:
        WorkspaceError: it has not.
    """
    standing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(standing).free
    if free < needed + max(spare, SPARE_BYTES):
        value = f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free in {standing}"
        raise WorkspaceError("The disk is too full", value=value, todo=todo)


def _hidden_sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")


def write_whole(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write ``content`` so that ``path`` holds either its previous content or all of the new, even after a kill.

    Args:
        mode: who may read and write the file, less what the process's umask takes away.

    Raises:
        WorkspaceError: the folder cannot be written (full disk, no permission); ``path`` is then unchanged.
    """
    partial = _hidden_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        # Where the folder itself is at fault, so is the removal.
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise WorkspaceError(
            f"A file could not be written ({error.strerror})", value=path, todo="free some space or choose another folder"
        ) from error


def sync_folder(folder: Path) -> None:
    """Put on disk which files a folder holds: a new name may be lost by a power cut though the file's content is there.

    Raises:
        WorkspaceError: the disk refuses.
    """
    try:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        what = f"A folder could not be put on disk ({error.strerror})"
        raise WorkspaceError(what, value=folder, todo="check the disk, and try again") from error


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON, whole. NaN is refused: JSON has none, and ``null`` says "undefined"."""
    write_whole(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def is_text(value: object) -> bool:
    """Whether it is a text that can be written and sent: JSON can hold halves of characters, which cannot."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def read_json(path: Path) -> Any:
    """The JSON in ``path``.

    Raises:
        WorkspaceError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorkspaceError("A file is missing", value=path, todo="check the path, or make it again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise WorkspaceError("A file is not readable JSON", value=path, todo="restore it, or make it again") from error


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder under a temporary name and move it to ``path`` when the block ends well; else leave nothing.

    Args:
        replace: move an existing folder aside and delete it once the new one stands.

    Raises:
        WorkspaceError: ``path`` exists and is not empty, or the disk refuses.
    """
    if not replace:
        check_empty(path)
    partial = _hidden_sibling(path)
    try:
        partial.mkdir(parents=True)
        yield partial
        swap_folder(partial, path)
    except OSError as error:
        raise WorkspaceError(
            f"A folder could not be written ({error.strerror or error})",
            value=path,
            todo="free some space or choose another folder",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_empty(path: Path) -> None:
    """Check that an output folder is new or empty.

    Raises:
        WorkspaceError: it is not.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WorkspaceError("The output folder already holds something", value=path, todo="choose a new or empty one")


def swap_folder(partial: Path, path: Path) -> None:
    """Move ``partial`` to ``path``; what stands there is deleted once the new one stands.

    Raises:
        OSError: the disk refuses; what stood there then stays.
    """
    if not path.exists():
        partial.rename(path)
        return
    aside = _hidden_sibling(path)
    path.rename(aside)
    try:
        partial.rename(path)
    except OSError:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sha256_of_array(array: "NDArray[Any]") -> str:
    """SHA-256 of an array's values in C order, in hexadecimal."""
    import numpy as np  # here, since most who read and write files have no arrays

    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
