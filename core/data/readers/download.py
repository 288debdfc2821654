"""Fetching one large file over the network: resumed after a cut, checked, and never half there under its own name."""

import contextlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from core.cli.progress import ReportProgress, silent
from core.errors import DatasetError, WorkspaceError
from core.storage.files import CHUNK_BYTES, check_free_space, read_json, sha256_of, write_json

ATTEMPTS = 6
"""Connections tried before giving up; what came so far stays for the next call."""
TIMEOUT_S = 30.0
RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class FileVersion:
    """Which version of the file the part on disk is of; written beside it."""

    address: str
    validator: str
    """A strong ETag or a Last-Modified date; empty where the server gives neither, and the part is then not resumed."""


class _Cut(Exception):
    """The connection ended early, or the server is busy: worth another attempt."""


def fetch(
    address: str,
    target: Path,
    *,
    sha256: str | None = None,
    max_bytes: int = 20 * 10**9,
    progress: ReportProgress = silent,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch ``address`` to ``target``; a file that is there, with the right hash where one is given, is not fetched again.

    A cut is resumed where it happened (HTTP Range), in this call or the next, unless the file has changed at its address
    (If-Range): then it starts over.

    Args:
        pause: waits for seconds; between attempts 1, 2, 4 … of them.

    Raises:
        DatasetError: not an http(s) URL, the server refuses, keeps failing or sends too much, or the checksum differs.
        WorkspaceError: the disk is too full or refuses.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise DatasetError("Not an http(s) URL", value=address, todo="give one that begins with https://")
    if target.exists() and (sha256 is None or sha256_of(target) == sha256.lower()):
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _attempts(address, part, max_bytes, progress, pause)
        _check_hash(part, sha256)
        part.replace(target)
        _version_file(part).unlink(missing_ok=True)
    except OSError as error:
        what = f"The download could not be written ({error.strerror or error})"
        raise WorkspaceError(what, value=target, todo="free some space or choose another folder") from error
    return target


def _attempts(address: str, part: Path, max_bytes: int, progress: ReportProgress, pause: Callable[[float], None]) -> None:
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(2.0 ** (attempt - 1))
        try:
            _transfer(address, part, max_bytes, progress)
        except _Cut as cut:
            reason = str(cut)
        else:
            return
    todo = "run the same command again: it goes on where it stopped"
    raise DatasetError(f"The download failed {ATTEMPTS} times ({reason})", value=address, todo=todo)


def _transfer(address: str, part: Path, max_bytes: int, progress: ReportProgress) -> None:
    """One connection: from where the part ends to the end of the file."""
    validator = _resumable(address, part)
    have = part.stat().st_size if validator else 0
    headers = {"User-Agent": "GutCheck", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _open(urllib.request.Request(address, headers=headers), part) as answer:
        if answer is None:
            return
        if answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        total = _total(answer, have)
        _check_room(part, address, have, total, max_bytes)
        write_json(_version_file(part), asdict(FileVersion(address, _validator(answer))))
        done = _append(answer, part, have, max_bytes, total, progress)
    if total is not None and done < total:
        raise _Cut(f"the connection ended after {done:,} of {total:,} bytes")


@contextlib.contextmanager
def _open(request: urllib.request.Request, part: Path) -> Iterator[http.client.HTTPResponse | None]:
    """The server's answer; nothing where the part turns out to be the whole file."""
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
            # Killed between the last byte and the renaming; If-Range has made sure that it is the same version.
            yield None
            return
        raise _refusal(error, request.full_url, part) from error
    except urllib.error.URLError as error:
        raise _Cut(str(error.reason)) from error
    except http.client.HTTPException as error:
        raise _Cut(type(error).__name__) from error
    except (ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Cut(error.strerror or "no answer in time") from error


def _refusal(error: urllib.error.HTTPError, address: str, part: Path) -> Exception:
    if error.code == 416:
        # What is here is longer than the file is now: start over.
        part.unlink(missing_ok=True)
        return _Cut("the file has changed")
    if error.code in RETRIED_STATUS:
        return _Cut(f"HTTP {error.code}")
    todo = "check the address; the course's page has the current one"
    return DatasetError(f"The server refuses the download (HTTP {error.code})", value=address, todo=todo)


def _append(
    answer: http.client.HTTPResponse, part: Path, have: int, max_bytes: int, total: int | None, progress: ReportProgress
) -> int:
    """Write what comes behind the first ``have`` bytes; return the part's length."""
    with part.open("ab") as file:
        file.truncate(have)
        while chunk := answer.read(CHUNK_BYTES):
            have += len(chunk)
            if have > max_bytes:
                file.truncate(0)
                raise _too_large(answer.url, max_bytes)
            file.write(chunk)
            progress(have, total or max_bytes, "downloading")
    return have


def _resumable(address: str, part: Path) -> str:
    """The validator of the part on disk; empty where there is no part of this address that can be resumed."""
    try:
        version = FileVersion(**read_json(_version_file(part)))
    except (WorkspaceError, TypeError):
        return ""
    return version.validator if version.address == address and part.exists() and part.stat().st_size else ""


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _validator(answer: http.client.HTTPResponse) -> str:
    # A weak ETag does not promise equal bytes and is not allowed in If-Range.
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _total(answer: http.client.HTTPResponse, have: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else None


def _check_room(part: Path, address: str, have: int, total: int | None, max_bytes: int) -> None:
    if total is None:
        return
    if total > max_bytes:
        raise _too_large(address, max_bytes)
    check_free_space(part.parent, total - have)


def _too_large(address: str, max_bytes: int) -> DatasetError:
    what = f"The file is larger than {max_bytes / 1e9:g} GB"
    return DatasetError(what, value=address, todo="check the address, or allow more with --max_gb")


def _check_hash(part: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    actual = sha256_of(part)
    if actual != sha256.lower():
        part.unlink()
        _version_file(part).unlink(missing_ok=True)
        raise DatasetError("Checksum mismatch", value=f"{actual}, not {sha256}", todo="check address and --sha256")
