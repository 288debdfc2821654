"""What every command of the house shares: one sentence on standard error and exit 2 on bad input, never a traceback."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from core.errors import ConfigError, GutCheckError

BAD_INPUT = 2
INTERRUPTED = 130


def run_command(main: Callable[[], None]) -> int:
    """Run ``main`` and return the process's exit code: 0 on success, 2 on a person-mendable error, 130 on Ctrl-C."""
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


def choose_command(program: str, commands: Mapping[str, str], argv: Sequence[str]) -> tuple[str, list[str]] | None:
    """The command that the words begin with, and the words behind it; nothing where they ask for help, which is printed.

    Args:
        commands: what each does, by name.

    Raises:
        ConfigError: there is no such command.
    """
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, commands)) + 2
        lines = [f"  {name:<{width}}{about}" for name, about in commands.items()]
        print("\n".join([f"usage: {program} COMMAND [options]", "", *lines, "", "Each command has its own --help."]))
        return None
    command, *rest = argv
    if command not in commands:
        raise ConfigError("There is no such command", value=command, todo=f"use one of: {', '.join(commands)} (see --help)")
    return command, rest
