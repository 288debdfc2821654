"""The README: every command of its short session, run as it stands there, in a folder of its own; and what it calls badges."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from core.data.leakage import LeakBadge, LeakKind
from tests.patience import WAIT_S

ROOT = Path(__file__).resolve().parent.parent


def blocks() -> list[list[str]]:
    """The lines of each ``bash`` block."""
    found = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [[line for line in block.splitlines() if line.strip()] for block in found]


def test_the_first_screen_gives_two_commands() -> None:
    first = blocks()[0]
    assert [line.split()[:2] for line in first] == [["make", "app"], ["make", "test"]]
    head = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any("not a medical device" in line for line in head)
    assert any(line.startswith("![") for line in head)


@pytest.mark.slow
def test_the_short_session_runs(tmp_path: Path) -> None:
    *commands, last = blocks()[1]
    assert last == "python -m dashboard"  # served for real by the browser tests
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    environment.pop("GUTCHECK_WORKSPACE", None)
    said = ""
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "python"
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=2 * WAIT_S
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "patient-clean" in said
    assert len(list((tmp_path / "predictions").glob("*_mask.png"))) > 0


def test_every_make_command_and_every_sentence_it_quotes_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert made >= {"app", "test", "setup"}
    assert [name for name in made if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
    sources = "".join(path.read_text("utf-8") for folder in ("core", "training") for path in (ROOT / folder).rglob("*.py"))
    quoted = re.findall(r"^\| `([A-Z][^`]+)` \|", text.partition("## When something is wrong")[2], re.MULTILINE)
    assert len(quoted) >= 5
    # Names and numbers follow behind the first four words.
    assert [each for each in quoted if " ".join(each.split()[:4]) not in sources] == []


def test_leak_badges_are_worded_as_the_scores_word_them() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    explained = {LeakBadge(kind).text for kind in get_args(LeakKind) if kind != "leaked"} | {"leaked (N of M patients)"}
    assert [badge for badge in explained if f"`{badge}`" not in text] == []
    counts = [(int(leaked), int(patients)) for leaked, patients in re.findall(r"`leaked \((\d+) of (\d+) patients\)`", text)]
    assert counts
    known = explained | {LeakBadge("leaked", *each).text for each in counts}
    assert set(re.findall(r"`((?:leaked|patient-|unknown)[^`]*)`", text)) == known
