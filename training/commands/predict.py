"""``predict``: outline the organs in a picture or a folder of pictures."""

from collections.abc import Sequence
from pathlib import Path

from core.cli.options import Parser
from core.cli.progress import going_on, progress_bar
from core.config import InferenceConfig, pick
from core.errors import ModelError
from core.runs.registry import find_run
from core.storage.partial import partial_count, partial_folder
from core.storage.workspace import Workspace
from core.versions import package_versions
from training.commands.pictures import Checked, check_pictures, find_pictures, predict_pictures, refuse_problems
from training.commands.shared import print_json


def parser() -> Parser:
    """The options of ``predict``."""
    made = Parser(
        "python -m training predict", "Outline the organs: a mask of class ids and a coloured overlay for each picture."
    )
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--run", required=True, type=str, help="a run's name or folder, a model's folder, or a .ckpt file")
    made.add_argument("--input", required=True, type=str, help="a picture, or a folder of pictures")
    made.add_argument("--out", required=True, type=str, help="folder for the results; must be new or empty")
    made.add_argument("--skip_bad", action="store_true", help="leave out pictures that cannot be used instead of stopping")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    made.add_class_arguments(InferenceConfig, skip={"flip_agreement"})
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ImageError: pictures that cannot be used; nothing is written then.
        ModelError: no usable model.
        WorkspaceError: no such run, or the output folder holds something.
    """
    options = parser().read(argv)
    config = pick(InferenceConfig, options)
    model = find_model(options["run"], Workspace.locate(options["workspace"]))
    out = Path(options["out"])
    with progress_bar("Checking") as progress:
        checked = check_pictures(find_pictures(Path(options["input"])), progress=progress)
    if not options["skip_bad"] or not checked.scans:
        refuse_problems(checked)

    from core.model.predictor import Predictor

    predictor = Predictor.load(model, config)
    results = []
    total = sum(len(paths) for paths in checked.scans.values())
    key = {"opacity": config.opacity, "versions": package_versions(), **predictor.identity()}
    with progress_bar(going_on("Predicting", partial_count(out, key), total)) as progress, partial_folder(out, key) as kept:
        for result in predict_pictures(checked, predictor, kept):
            results.append(result)
            progress(len(results), total, result["mask"])
        kept.settle([result[kind] for result in results for kind in ("mask", "overlay")])
    skipped = list(checked.problems.values())
    if options["json"]:
        print_json({"out": str(out.resolve()), "model": str(model), "pictures": results, "skipped": skipped})
    else:
        report(len(results), checked, out)


def find_model(name: str, workspace: Workspace) -> Path:
    """The model folder or checkpoint that ``--run`` means.

    Raises:
        ModelError: the run has no model.
        WorkspaceError: there is no such run.
    """
    path = Path(name)
    if path.suffix == ".ckpt" or (path / "model.safetensors").is_file():
        return path
    run = find_run(workspace, name)
    if not run.has_model:
        raise ModelError("The run has no model", value=run.paths.root, todo="let it finish an epoch, or choose another run")
    return run.paths.model


def report(count: int, checked: Checked, out: Path) -> None:
    """Say what was written."""
    print(f"Predicted {count} pictures: NAME_mask.png (class ids) and NAME_overlay.png")
    for problem in checked.problems.values():
        print(f"Skipped {problem}")
    print(f"Output: {out.resolve()}")
