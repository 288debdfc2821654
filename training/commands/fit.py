"""``fit``: train a run on a data set."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import DatasetConfig, InferenceConfig, TrainingConfig
from core.data.index import load_index
from core.options import Parser, pick
from core.progress import Progress
from core.runs import open_run
from core.workspace import RunPaths, Workspace
from training.commands.evaluate import evaluate_run, table
from training.commands.shared import find_dataset, progress_bar

if TYPE_CHECKING:
    from training.fit import FitResult


def parser() -> Parser:
    """The options of ``fit``."""
    made = Parser(
        "python -m training fit", "Train a run on a data set. Every option can also stand in a YAML file, under the same name."
    )
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--data", required=True, type=str, help="a data set's folder, or its name in the workspace")
    made.add_argument("--run", type=str | None, default=None, help="name of the run; by default from model and time")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--evaluate", type=bool, default=False, help="evaluate the validation split afterwards, for review")
    made.add_class_arguments(TrainingConfig)
    made.add_class_arguments(DatasetConfig)
    return made


def main(words: Sequence[str]) -> None:
    """Run the command; see `training.fit.fit` for what it raises."""
    options = parser().read(words)
    training, recipe = pick(TrainingConfig, options), pick(DatasetConfig, options)
    workspace = Workspace.locate(options["workspace"])
    data = find_dataset(workspace, options["data"])
    index = load_index(data)
    if not index.manifest.stated:
        print("Note: the data set has no dataset.json; names are read as the UW-Madison set's, spacing is unknown.")
    paths = workspace.run(options["run"]) if options["run"] else new_run(workspace, training.model)

    from training.fit import fit

    with ExitStack() as bars:

        def watch(work: str) -> Progress:
            return bars.enter_context(progress_bar(work))

        result = fit(index, paths, training, recipe, watch=watch)
    report(result, data, workspace)
    if options["evaluate"] and result.checkpoint is not None:
        print(table(evaluate_run(open_run(result.paths.root), index, "valid", InferenceConfig(threads=training.threads))))


def new_run(workspace: Workspace, model: str) -> RunPaths:
    """A run's folder that is not taken, named after the model and the time."""
    size = re.search(r"b[0-5]", Path(model).name)
    stem = f"{size.group() if size else 'run'}-{datetime.now():%Y%m%d-%H%M%S}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(paths for paths in map(workspace.run, names) if not paths.root.exists())


def report(result: "FitResult", data: Path, workspace: Workspace) -> None:
    """Say what the run came to and what to do next."""
    if result.checkpoint is None:
        print(f"Stopped before the first validation: no model was kept. State: {result.paths.status}")
        return
    score = "undefined" if result.score is None else f"{result.score:.4f}"
    print(f"Best checkpoint: {result.checkpoint} (organs' F1 on validation pixels {score})")
    print(f"Model: {result.paths.model}")
    place = "" if workspace == Workspace.locate() else f" --workspace {workspace.root}"
    print(f"Next: python -m training evaluate --run {result.paths.root.name} --data {data} --split valid{place}")
