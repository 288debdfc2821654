"""Fetching from a server on this machine that cuts, lies, changes and refuses."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data.readers.download import ATTEMPTS, fetch
from core.errors import DatasetError, WorkspaceError
from core.storage import files
from tests.file_server import CONTENT, OTHER, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def get(server: Server, tmp_path: Path, **options: object) -> bytes:
    waits: list[float] = []
    path = fetch(server[0], tmp_path / "set.zip", pause=waits.append, **options)  # type: ignore[arg-type]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["set.zip"]
    return path.read_bytes()


def test_the_whole_file(server: Server, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    assert get(server, tmp_path, progress=lambda done, total, what: calls.append((done, total))) == CONTENT
    assert calls[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_that_is_here_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    get(server, tmp_path)
    get(server, tmp_path, sha256=sha256)
    assert len(server[1].asked) == 1


def test_a_cut_is_resumed_where_it_happened(server: Server, tmp_path: Path) -> None:
    server[1].cut_after = [300_000, 200_000]
    assert get(server, tmp_path) == CONTENT
    assert server[1].asked == [None, "bytes=300000-", "bytes=500000-"]


def test_the_next_call_resumes_too(server: Server, tmp_path: Path) -> None:
    server[1].cut_after = [300_000]
    server[1].status = []
    with pytest.raises(KeyboardInterrupt):
        fetch(server[0], tmp_path / "set.zip", pause=_interrupt)
    assert not (tmp_path / "set.zip").exists()
    assert get(server, tmp_path) == CONTENT
    assert server[1].asked == [None, "bytes=300000-"]


def _interrupt(_: float) -> None:
    raise KeyboardInterrupt


def test_a_cut_in_a_chunked_answer(server: Server, tmp_path: Path) -> None:
    server[1].chunked, server[1].cut_after = True, [300_000]
    assert get(server, tmp_path) == CONTENT


def test_a_server_that_ignores_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server[1].ranges, server[1].cut_after = False, [300_000]
    assert get(server, tmp_path) == CONTENT
    assert server[1].asked == [None, "bytes=300000-"]


def test_a_file_that_changes_in_between_starts_over(server: Server, tmp_path: Path) -> None:
    server[1].cut_after, server[1].change_after = [300_000], 1
    assert get(server, tmp_path) == OTHER


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_resumed(server: Server, tmp_path: Path, etag: str) -> None:
    server[1].etag, server[1].cut_after = etag, [300_000]
    assert get(server, tmp_path) == CONTENT
    assert server[1].asked == [None, None]


def test_killed_between_the_last_byte_and_the_renaming(server: Server, tmp_path: Path) -> None:
    server[1].cut_after = [300_000]
    with pytest.raises(KeyboardInterrupt):
        fetch(server[0], tmp_path / "set.zip", pause=_interrupt)
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    assert get(server, tmp_path) == CONTENT
    assert server[1].asked[-1] == f"bytes={len(CONTENT)}-"


def test_a_part_of_another_address_is_not_used(server: Server, tmp_path: Path) -> None:
    server[1].cut_after = [300_000]
    with pytest.raises(KeyboardInterrupt):
        fetch(server[0] + "?other", tmp_path / "set.zip", pause=_interrupt)
    assert get(server, tmp_path) == CONTENT
    assert server[1].asked == [None, None]


def test_a_busy_server_is_asked_again_after_a_growing_pause(server: Server, tmp_path: Path) -> None:
    server[1].status = [500, 503, 429]
    waits: list[float] = []
    fetch(server[0], tmp_path / "set.zip", pause=waits.append)
    assert waits == [1, 2, 4]


def test_a_server_that_keeps_failing(server: Server, tmp_path: Path) -> None:
    server[1].status = [500] * 50
    sentence = rf"^The download failed {ATTEMPTS} times \(HTTP 500\): http://.*; run the same command again: it goes on where"
    with pytest.raises(DatasetError, match=sentence):
        get(server, tmp_path)
    assert len(server[1].asked) == ATTEMPTS


def test_a_refusal_is_final(server: Server, tmp_path: Path) -> None:
    server[1].status = [404]
    with pytest.raises(DatasetError, match=r"^The server refuses the download \(HTTP 404\): http://.*; check the address"):
        get(server, tmp_path)
    assert len(server[1].asked) == 1


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^The download failed 6 times \(.*refused\)"):
        fetch("http://127.0.0.1:9/set.zip", tmp_path / "set.zip", pause=lambda _: None)


def test_another_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^Checksum mismatch: [0-9a-f]{64}, not 0{64}; check address"):
        get(server, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large(server: Server, tmp_path: Path, chunked: bool) -> None:
    """Refused by the stated length, and counted where none is stated."""
    server[1].chunked = chunked
    with pytest.raises(DatasetError, match=r"^The file is larger than 0\.001 GB: http://"):
        get(server, tmp_path, max_bytes=1_000_000)


def test_a_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SPARE_BYTES", 2**62)
    with pytest.raises(WorkspaceError, match=r"^The disk is too full: 0\.0 GB needed, .* GB free in "):
        get(server, tmp_path)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x/y", "set.zip", ""])
def test_only_the_web(tmp_path: Path, address: str) -> None:
    with pytest.raises(DatasetError, match=r"^Not an http\(s\) URL: "):
        fetch(address, tmp_path / "set.zip")
