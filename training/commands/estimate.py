"""``estimate``: how long a run will take and how much memory, before it is started."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from core.cli.options import Parser
from core.cli.progress import progress_bars
from core.config import InputRecipe, TrainingConfig
from core.data.index import load_index
from core.runs.settings import RunSettings
from core.storage.workspace import Workspace
from training.run.arguments import find_dataset


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

    settings = RunSettings.of(options)
    with progress_bars() as watch, in_one_sentence(index.root, batch_size=settings.training.batch_size):
        found = estimate(index, settings.training, settings.input_recipe, watch=watch)
    if options["json"]:
        print(json.dumps(asdict(found)))
        return
    print(f"Step: {found.seconds_per_step:.2f} s on {found.device}; epoch: {found.seconds_per_epoch / 60:.1f} min")
    print(f"Run: about {found.total_s / 60:.0f} min for {found.epochs} epochs")
    print(f"Memory: {found.peak_bytes / 1e9:.1f} of {found.memory_bytes / 1e9:.1f} GB")
