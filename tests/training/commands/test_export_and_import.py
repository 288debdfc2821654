"""``export`` and ``import`` on the command line: a run goes to another workspace by path, whatever its size."""

import shutil
from pathlib import Path

import pytest

from core.cli.command import run_command
from core.runs.status import stored_status
from core.storage.workspace import CARRIED_RUN, Workspace
from training.__main__ import main


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = run_command(lambda: main([str(word) for word in words]))
    return code, *capsys.readouterr()


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there, here = Workspace(tmp_path / "there"), Workspace(tmp_path / "here")
    shutil.copytree(CARRIED_RUN, there.run("r1").root)
    archive = tmp_path / "r1.zip"
    code, out, _ = said(capsys, "export", "--run", "r1", "--out", archive, "--workspace", there.root)
    assert (code, out) == (0, f"Archive: {archive} ({archive.stat().st_size / 1e6:,.0f} MB)\n")
    code, out, _ = said(capsys, "import", archive, "--workspace", here.root)
    assert (code, out) == (0, f"Run: {here.run('r1').root}\n")
    assert stored_status(here.run("r1")).imported
    assert said(capsys, "import", archive, "--name", "other", "--workspace", here.root)[0] == 0
    code, out, error = said(capsys, "import", archive, "--workspace", here.root)
    assert (code, out, error) == (2, "", "There is a run of this name already: r1; choose another name.\n")


def test_no_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    code, _, error = said(capsys, "import", tmp_path / "x.zip", "--workspace", tmp_path)
    assert (code, error) == (2, f"The archive is no exported run, or is damaged: {tmp_path / 'x.zip'}; export it again.\n")
    code, _, error = said(capsys, "import", tmp_path / "y.zip", "--workspace", tmp_path)
    assert (code, error) == (2, f"The archive does not exist: {tmp_path / 'y.zip'}; check the path.\n")
