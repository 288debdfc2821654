"""``python -m tests.write_docs``: make the generated tables of docs/ and the READMEs anew, from the code that they describe."""

import ast
import re
from argparse import SUPPRESS, Action
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import core.config
import core.reviews.__main__ as of_reviews
import training.__main__ as of_training
from core.cli.options import Parser
from core.reviews.store.events import Verdict
from dashboard.components.common.page_keys import COMMENT_KEY, LEAVE_KEY
from dashboard.components.review.findings import PIN_SLICE
from dashboard.components.review.verdict import ACCEPT_AND_NEXT, NEXT, SHORTCUTS, UNDO
from dashboard.demo import serve
from dashboard.server import main as serve_dashboard
from training.commands.prepare import SOURCES
from training.tools import demo_weights

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "training", "dashboard")
SETTINGS = {
    name: getattr(core.config, f"{name}Config", None) or core.config.InputRecipe
    for name in ("Training", "Input recipe", "Inference", "Scoring", "Split", "Archive", "Phantom", "Cluster")
}
"""Settings that several commands share, each explained once."""
ARROWS = {"ArrowUp": "↑", "ArrowDown": "↓", "ArrowLeft": "←", "ArrowRight": "→", " ": "Space"}
REVIEW_KEYS = {
    **{key: verdict.label for verdict, key in SHORTCUTS.items()},
    ACCEPT_AND_NEXT: "Accept, and the next case",
    NEXT: "Next case; one without a verdict is passed over, and comes again at the end",
    UNDO: "Undo: take back the last verdict or finding of this session, by a new event, and go back there",
    PIN_SLICE: "A finding on the slice that is shown (a click in a picture pins one at a place)",
    COMMENT_KEY: "Into the comment, or that of the finding",
    LEAVE_KEY: "Out of it, back to the pictures",
}
assert set(SHORTCUTS) == set(Verdict)


class _Read(Exception):
    """Carries the parser that a command was about to read its words with."""


def _parser_of(command: Callable[[], Any]) -> Parser:
    def stop(parser: Parser, _: object) -> None:
        raise _Read(parser)

    with patch.object(Parser, "read", stop):
        try:
            command()
        except _Read as read:
            return read.args[0]
    raise AssertionError("the command reads no options")


@cache
def parsers() -> dict[str, Parser]:
    """The options of every command, by what people type."""
    names = [*(f"prepare {source}" for source in SOURCES), *of_training.COMMANDS, "evaluate masks"]
    commands: dict[str, Callable[[], Any]] = {
        f"python -m training {name}": partial(of_training.main, name.split()) for name in names if name != "prepare"
    }
    commands |= {f"python -m core.reviews {name}": partial(of_reviews.main, [name]) for name in of_reviews.COMMANDS}
    commands["python -m dashboard"] = partial(serve_dashboard, [])
    commands["python -m dashboard.demo"] = partial(serve.read_options, [])
    commands["python -m training.demo_weights"] = partial(demo_weights.main, [])
    return {name: _parser_of(command) for name, command in commands.items()}


def options(parser: Parser) -> list[Action]:
    """What a parser understands, without what every command does."""
    return [action for action in parser._actions if action.dest not in ("help", "config", "print_config", "print_shtab")]


def _rows(heads: str, rows: list[str]) -> str:
    return "\n".join([f"| {heads} |", "| --- " * (heads.count("|") + 1) + "|", *rows])


def _one_line(text: object) -> str:
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|")


@cache
def _explained(kind: type) -> dict[str, tuple[object, str]]:
    """Default and explanation of each field of a settings dataclass."""
    parser = Parser("", "")
    parser.add_class_arguments(kind)
    return {action.dest: (action.default, _one_line(action.help)) for action in options(parser)}


def _default(action: Action) -> str:
    if action.required or not action.option_strings:
        return "required"
    return _value(action.dest, action.default)


def _value(name: str, value: object) -> str:
    if name == "workers":
        return "one a core; 0 on Windows"
    if value in (None, "", SUPPRESS, MISSING) or name in ("address", "ray_address"):  # the environment's
        return ""
    shown = str(list(value) if isinstance(value, tuple) else value).replace(f"{ROOT}/", "")
    return _one_line(f"`{shown.lower() if isinstance(value, bool) else shown}`")


def settings() -> str:
    """A table a dataclass of settings."""
    tables = []
    for title, kind in SETTINGS.items():
        rows = [f"| `--{name}` | {_value(name, value)} | {help_} |" for name, (value, help_) in _explained(kind).items()]
        tables.append(f"### {title}\n\n{_rows('Option | Default | ', rows)}")
    return "\n\n".join(tables)


@cache
def _common() -> dict[str, Action]:
    """Options that several commands explain in the same words, by name: of each the words that most use."""
    of_settings = {(name, said) for kind in SETTINGS.values() for name, (_, said) in _explained(kind).items()}
    every = [action for parser in parsers().values() for action in options(parser)]
    uses = Counter((action.dest, _one_line(action.help), str(action.default)) for action in every)
    common: dict[str, Action] = {}
    for action in sorted(every, key=lambda one: -uses[one.dest, _one_line(one.help), str(one.default)]):
        said = _one_line(action.help)
        if uses[action.dest, said, str(action.default)] > 1 and (action.dest, said) not in of_settings:
            common.setdefault(action.dest, action)
    return common


def _is_common(action: Action) -> bool:
    one = _common().get(action.dest)
    return one is not None and (one.help, one.default) == (action.help, action.default)


def common() -> str:
    """What several commands understand."""
    return _rows("Option | Default | ", [_row(action) for action in _common().values()])


def commands() -> str:
    """What each command understands: its own options in a table, and by name those that are explained elsewhere on the page."""
    return "\n\n".join(f"### `{name}`\n\n{_command(parser)}" for name, parser in sorted(parsers().items()))


