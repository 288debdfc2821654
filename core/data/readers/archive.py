"""Unpacking a zip that came from elsewhere: nothing outside the folder, no links, and no more than a stated size."""

import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.cli.progress import ReportProgress, silent
from core.errors import DatasetError
from core.storage.files import CHUNK_BYTES, check_free_space

MAX_ENTRIES = 200_000
"""The public archive has about 77,000."""
ENCRYPTED = 0x1
"""The bit of an entry's flags (PKWARE's APPNOTE, 4.4.4)."""


def unpack(
    archive: Path,
    folder: Path,
    *,
    max_bytes: int,
    max_entries: int = MAX_ENTRIES,
    only: Collection[str] | None = None,
    progress: ReportProgress = silent,
) -> None:
    """Unpack a zip into ``folder``, which exists.

    Args:
        only: entries to unpack; by default all. The others' names are checked all the same.

    All names and stated sizes are checked before the first file is written; the bytes are counted again as they come,
    since a zip can state less than it holds.

    Raises:
        DatasetError: no zip, damaged or encrypted; an entry that leaves the folder, is a link, or comes twice; or too much.
        WorkspaceError: the disk is too full.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            targets = _checked(archive, zipped.infolist(), max_bytes, max_entries, only)
            check_free_space(folder, sum(entry.file_size for entry, _ in targets))
            left = max_bytes
            for done, (entry, target) in enumerate(targets):
                progress(done, len(targets), "unpacking")
                left = _write(zipped, entry, folder / target, left)
                if left < 0:
                    raise _too_much(archive, max_bytes)
            progress(len(targets), len(targets), "unpacked")
    except FileNotFoundError as error:
        raise DatasetError("The archive does not exist", value=archive, todo="check the path") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        # NotImplementedError: a compression that Python lacks.
        what = f"The archive cannot be unpacked ({str(error) or type(error).__name__})"
        raise DatasetError(what, value=archive, todo="fetch it again") from error


def _checked(
    archive: Path, entries: list[zipfile.ZipInfo], max_bytes: int, max_entries: int, only: Collection[str] | None
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The entries to unpack and their places below the folder, once the names of all are checked."""
    _check_entries(archive, entries, max_entries)
    targets = [target for target in _targets(archive, entries) if only is None or target[0].filename in only]
    if sum(entry.file_size for entry, _ in targets) > max_bytes:
        raise _too_much(archive, max_bytes)
    return targets


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo], max_entries: int) -> None:
    if len(entries) > max_entries:
        what = f"The archive has {len(entries):,} entries"
        raise DatasetError(what, value=archive, todo=f"use one with at most {max_entries:,}")
    if any(entry.flag_bits & ENCRYPTED for entry in entries):
        raise DatasetError("The archive is encrypted", value=archive, todo="pack it without a password")


def _too_much(archive: Path, max_bytes: int) -> DatasetError:
    what = f"The archive unpacks to more than {max_bytes / 1e9:g} GB"
    return DatasetError(what, value=archive, todo="check where it is from, or allow more with --max_gb")


def _targets(archive: Path, entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files and their places below the folder."""
    targets: list[tuple[zipfile.ZipInfo, PurePosixPath]] = []
    seen: set[str] = set()
    for entry in entries:
        problem, name = _problem(entry), _name(entry)
        place = PurePosixPath(name)
        # Names that differ only in case are one file on some disks.
        if not problem and not name.endswith("/") and str(place).lower() in seen:
            problem = "comes twice"
        if problem:
            todo = "do not use this archive"
            raise DatasetError(f"An entry of {archive.name} {problem}", value=repr(entry.filename)[:200], todo=todo)
        if not name.endswith("/"):
            seen.add(str(place).lower())
            targets.append((entry, place))
    return targets


def _name(entry: zipfile.ZipInfo) -> str:
    """An entry's path; tools of Windows part folders by a backslash, which the format (APPNOTE, 4.4.17.1) does not allow.

    ``orig_filename``: zipfile cuts a name at a zero byte and turns separators before it gives ``filename``.
    """
    return entry.orig_filename.replace("\\", "/")


def _problem(entry: zipfile.ZipInfo) -> str:
    raw = _name(entry)
    if "\0" in raw or not raw.strip("/"):
        return "has a name that is not allowed"
    if raw.startswith("/") or PureWindowsPath(raw).drive or ".." in PurePosixPath(raw).parts:
        return "leaves the folder"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or device"
    return ""


def _write(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write one file, or its beginning; return how many bytes are left of what may be written, below 0 for too much."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipped.open(entry) as packed, target.open("xb") as file:
        while chunk := packed.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    return left
