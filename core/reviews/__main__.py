"""``python -m core.reviews``: what a lead does with the review store outside the dashboard."""

import importlib
import sys
from collections.abc import Sequence

from core.command import run_command
from core.errors import ConfigError

COMMANDS = {
    "verify": "check that no review was changed, removed or moved",
    "export": "write a round's tables and masks: CSV, JSON, Parquet, a data set to train on, run lengths",
    "report": "write one HTML file about a round or a scan",
    "agreement": "print how far the readers agree",
    "carry-over": "let verdicts hold for a newer run where its masks are the same or nearly so",
}


def main(words: Sequence[str]) -> None:
    """Run one command.

    Raises:
        GutCheckError: bad input or a store that does not hold, as one sentence.
    """
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return
    command, *rest = words
    if command not in COMMANDS:
        raise ConfigError("There is no such command", value=command, todo=f"use one of: {', '.join(COMMANDS)} (see --help)")
    if command == "verify":
        importlib.import_module("core.reviews.verify").main(rest)
    else:
        getattr(importlib.import_module("core.reviews.commands"), command.replace("-", "_"))(rest)


def usage() -> str:
    """The commands, one a line."""
    lines = [f"  {name:<12}{about}" for name, about in COMMANDS.items()]
    return "\n".join(["usage: python -m core.reviews COMMAND [options]", "", *lines, "", "Each command has its own --help."])


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
