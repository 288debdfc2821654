"""Options made from the config dataclasses; a flag and a key of a YAML file mean the same, and mistakes read as one sentence."""

import re
import socket
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jsonargparse import ArgumentParser, set_parsing_settings

from core.cli.settings_file import read_settings_file
from core.errors import ConfigError

set_parsing_settings(docstring_parse_attribute_docstrings=True)

MAX_PORT = 65535
Config = TypeVar("Config")


class Parser(ArgumentParser):  # type: ignore[misc, unused-ignore]
    """A parser that raises one of our errors where argparse prints its usage and leaves."""

    def __init__(self, command: str, about: str) -> None:
        """
        Args:
            command: what people type to get here, such as ``python -m dashboard``.
            about: what the command does, for ``--help``.
        """
        self.command = command
        super().__init__(prog=command, description=about, allow_abbrev=False)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise ConfigError(one_sentence(str(message)), todo=f"see {self.command} --help") from ex

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """A file of options, after ``--config``. What jsonargparse says of one that is wrong quotes it; this does not."""
        todo, name = f"see {self.command} --help", Path(str(path)).name
        try:
            read_settings_file(Path(str(path)), {action.dest.split(".")[0] for action in self._actions})
        except ConfigError as error:
            raise ConfigError(error.what, value=error.value, todo=todo) from None
        try:
            return super().parse_path(path, *args, **kwargs)
        except ConfigError as error:
            # The value that is wrong stands behind the kind that was wanted.
            wanted = re.match(r"--[\w.]+ wants (?:one of )?.*?(?=, not )", error.what)
            what = wanted.group() if wanted else "An option in the file has a value of the wrong kind"
            raise ConfigError(what, value=name, todo=todo) from None

    def read(self, words: Sequence[str]) -> dict[str, Any]:
        """The options by name; ``--batch-size`` is understood as ``--batch_size``.

        Raises:
            ConfigError: an unknown option, a missing one, or a value of the wrong kind.
        """
        with warnings.catch_warnings():
            # Announcements of jsonargparse's next major version, for developers.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            return dict(vars(self.parse_args(self._switched_on([_underscored(word) for word in words]))))

    def _switched_on(self, words: list[str]) -> list[str]:
        """Yes-or-no options as people write them: ``--demo`` alone says yes; ``--demo false`` still says no."""
        switches = {f"--{action.dest}" for action in self._actions if getattr(action, "_typehint", None) is bool}
        return [
            f"{word}=true" if word in switches and answer not in ("true", "false") else word
            for word, answer in zip_longest(words, words[1:], fillvalue="")
        ]


def _underscored(word: str) -> str:
    match = re.match(r"--[a-zA-Z][\w-]*", word)
    return word if match is None else "--" + match.group()[2:].replace("-", "_") + word[match.end() :]


def one_sentence(message: str) -> str:
    """What jsonargparse says over several lines, with Python's words for types, as one sentence without its stop."""
    missing = re.match(r"the following arguments are required: (.*)", message)
    if missing:
        names = (name if name == "source" else f"--{name}" for name in missing.group(1).split(", "))
        return f"Something is missing: {', '.join(names)}"
    key = re.match(r'Parser key "([\w.]+)":\s*', message)
    text = message[key.end() :] if key else message
    got = re.search(r"(?:Got value|Given value): (.*)", text, re.DOTALL)
    kinds = [word for word in re.findall(r"<class '(\w+)'>", text.split("Errors:")[0]) if word != "NoneType"]
    if key and got and kinds:
        wanted = {"int": "a whole number", "float": "a number", "tuple": "a list such as [0.1,0.2,0.3]"}.get(kinds[0], kinds[0])
        return f"--{key.group(1)} wants {wanted}, not {got.group(1).strip()!r}"
    choices = re.search(r"Expected a typing.Literal\[(.*?)\]", text)
    if key and got and choices:
        named = choices.group(1).replace("'", "")
        return f"--{key.group(1)} wants one of {named}, not {got.group(1).strip().rstrip('.')!r}"
    text = re.sub(r"\s*\n\s*", ", ", text).strip().rstrip(".;")
    text = f"--{key.group(1)}: {text}" if key else text
    return text[:1].upper() + text[1:]


def pick(kind: type[Config], options: Mapping[str, Any]) -> Config:
    """The dataclass with its fields taken from the options, and its defaults where a command has no such option.

    Raises:
        ConfigError: a value out of range.
    """
    return kind(**{field.name: options[field.name] for field in fields(kind) if field.name in options})  # type: ignore[arg-type]


def words_of(text: str) -> tuple[str, ...]:
    """The words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str, option: str, count: int) -> tuple[float, ...]:
    """The positive numbers of a comma-separated list.

    Raises:
        ConfigError: not that many, not numbers, or not positive.
    """
    try:
        values = tuple(float(word) for word in words_of(text))
    except ValueError:
        values = ()
    if len(values) != count or not all(0 < value < float("inf") for value in values):
        raise ConfigError(f"--{option} wants {count} positive numbers", value=text, todo="separate them by commas")
    return values


def check_port(host: str, port: int) -> None:
    """Check that a server can listen there.

    Raises:
        ConfigError: the port is taken or impossible, or the address is not one of this machine.
    """
    if not 1 <= port <= MAX_PORT:
        raise ConfigError("There is no such port", value=port, todo=f"use 1 to {MAX_PORT}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        todo = "choose another --port or --host"
        raise ConfigError(f"The server cannot listen here ({reason})", value=f"{host}:{port}", todo=todo) from error
