"""What torch and the system say of memory, disk and loader processes, as one sentence for whoever can mend it."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.errors import ConfigError, GutCheckError, WorkspaceError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A loader process's own error comes as text; Windows and the GPUs have words of their own.
NO_MEMORY_WORDS = re.compile(
    r"can't allocate memory|cannot allocate memory|not enough memory|out of memory|MemoryError|bad_alloc", re.I
)
NO_SPACE_WORDS = re.compile(r"no space left on device|disk quota exceeded|file too large", re.I)
LOADER_WORDS = re.compile(r"DataLoader worker .* (?:is killed by signal: (?P<signal>[\w ]+)|exited unexpectedly)")


@contextmanager
def in_one_sentence(folder: Path, *, batch_size: int) -> Iterator[None]:
    """Raise what a person can mend as such; other errors stay as they are.

    Args:
        folder: on the disk that is written to.
        batch_size: slices that are in memory at once.

    Raises:
        ConfigError: memory ran out, or a loader process was killed.
        WorkspaceError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        known = sentence(error, folder, batch_size=batch_size)
        if known is None:
            raise
        raise known from error


def sentence(error: BaseException, folder: Path, *, batch_size: int) -> GutCheckError | None:
    """An error of torch or the system, or ours of a full disk, in its words for a run; ``None`` where it is another."""
    if full_disk(error):
        return WorkspaceError("The disk is full", value=folder, todo="free some space and go on")
    if isinstance(error, GutCheckError):
        return None
    text = str(error)
    if killed := LOADER_WORDS.search(text):
        return _loader(killed["signal"] or "exit without a word")
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or _is(error, errno.ENOMEM) or NO_MEMORY_WORDS.search(text):
        todo = "lower --batch_size or --image_size, or close other programs and go on"
        return ConfigError("The device's memory is too small for this batch_size", value=batch_size, todo=todo)
    return None


def full_disk(error: BaseException) -> bool:
    """Whether an error comes from a disk that is full, a quota that is used up, or a file over the limit."""
    # Torch's writer raises a RuntimeError of its own while that of the file is on its way.
    before = error.__cause__ or error.__context__
    return _is(error, *NO_SPACE) or bool(NO_SPACE_WORDS.search(str(error))) or (before is not None and full_disk(before))


def _is(error: BaseException, *numbers: int) -> bool:
    return isinstance(error, OSError) and error.errno in numbers


def _loader(how: str) -> ConfigError:
    shared = "Bus error" in how
    why = "shared memory ran out" if shared else "memory ran out"
    todo = (
        "give it more (Docker: --shm-size), or resume with --workers 0"
        if shared
        else "close other programs, or resume with --workers 0"
    )
    return ConfigError(f"A process that loads slices was killed, most likely because {why}", value=how.strip(), todo=todo)
