"""The README of the training beside the code: every command, option, column and module, as they are."""

import re
from pathlib import Path

import pytest

from training.__main__ import COMMANDS
from training.commands.prepare import SOURCES
from training.run.callbacks import COLUMNS
from training.tools.reference import README, parsers, with_tables

TEXT = README.read_text(encoding="utf-8")


def test_tables_are_those_of_the_parsers():
    assert with_tables(TEXT) == TEXT, "run: python -m training.reference"


@pytest.mark.parametrize("name", parsers())
def test_every_option_is_documented(name: str):
    section = re.search(rf"<!-- options of {name} -->\n(.*?)<!-- end -->", TEXT, re.DOTALL)
    assert section is not None
    options = [action for action in parsers()[name]._actions if action.option_strings and action.dest not in ("help", "config")]
    assert [action.dest for action in options if f"| `--{action.dest}` |" not in section[1]] == []


def test_every_command_and_source_is_documented():
    assert [name for name in COMMANDS if f"\n## `{name.split()[0]}`" not in TEXT] == []
    assert [name for name in SOURCES if f"<!-- options of prepare {name} -->" not in TEXT] == []
    assert {name.split()[0] for name in parsers()} == {name.split()[0] for name in COMMANDS}


def test_every_column_module_and_recipe_is_documented():
    folder = Path(README).parent
    modules = [path.name for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    recipes = [f"(recipes/{path.name})" for path in (folder / "recipes").glob("*.yaml")]
    wanted = [*(f"`{name}`" for name in (*COLUMNS, *modules)), *recipes]
    assert [name for name in wanted if name not in TEXT] == []
