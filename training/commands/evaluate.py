"""``evaluate``: score a run on a split of a data set."""

from collections.abc import Callable, Sequence

from core.cli.options import Parser
from core.config import InferenceConfig, ScoringConfig, pick
from core.data.index import load_index
from core.errors import ModelError
from core.runs.registry import Evaluation, find_run
from core.storage.workspace import Workspace
from training.commands.shared import at_home, check_home, print_json
from training.run.arguments import find_dataset
from training.run.evaluate import evaluate_run, summary, table


def parser() -> Parser:
    """The options of ``evaluate``."""
    made = Parser("python -m training evaluate", "Predict a split with a run's model and score it, per scan and in 3D.")
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--run", required=True, type=str, help="a run's name in the workspace, or its folder")
    made.add_argument("--data", required=True, type=str, help="a data set's folder, or its name in the workspace")
    made.add_argument("--split", type=str, default="valid", help="train or valid")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    made.add_class_arguments(InferenceConfig, skip={"opacity"})
    made.add_class_arguments(ScoringConfig)
    return made


def main(argv: Sequence[str], *, evaluate: Callable[..., Evaluation] = evaluate_run) -> None:
    """Run the command; see `core.evaluation.evaluate.evaluate` for what it raises.

    Args:
        evaluate: does it, see `evaluate_run`.
    """
    options = parser().read(argv)
    config, scoring = pick(InferenceConfig, options), pick(ScoringConfig, options)
    workspace = Workspace.locate(options["workspace"])
    run = find_run(workspace, options["run"])
    if not run.has_model:
        raise ModelError("The run has no model", value=run.paths.root, todo="let it finish an epoch, or choose another run")
    check_home(run, workspace, stated=options["workspace"] is not None)
    index = load_index(find_dataset(workspace, options["data"]))
    done = evaluate(at_home(run, workspace), index, options["split"], config, scoring)
    if options["json"]:
        print_json(summary(done))
    else:
        print(table(done))