def _command(parser: Parser) -> str:
    shared: dict[str, list[str]] = {}
    own, several = [], []
    for action in options(parser):
        said = _one_line(action.help)
        group = next((title for title, kind in SETTINGS.items() if _explained(kind).get(action.dest, ("", ""))[1] == said), "")
        if group:
            shared.setdefault(group, []).append(action.dest)
        elif _is_common(action):
            several.append(f"`--{action.dest}`" + " (required)" * action.required)
        else:
            own.append(_row(action))
    also = [*several, *(_whole_or_named(title, names) for title, names in shared.items())]
    return "\n\n".join([*([_rows("Option | Default | ", own)] if own else []), *([f"And {', '.join(also)}."] if also else [])])


def _row(action: Action) -> str:
    return f"| `{name_of(action)}` | {_default(action)} | {_one_line(action.help)} |"


def name_of(action: Action) -> str:
    """An option as it is typed."""
    return action.option_strings[0] if action.option_strings else action.dest.upper()


def _whole_or_named(title: str, names: list[str]) -> str:
    link = f"[{title}](#{title.lower().replace(' ', '-')})"
    missing = [field.name for field in fields(SETTINGS[title]) if field.name not in names]
    if not missing:
        return f"all of {link}"
    if len(missing) < len(names):
        return f"{link} but {', '.join(f'`--{name}`' for name in missing)}"
    return f"of {link} {', '.join(f'`--{name}`' for name in names)}"


def review_keys() -> str:
    """Keys of Review itself."""
    return _rows("Key | Does", [f"| `{key}` | {does} |" for key, does in REVIEW_KEYS.items()])


def viewer_keys(*, correcting: bool) -> str:
    """Keys of the viewer, or of its tools that correct, as its JavaScript binds them."""
    rows: dict[str, list[str]] = {}
    for keys, does in bindings():
        if does.startswith("Correct: ") == correcting:
            rows.setdefault(does.removeprefix("Correct: "), []).extend(f"`{key}`" for key in keys)
    return _rows("Key | Does", [f"| {' '.join(keys)} | {does[0].upper()}{does[1:]} |" for does, keys in rows.items()])


def bindings() -> Iterator[tuple[list[str], str]]:
    """Keys and what they do; one without words of its own does the same as that before it, another way round."""
    does = ""
    for path in sorted((ROOT / "dashboard/viewer").rglob("*.js"), key=lambda path: (path.parent.name == "edit", path)):
        for keys, between in re.findall(r'keys: \[((?:"[^"]+"(?:, )?)+)\](.*?)run:', path.read_text(encoding="utf-8"), re.DOTALL):
            worded = re.search(r'does:\s*"([^"]+)"', between)
            does = worded[1] if worded else does
            before = "Ctrl " * ("ctrl: true" in between) + "Shift " * ("shift: true" in between)
            yield [before + _key(key) for key in re.findall(r'"([^"]+)"', keys)], does


def _key(key: str) -> str:
    return ARROWS.get(key, f"Shift {key.lower()}" if re.fullmatch("[A-Z]", key) else key)


def errors() -> str:
    """The error tree: each class, what it says, and the rooms that raise it."""
    tree = ast.parse((ROOT / "core/errors.py").read_text(encoding="utf-8"))
    raised = _raised()
    rows = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            said = _sentence_of(node)
            rows.append(
                f"| `{node.name}` | {ast.unparse(node.bases[0])} | {said} | {', '.join(sorted(raised.get(node.name, ())))} |"
            )
    return _rows("Error | Is a | What it says | Raised in", rows)


def _raised() -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        place = path.parent.relative_to(ROOT).as_posix()
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and any(one.arg == "todo" for one in call.keywords):
                rooms.setdefault(ast.unparse(call.func), set()).add("/".join(place.split("/")[:2]))
    return rooms


def rooms(package: str) -> str:
    """A line a room of a package and a line a module that lies in none, each by the first sentence of its docstring."""
    root = ROOT / package
    inside = sorted(path.parent for path in root.rglob("__init__.py") if path.parent != root)
    loose = [path for path in sorted(root.glob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
    rows = [f"| [`{room.relative_to(root)}/`]({room.relative_to(root)}) | {_sentence(room / '__init__.py')} |" for room in inside]
    return _rows("Room | What it is for", rows + [f"| `{path.name}` | {_sentence(path)} |" for path in loose])


def _sentence(path: Path) -> str:
    return _sentence_of(ast.parse(path.read_text(encoding="utf-8")))


def _sentence_of(node: ast.Module | ast.ClassDef) -> str:
    """The first paragraph of its docstring."""
    return _one_line((ast.get_docstring(node) or "").split("\n\n")[0].rstrip(".")).replace("``", "`")


TABLES: dict[str, Callable[[], str]] = {
    "common": common,
    "settings": settings,
    "commands": commands,
    "review keys": review_keys,
    "viewer keys": partial(viewer_keys, correcting=False),
    "correcting keys": partial(viewer_keys, correcting=True),
    "errors": errors,
    **{f"rooms of {package}": partial(rooms, package) for package in PACKAGES},
}


def pages() -> list[Path]:
    """Every page of documentation that may hold a generated table."""
    return [*sorted((ROOT / "docs").glob("*.md")), *(ROOT / package / "README.md" for package in PACKAGES)]


def with_tables(text: str) -> str:
    """The page with what stands between its marks made anew."""
    return re.sub(
        r"(<!-- (.+?) -->\n).*?(<!-- end -->)", lambda mark: f"{mark[1]}{TABLES[mark[2]]()}\n{mark[3]}", text, flags=re.DOTALL
    )


if __name__ == "__main__":
    for page in pages():
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
