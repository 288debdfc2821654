"""Zips that mean harm, and zips that are broken."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from core.data.readers.archive import unpack
from core.errors import DatasetError

LIMIT = 1_000_000


def zipped(path: Path, *names: str, content: bytes = b"x", mode: int = 0o644 | stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inner" / "folder"
    made.mkdir(parents=True)
    return made


def test_files_arrive(tmp_path: Path, folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    archive = zipped(tmp_path / "a.zip", "a/b.png", "a/c.png", "empty/")
    unpack(archive, folder, max_bytes=LIMIT, progress=lambda done, total, what: calls.append((done, total)))
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == ["a/b.png", "a/c.png"]
    assert calls == [(0, 2), (1, 2), (2, 2)]


def test_folders_as_windows_parts_them(tmp_path: Path, folder: Path) -> None:
    unpack(zipped(tmp_path / "a.zip", "a\\", "a\\b.png", "a\\c\\d.png"), folder, max_bytes=LIMIT)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == ["a/b.png", "a/c/d.png"]


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/tmp/out.png", "C:/out.png", "c:out.png", "a\\..\\out.png", "\\out.png", "//h/x"]
)
def test_an_entry_that_leaves_the_folder(tmp_path: Path, folder: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", "good.png", name)
    with pytest.raises(DatasetError, match=r"^An entry of a\.zip (leaves the folder|has a name that is not allowed): "):
        unpack(archive, folder, max_bytes=LIMIT)
    # Not even the good ones before it are written.
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices(tmp_path: Path, folder: Path, kind: int) -> None:
    archive = zipped(tmp_path / "a.zip", "passwd.png", content=b"/etc/passwd", mode=0o777 | kind)
    with pytest.raises(DatasetError, match=r"^An entry of a\.zip is a link or device: 'passwd\.png'; do not use this archive\.$"):
        unpack(archive, folder, max_bytes=LIMIT)
    assert list(folder.iterdir()) == []


def test_one_name_twice(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"^An entry of a\.zip comes twice: 'A/x\.png'"):
        unpack(zipped(tmp_path / "a.zip", "a/x.png", "A/x.png"), folder, max_bytes=LIMIT)


def test_a_bomb_is_refused_by_its_own_statement(tmp_path: Path, folder: Path) -> None:
    archive = zipped(tmp_path / "a.zip", "bomb.png", content=bytes(20 * LIMIT))
    assert archive.stat().st_size < LIMIT / 10
    with pytest.raises(DatasetError, match=r"^The archive unpacks to more than 0\.001 GB: .*a\.zip; check where it is from"):
        unpack(archive, folder, max_bytes=LIMIT)
    assert list(folder.iterdir()) == []


def test_a_bomb_that_understates_its_size(tmp_path: Path, folder: Path) -> None:
    archive = zipped(tmp_path / "a.zip", "bomb.png", content=bytes(20 * LIMIT))
    stated = struct.pack("<I", 20 * LIMIT)
    archive.write_bytes(archive.read_bytes().replace(stated, struct.pack("<I", 10)))
    with pytest.raises(DatasetError, match=r"^The archive cannot be unpacked"):
        unpack(archive, folder, max_bytes=LIMIT)
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= LIMIT


def test_bytes_are_counted_as_they_come(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "a.zip", "a.png", "b.png", content=bytes(600_000))
    monkeypatch.setattr("core.data.readers.archive._check_entries", lambda *_: None)
    with pytest.raises(DatasetError, match=r"^The archive unpacks to more than 0\.001 GB"):
        unpack(archive, folder, max_bytes=LIMIT)
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= LIMIT


def test_too_many_entries(tmp_path: Path, folder: Path) -> None:
    archive = zipped(tmp_path / "a.zip", *(f"{i}.png" for i in range(6)))
    with pytest.raises(DatasetError, match=r"^The archive has 6 entries: .*; use one with at most 5\.$"):
        unpack(archive, folder, max_bytes=LIMIT, max_entries=5)


def test_broken_ones(tmp_path: Path, folder: Path) -> None:
    good = zipped(tmp_path / "good.zip", "a.png", content=bytes(range(256)) * 100).read_bytes()
    for number, content in enumerate((b"", b"no zip", good[:-30], good[:40] + b"\xff\xff" + good[42:])):
        archive = tmp_path / f"{number}.zip"
        archive.write_bytes(content)
        with pytest.raises(DatasetError, match=r"^The archive cannot be unpacked \(.*\): .*; fetch it again\.$"):
            unpack(archive, folder, max_bytes=LIMIT)


def test_a_missing_one(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"^The archive does not exist: .*/no\.zip; check the path\.$"):
        unpack(tmp_path / "no.zip", folder, max_bytes=LIMIT)
