"""The server killed ten times under twenty readers, and a disk that fills up: nothing that was acknowledged is lost.

Run by ``make test-long``; prints its figures.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from core.reviews.store.database import URL_VARIABLE
from tests.browser.conftest import free_port, served
from tests.browser.small_workspace import small_workspace
from tests.core.reviews.postgres import NO_SERVER, empty_database, find_server, running_server
from tests.killed_server import (
    Figures,
    Said,
    at_work,
    compare,
    full_disk,
    killed_again_and_again,
    small_disk,
    work_of,
)

READERS, KILLS, EACH = 20, 10, 20
"""Readers, kills, and what is acknowledged before each."""
pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a scan for each reader."""
    root = tmp_path_factory.mktemp("crowd")
    small_workspace(root, [f"case2_day{number}" for number in range(READERS)])
    return root / "workspace"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if find_server() is None:
        pytest.skip(NO_SERVER)
    with running_server(durable=True) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "postgresql":
        monkeypatch.setenv(URL_VARIABLE, empty_database(request.getfixturevalue("server")))
    return str(request.param)


def told(what: str, figures: Figures, said: Said) -> None:
    print(f"\n{what}: {READERS} readers, {figures}, refused {len(said.refused)}: {sorted(set(said.refused))}")


@pytest.mark.parametrize("kind", ["verdict", "correction"])
def test_killed_ten_times(kind: str, database: str, original: Path, tmp_path: Path) -> None:
    workspace = shutil.copytree(original, tmp_path / "workspace")
    said = killed_again_and_again(
        workspace, work_of(kind, workspace), kills=KILLS, readers=READERS, each=EACH, log=tmp_path / "log"
    )
    figures = compare(workspace, said, kind)
    told(f"{kind}s, {database}, {KILLS} kills", figures, said)
    assert (figures.lost, figures.twice, said.refused) == (0, 0, [])
    assert figures.acknowledged >= KILLS * EACH
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("kind", ["verdict", "correction"])
def test_the_workspace_s_disk_is_full(kind: str, original: Path, tmp_path: Path) -> None:
    with a_small_disk(32) as disk:
        shutil.copytree(original, disk / "workspace")
        figures, said = filled_up(kind, disk / "workspace", disk, tmp_path / "log")
    told(f"{kind}s, sqlite, disk full", figures, said)


@pytest.mark.parametrize("kind", ["verdict", "correction"])
def test_the_disk_of_postgresql_is_full(kind: str, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_server() is None:
        pytest.skip(NO_SERVER)
    workspace = shutil.copytree(original, tmp_path / "workspace")
    with a_small_disk(400) as disk, monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(disk))
        with running_server(durable=True) as address:
            patch.undo()
            monkeypatch.setenv(URL_VARIABLE, empty_database(address))
            figures, said = filled_up(kind, workspace, disk, tmp_path / "log")
    told(f"{kind}s, postgresql, disk full", figures, said)


def a_small_disk(megabytes: int) -> AbstractContextManager[Path]:
    """Skips where this user may mount nothing."""
    try:
        subprocess.run(["unshare", "--mount", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    return small_disk(megabytes)


def filled_up(kind: str, workspace: Path, disk: Path, log: Path) -> tuple[Figures, Said]:
    """Work, no byte left, room again: refused in one sentence, and nothing lost before, meanwhile or after."""
    port = free_port()
    with (
        served(workspace, log, port=port) as dashboard,
        at_work(work_of(kind, workspace), dashboard.address, READERS) as said,
    ):
        said.wait_until(lambda: len(said.acknowledged) >= EACH)
        with full_disk(disk):
            said.wait_until(lambda: len(said.refused) >= EACH)
        before = len(said.acknowledged)
        said.wait_until(lambda: len(said.acknowledged) >= before + EACH)
    figures = compare(workspace, said, kind)
    assert (figures.lost, figures.twice) == (0, 0)
    for sentence in set(said.refused):
        assert sentence.endswith(".")
        assert "Traceback" not in sentence
        assert "\n" not in sentence
    assert "Traceback" not in log.read_text()
    return figures, said
