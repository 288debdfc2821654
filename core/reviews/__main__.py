"""``python -m core.reviews``: what a lead does with the review store outside the dashboard."""

import sys
from collections.abc import Sequence

from core.cli.command import Command, dispatch, run_command

REVIEWS = "core.commands.reviews"
COMMANDS = {
    "verify": Command("check that no review was changed, removed or moved", "core.commands.verify"),
    "export": Command(
        "write a round's tables and masks: CSV, JSON, Parquet, a data set to train on, run lengths", REVIEWS, "export"
    ),
    "report": Command("write one HTML file about a round or a scan", REVIEWS, "report"),
    "agreement": Command("print how far the readers agree", REVIEWS, "agreement"),
    "carry-over": Command("let verdicts hold for a newer run where its masks are the same or nearly so", REVIEWS, "carry_over"),
}


def main(argv: Sequence[str]) -> None:
    """Run one command.

    Raises:
        GutCheckError: bad input or a store that does not hold, as one sentence.
    """
    dispatch("python -m core.reviews", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
