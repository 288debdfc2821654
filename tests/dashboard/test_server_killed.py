"""The real server killed in the middle of its readers' work, once and small; tests/long/test_server_killed.py has the whole."""

from pathlib import Path

import pytest

from tests.killed_server import compare, killed_again_and_again, work_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["verdict", "correction"])
def test_what_was_acknowledged_before_a_kill_is_stored_once(kind: str, folder: Path, tmp_path: Path) -> None:
    said = killed_again_and_again(folder, work_of(kind, folder), kills=1, readers=2, each=4, log=tmp_path / "log")
    figures = compare(folder, said, kind)
    assert figures.acknowledged >= 4
    assert (figures.lost, figures.twice, said.refused) == (0, 0, [])
