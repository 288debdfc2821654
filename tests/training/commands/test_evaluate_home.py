"""Where an evaluation goes: to where the pages of the run's own workspace look, or nowhere."""

import shutil
from pathlib import Path

import pytest

from core.cli.command import run_command
from core.storage.workspace import CARRIED_RUN, Workspace
from training.__main__ import main


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("other/runs/r1", "The run is in another workspace, so no page would show its scores: {place}; bring it there (python -m "
         "training export, then import), or name its own: --workspace {other}."),
        ("loose/r1", "The run is in no workspace, so no page would show its scores: {place}; bring it there (python -m training "
         "export, then import)."),
    ],
)  # fmt: skip
def test_a_run_of_elsewhere_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, reason: str) -> None:
    folder = tmp_path / place
    shutil.copytree(CARRIED_RUN, folder)
    words = ["evaluate", "--run", str(folder), "--data", "x", "--workspace", str(tmp_path / "here")]
    assert run_command(lambda: main(words)) == 2
    assert capsys.readouterr().err == reason.format(place=folder, other=tmp_path / "other") + "\n"
    assert not (folder / "evaluations").exists()


def test_its_own_workspace_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next thing that is wrong is then the data set."""
    run = Workspace(tmp_path).run("r1").root
    shutil.copytree(CARRIED_RUN, run)
    stated = ["--workspace", str(tmp_path)]
    for words in (["--run", "r1", *stated], ["--run", str(run)], ["--run", str(run), *stated]):
        assert run_command(lambda words=words: main(["evaluate", "--data", "x", *words])) == 2
        assert capsys.readouterr().err.startswith("There is no such data set: x; ")


def test_the_embedded_run_comes_into_the_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: main(["evaluate", "--run", "demo", "--data", "x", "--workspace", str(tmp_path)])) == 2
    assert capsys.readouterr().err.startswith("There is no such data set: x; ")
    assert not Workspace(tmp_path).run("demo").root.exists()
    prepare = ["prepare", "phantom", "--out", str(tmp_path / "p"), "--patients", "2", "--slices", "8", "--size", "48"]
    assert run_command(lambda: main(prepare)) == 0
    for name in ("demo", "core/demo_run"):
        words = ["evaluate", "--run", name, "--data", str(tmp_path / "p"), "--workspace", str(tmp_path)]
        assert run_command(lambda words=words: main(words)) == 0
        assert f"Evaluation: {Workspace(tmp_path).run('demo').root / 'evaluations' / 'p-valid'}" in capsys.readouterr().out
