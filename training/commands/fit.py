"""``fit``: train a run on a data set."""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import InferenceConfig
from core.data.index import load_index
from core.runs.registry import open_run
from core.storage.workspace import Workspace
from training.commands.shared import option_of
from training.run.arguments import FitArguments, read_arguments, train
from training.run.evaluate import evaluate_run, table
from training.run.ranks import is_first

if TYPE_CHECKING:
    from training.run.fit import FitResult


def main(argv: Sequence[str]) -> None:
    """Run the command; see `training.run.fit.fit` for what it raises."""
    wanted = read_arguments(argv)
    if not is_first():
        # The first process tells the person and sets the exit code; another code than 0 here would have it killed.
        with suppress(KeyboardInterrupt):
            train(wanted)
        return
    result = train(wanted)
    report(result, wanted.data, wanted.workspace)
    if wanted.evaluate and result.checkpoint is not None:
        _evaluate(wanted)


def _evaluate(wanted: FitArguments) -> None:
    from training.run.failures import in_one_sentence
    from training.run.fit import evaluation_recorded

    inference = InferenceConfig(threads=wanted.settings.training.threads)
    with evaluation_recorded(wanted.paths), in_one_sentence(wanted.paths.root, batch_size=inference.batch_size):
        done = evaluate_run(open_run(wanted.paths.root), load_index(wanted.data), "valid", inference)
    print(table(done))


def report(result: "FitResult", data: Path, workspace: Workspace) -> None:
    """Say what the run came to and what to do next."""
    if result.checkpoint is None:
        print(f"Stopped before the first validation: no model was kept. State: {result.paths.status}")
        return
    score = "undefined" if result.score is None else f"{result.score:.4f}"
    print(f"Best checkpoint: {result.checkpoint} (organs' F1 on validation pixels {score})")
    print(f"Model: {result.paths.model}")
    run = result.paths.root.name
    print(f"Next: python -m training evaluate --run {run} --data {shlex.quote(str(data))} --split valid{option_of(workspace)}")
