"""Exit codes and wording that every command shares."""

import subprocess
import sys

import pytest

from core.cli.command import run_command
from core.errors import ImageError


def test_success_is_0_and_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_2_with_one_sentence_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise ImageError("The picture is empty", value="a.png", todo="export it again")

    assert run_command(main) == 2
    assert capsys.readouterr() == ("", "The picture is empty: a.png; export it again.\n")


def test_interrupted_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    assert run_command(main) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: print(1 / 0))


def test_a_reader_that_goes_away_is_no_failure() -> None:
    program = "from core.cli.command import run_command; run_command(lambda: [print('x' * 1000) for _ in range(1000)])"
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -n 1; exit ${PIPESTATUS[0]}', sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
