"""``predict``: outline the organs in pictures and volumes, and answer in kind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.cli.options import Parser
from core.cli.progress import going_on, progress_bar
from core.config import InferenceConfig, pick
from core.errors import ModelError
from core.runs.registry import find_run
from core.storage.partial import partial_count, partial_folder
from core.storage.workspace import Workspace
from core.versions import package_versions
from training.commands.checked import Checked, check_inputs, refuse_problems
from training.commands.inputs import open_inputs
from training.commands.pictures import predict_pictures
from training.commands.shared import print_json
from training.commands.volumes import predict_volumes
from training.run.arguments import find_dataset

Facts = dict[str, Any]
"""What is told of one result, as JSON."""


def parser() -> Parser:
    """The options of ``predict``."""
    made = Parser(
        "python -m training predict",
        "Outline the organs: a mask of class ids and an overlay for each picture, a NIfTI label map for each volume.",
    )
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--run", required=True, type=str, help="a run's name or folder, a model's folder, or a .ckpt file")
    made.add_argument(
        "--input", required=True, type=str, help="a picture, NIfTI file or DICOM file, a folder or a zip of them, or a data set"
    )
    made.add_argument("--split", type=str, default="", help="of the data set that is the input: train, valid or unlabelled")
    made.add_argument("--out", required=True, type=str, help="folder for the results; must be new or empty")
    made.add_argument("--skip_bad", action="store_true", help="leave out inputs that cannot be used instead of stopping")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    made.add_class_arguments(InferenceConfig, skip={"flip_agreement"})
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Raises:
        GutCheckError: inputs that cannot be used; nothing is written then.
        ModelError: no usable model.
        WorkspaceError: no such run, or the output folder holds something.
    """
    options = parser().read(argv)
    workspace = Workspace.locate(options["workspace"])
    model, split = find_model(options["run"], workspace), options["split"]
    source = find_dataset(workspace, options["input"]) if split else Path(options["input"])
    with open_inputs(source, split) as inputs:
        with progress_bar("Checking") as progress:
            checked = check_inputs(inputs, progress=progress)
        if not options["skip_bad"] or not checked.count:
            refuse_problems(checked)
        pictures, volumes = predict(checked, model, pick(InferenceConfig, options), Path(options["out"]))
    if options["json"]:
        where = {"out": str(Path(options["out"]).resolve()), "model": str(model)}
        print_json(where | {"pictures": pictures, "volumes": volumes, "skipped": checked.sentences, "note": inputs.note})
    else:
        report(pictures, volumes, [*checked.sentences], inputs.note)
        print(f"Output: {Path(options['out']).resolve()}")


def predict(checked: Checked, model: Path, config: InferenceConfig, out: Path) -> tuple[list[Facts], list[Facts]]:
    """Outline what was checked into the folder ``out``, and tell of each picture and each volume what came of it."""
    from core.model.predictor import Predictor

    predictor = Predictor.load(model, config)
    key = {"opacity": config.opacity, "versions": package_versions(), **predictor.identity()}
    title = going_on("Predicting", partial_count(out, key), checked.count)
    pictures, volumes = [], []
    with progress_bar(title) as progress, partial_folder(out, key) as kept:
        for result in predict_pictures(checked.pictures, predictor, kept):
            pictures.append(result)
            progress(len(pictures), len(checked.pictures), result["mask"])
        for result in predict_volumes(checked.volumes, predictor, kept, progress=progress):
            volumes.append(result)
            progress(result["slices"], result["slices"], result["mask"])
        kept.settle([result[kind] for result in (*pictures, *volumes) for kind in ("mask", "overlay") if kind in result])
    return pictures, volumes


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


def report(pictures: list[Facts], volumes: list[Facts], problems: list[str], note: str) -> None:
    """Say what was written, and what people should know of it."""
    if pictures:
        print(f"Predicted {len(pictures)} pictures: NAME_mask.png (class ids) and NAME_overlay.png")
    if volumes:
        print(f"Predicted {len(volumes)} volumes: NAME.nii.gz (class ids), each on the grid of its own file or series")
    for result in volumes:
        partial = ["Slices are missing or single, so it has no volume."] if result["partial"] else []
        print(" ".join([f"{result['mask']}, of {result['input']}, {result['slices']} slices.", *result["notes"], *partial]))
    if note:
        print(note)
    for problem in problems:
        print(f"Skipped {problem}")
