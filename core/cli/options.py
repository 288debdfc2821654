"""Options made from the config dataclasses; a flag and a key of a YAML file mean the same, and mistakes read as one sentence."""

import re
import socket
import warnings
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from jsonargparse import ArgumentParser, set_parsing_settings

from core.cli.settings_file import read_settings_file
from core.errors import ConfigError

set_parsing_settings(docstring_parse_attribute_docstrings=True)

MAX_PORT = 65535
KEY, MISSING = 'Parser key "', "the following arguments are required: "
"""How jsonargparse and argparse begin what they say of one option, and of those that are missing."""


class Parser(ArgumentParser):  # type: ignore[misc, unused-ignore]
    """A parser that raises one of our errors where argparse prints its usage and leaves."""

    def __init__(self, command: str, about: str) -> None:
        """
        Args:
            command: what people type to get here, such as ``python -m dashboard``.
            about: what the command does, for ``--help``.
        """
        self.command = command
        self._argv: list[str] = []
        self._file = ""
        """The file that is being read, by name."""
        super().__init__(prog=command, description=about, allow_abbrev=False)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong by the option and its type; jsonargparse says it over several lines, in Python's words."""
        todo = f"see {self.command} --help"
        actions = {action.dest: action for action in self._actions}
        key, _, said = str(message).removeprefix(KEY).partition('":') if str(message).startswith(KEY) else ("", "", str(message))
        kind = getattr(actions.get(key), "_typehint", None)
        wants = f"--{key} wants {_in_words(kind)}" if kind else ""
        if self._file:
            # The file may be one that whoever reads the sentence may not read: not a word of what it holds.
            raise ConfigError(
                wants or "An option in the file has a value of the wrong kind", value=self._file, todo=todo
            ) from None
        if wants:
            raise ConfigError(f"{wants}, not {self._given(key)!r}", todo=todo) from ex
        if said.startswith(MISSING):
            missing = said.removeprefix(MISSING).split(", ")
            names = (f"--{name}" if actions[name].option_strings else name for name in missing)
            raise ConfigError(f"Something is missing: {', '.join(names)}", todo=todo) from ex
        said = ", ".join(line.strip() for line in said.strip().rstrip(".;").splitlines())
        raise ConfigError(f"--{key}: {said}" if key else said[:1].upper() + said[1:], todo=todo) from ex

    def _given(self, key: str) -> str:
        """The value of an option on the command line, as it is written there."""
        pairs = zip(self._argv, [*self._argv[1:], ""], strict=True)
        values = [word.partition("=")[2] or after for word, after in pairs if word.partition("=")[0] == f"--{key}"]
        return values[-1] if values else ""

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """A file of options, after ``--config``. What jsonargparse says of one that is wrong quotes it; this does not."""
        name = Path(str(path)).name
        try:
            read_settings_file(Path(str(path)), {action.dest.split(".")[0] for action in self._actions})
        except ConfigError as error:
            raise ConfigError(error.what, value=error.value, todo=f"see {self.command} --help") from None
        self._file, before = name, self._file
        try:
            return super().parse_path(path, *args, **kwargs)
        finally:
            self._file = before

    def read(self, words: Sequence[str]) -> dict[str, Any]:
        """The options by name; ``--batch-size`` is understood as ``--batch_size``.

        Raises:
            ConfigError: an unknown option, a missing one, or a value of the wrong kind.
        """
        with warnings.catch_warnings():
            # Announcements of jsonargparse's next major version, for developers.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            self._argv = self._switched_on([_underscored(word) for word in words])
            return dict(vars(self.parse_args(self._argv)))

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


def _in_words(kind: Any) -> str:
    """A type as people say it; of several the first counts."""
    if get_origin(kind) in (Union, UnionType):
        kind = next((part for part in get_args(kind) if part is not NoneType), kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    kind = get_origin(kind) or kind
    return {int: "a whole number", float: "a number", tuple: "a list such as [0.1,0.2,0.3]"}.get(kind, str(kind.__name__))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def spacing_of(text: str) -> tuple[float, float, float] | None:
    """``--spacing_mm``, millimetres along z, y and x; ``None`` where nothing is given.

    Raises:
        ConfigError: not three, not numbers, or not positive.
    """
    if not text:
        return None
    with suppress(ValueError):
        z, y, x = (float(word) for word in words_of(text))
        if all(0 < value < float("inf") for value in (z, y, x)):
            return z, y, x
    raise ConfigError("--spacing_mm wants 3 positive numbers", value=text, todo="separate them by commas")


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
