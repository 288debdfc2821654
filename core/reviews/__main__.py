"""``python -m core.reviews``: what a lead does with the review store outside the dashboard."""

import importlib
import sys
from collections.abc import Sequence

from core.cli.command import choose_command, run_command

COMMANDS = {
    "verify": "check that no review was changed, removed or moved",
    "export": "write a round's tables and masks: CSV, JSON, Parquet, a data set to train on, run lengths",
    "report": "write one HTML file about a round or a scan",
    "agreement": "print how far the readers agree",
    "carry-over": "let verdicts hold for a newer run where its masks are the same or nearly so",
}


def main(argv: Sequence[str]) -> None:
    """Run one command.

    Raises:
        GutCheckError: bad input or a store that does not hold, as one sentence.
    """
    chosen = choose_command("python -m core.reviews", COMMANDS, argv)
    if chosen is None:
        return
    command, rest = chosen
    if command == "verify":
        importlib.import_module("core.commands.verify").main(rest)
    else:
        getattr(importlib.import_module("core.commands.reviews"), command.replace("-", "_"))(rest)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
