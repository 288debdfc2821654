"""``estimate``: how long a run will take and how much memory, before it is started."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict

from core.cli.options import Parser, pick
from core.cli.progress import ReportProgress
from core.config import InputRecipe, TrainingConfig
from core.data.index import load_index
from core.storage.workspace import Workspace
from training.commands.shared import find_dataset, progress_bar


def parser() -> Parser:
    """The options of ``estimate``."""
    made = Parser("python -m training estimate", "Time a few steps of a run: how long will it take, and how much memory?")
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--data", required=True, type=str, help="a data set's folder, or its name in the workspace")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", type=bool, default=False, help="print one JSON object and nothing else")
    made.add_class_arguments(TrainingConfig)
    made.add_class_arguments(InputRecipe)
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command; see `training.run.estimate.estimate` for what it raises."""
    options = parser().read(argv)
    index = load_index(find_dataset(Workspace.locate(options["workspace"]), options["data"]))

    from training.run.estimate import estimate
    from training.run.failures import in_one_sentence

    training, recipe = pick(TrainingConfig, options), pick(InputRecipe, options)
    with ExitStack() as bars, in_one_sentence(index.root, batch_size=training.batch_size):

        def watch(work: str) -> ReportProgress:
            return bars.enter_context(progress_bar(work))

        found = estimate(index, training, recipe, watch=watch)
    if options["json"]:
        print(json.dumps(asdict(found)))
        return
    print(f"Step: {found.seconds_per_step:.2f} s on {found.device}; epoch: {found.seconds_per_epoch / 60:.1f} min")
    print(f"Run: about {found.total_s / 60:.0f} min for {found.epochs} epochs")
    print(f"Memory: {found.peak_bytes / 1e9:.1f} of {found.memory_bytes / 1e9:.1f} GB")
