"""`core/data/README.md` documents every source and every flag of `prepare`, and none that is not there."""

import re
from pathlib import Path

import pytest

from training.commands import prepare

PAGE = (Path(__file__).parents[3] / "core" / "data" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("source", prepare.SOURCES)
def test_every_flag_is_documented(source: str):
    assert f"python -m training prepare {source}" in PAGE
    flags = {flag for action in prepare.parser(source)._actions for flag in action.option_strings if flag.startswith("--")}
    undocumented = sorted(flag for flag in flags - {"--print_shtab"} if f"`{flag}`" not in PAGE)
    assert undocumented == []


def test_every_documented_flag_is_there():
    known = {flag for source in prepare.SOURCES for action in prepare.parser(source)._actions for flag in action.option_strings}
    assert set(re.findall(r"\| `(--\w+)` \|", PAGE)) <= known


def test_the_course_s_sources_are_named():
    for words in ("Dropbox", "learnopencvblog/uwm-gi-tract-segmentation-img-msk-split", "GUTCHECK_UWM_ADDRESS"):
        assert words in PAGE
