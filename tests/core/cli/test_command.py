"""Exit codes and wording that every command shares."""

import os
import subprocess
import sys

import pytest

from core.cli.command import Command, dispatch, run_command
from core.cli.tables import text_table
from core.errors import ConfigError, ImageError
from tests.patience import WAIT_S


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


COMMANDS = {"one": Command("the first", "core.cli.command"), "one more": Command("the second", "builtins", "print")}


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_console_that_is_not_utf_8(stream: str) -> None:
    code = f"import sys; from core.cli.command import run_command; run_command(lambda: print('Jürgen 20×18', file=sys.{stream}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert getattr(done, stream).split() == [rb"J\xfcrgen", rb"20\xd718"]


def test_a_command_may_have_two_words(capsys: pytest.CaptureFixture[str]) -> None:
    dispatch("python -m x", COMMANDS, ["one", "more", "a", "--b"])
    assert capsys.readouterr().out == "['a', '--b']\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    dispatch("python -m x", COMMANDS, ["--help"])
    said = capsys.readouterr().out
    assert said.startswith("usage: python -m x COMMAND [options]\n\n  one       the first\n  one more  the second\n")


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^There is no such command: two; use one of: one, one more \(see --help\)\.$"):
        dispatch("python -m x", COMMANDS, ["two"])


def test_a_table_is_aligned_and_its_text_is_text() -> None:
    rows = [("organ", "Dice", "by"), ("[red]stomach[/red]", "0.9", ""), ("x" * 200, "10.25", ":smile:")]
    lines = text_table(rows, right=(1,)).split("\n")
    assert [line.split() for line in lines] == [list(filter(None, row)) for row in rows]
    assert lines[:2] == [f"{'organ':<200}   Dice  by", f"{'[red]stomach[/red]':<200}    0.9"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "training", "training fit", "training evaluate", "training evaluate masks", "training predict",
        "training prepare phantom", "training submit", "training.demo_weights",
        "core.reviews", "core.reviews report", "core.onnx_export", "dashboard", "dashboard.demo",
    ],
)  # fmt: skip
def test_help_waits_for_no_heavy_library(words: str) -> None:
    module, *command = words.split()
    program = (
        f"import runpy, sys\nsys.argv = {[module, *command, '--help']}\n"
        f"try: runpy.run_module({module!r}, run_name='__main__')\nexcept SystemExit as end: assert not end.code\n"
        "print('heavy:', sorted({'torch', 'pytorch_lightning', 'transformers', 'albumentations'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert "usage: " in done.stdout
    assert done.stdout.endswith("heavy: []\n")
