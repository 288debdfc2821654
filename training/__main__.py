"""``python -m training``: prepare, fit, evaluate, compare, predict."""

import importlib
import sys
from collections.abc import Sequence

from core.command import run_command
from core.errors import ConfigError

COMMANDS = {
    "prepare": "make a data set: uw-madison, kaggle DIR, pairs DIR, phantom",
    "estimate": "how long a run will take and how much memory",
    "fit": "train a run on a data set",
    "evaluate": "score a run on a split of a data set, or label maps of any tool: evaluate masks",
    "compare": "two runs on the same scans, and the scans that changed most",
    "predict": "outline the organs in pictures",
    "submit": "fit or evaluate on a Ray cluster (requirements-cluster.txt)",
    "show": "draw image, reference, prediction and overlay of slices",
}


def main(words: Sequence[str]) -> None:
    """Run one command.

    Raises:
        GutCheckError: bad input, as one sentence.
    """
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return
    command, *rest = words
    if command not in COMMANDS:
        raise ConfigError("There is no such command", value=command, todo=f"use one of: {', '.join(COMMANDS)} (see --help)")
    if list(words[:2]) == ["evaluate", "masks"]:
        command, rest = "evaluate_masks", rest[1:]
    # Only the module of this command, so that --help does not wait for torch.
    importlib.import_module(f"training.commands.{command}").main(rest)


def usage() -> str:
    """The commands, one a line."""
    lines = [f"  {name:<10}{about}" for name, about in COMMANDS.items()]
    return "\n".join(["usage: python -m training COMMAND [options]", "", *lines, "", "Each command has its own --help."])


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
