"""What every command of the house shares: one sentence on standard error and exit 2 on bad input, never a traceback."""

import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.errors import ConfigError, GutCheckError

BAD_INPUT = 2
INTERRUPTED = 130


def run_command(main: Callable[[], None]) -> int:
    """Run ``main`` and return the process's exit code: 0 on success, 2 on a person-mendable error, 130 on Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a letter gets its number; what a test or notebook puts in its place stays as it is.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except GutCheckError as error:
        # On a full disk the words may not reach their file; the exit code still tells.
        with suppress(OSError):
            print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (``| head``) went away; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


@dataclass(frozen=True)
class Command:
    """One of a program's commands."""

    about: str
    """What it does, for ``--help``."""
    module: str
    """Imported when the command is run, and no sooner: ``--help`` waits for no library."""
    function: str = "main"
    """Takes the words behind the command's name."""


def dispatch(program: str, commands: Mapping[str, Command], argv: Sequence[str]) -> None:
    """Run the command that the words begin with; print what there is where they ask for help.

    Args:
        commands: by name, which may be two words, such as ``evaluate masks``.

    Raises:
        ConfigError: there is no such command.
    """
    chosen = choose(program, {name: command.about for name, command in commands.items()}, argv)
    if chosen is not None:
        name, rest = chosen
        getattr(importlib.import_module(commands[name].module), commands[name].function)(rest)


def choose(program: str, about: Mapping[str, str], argv: Sequence[str], *, kind: str = "command") -> tuple[str, list[str]] | None:
    """The name that the words begin with, and the words behind it; nothing where they ask for help, which is printed.

    Args:
        about: what each does, by name.
        kind: what is chosen, for people.

    Raises:
        ConfigError: there is none of that name.
    """
    if not argv or argv[0] in ("-h", "--help"):
        from core.cli.tables import text_table

        rows = text_table([(f"  {name}", line) for name, line in about.items()])
        print(f"usage: {program} {kind.split(maxsplit=1)[0].upper()} [options]\n\n{rows}\n\nEach has its own --help.")
        return None
    for count in (2, 1):
        if (name := " ".join(argv[:count])) in about:
            return name, list(argv[count:])
    raise ConfigError(f"There is no such {kind}", value=argv[0], todo=f"use one of: {', '.join(about)} (see --help)")
