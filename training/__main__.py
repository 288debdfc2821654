"""``python -m training``: prepare, fit, evaluate, compare, predict."""

import importlib
import sys
from collections.abc import Sequence

from core.cli.command import choose_command, run_command

COMMANDS = {
    "prepare": "make a data set: uw-madison, kaggle DIR, pairs DIR, phantom",
    "estimate": "how long a run will take and how much memory",
    "fit": "train a run on a data set",
    "evaluate": "score a run on a split of a data set, or label maps of any tool: evaluate masks",
    "compare": "two runs on the same scans, and the scans that changed most",
    "predict": "outline the organs in pictures",
    "export": "write a run as one zip for another workspace",
    "import": "bring a run that was exported elsewhere",
    "submit": "fit or evaluate on a Ray cluster (requirements-cluster.txt)",
    "show": "draw image, reference, prediction and overlay of slices",
}

FILES = {"export": "export_run", "import": "import_run"}
"""Modules of commands that are named otherwise: ``import`` is a word of Python's own."""


def main(argv: Sequence[str]) -> None:
    """Run one command.

    Raises:
        GutCheckError: bad input, as one sentence.
    """
    chosen = choose_command("python -m training", COMMANDS, argv)
    if chosen is None:
        return
    command, rest = chosen
    if list(argv[:2]) == ["evaluate", "masks"]:
        command, rest = "evaluate_masks", rest[1:]
    command = FILES.get(command, command)
    # Only the module of this command, so that --help does not wait for torch.
    importlib.import_module(f"training.commands.{command}").main(rest)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
