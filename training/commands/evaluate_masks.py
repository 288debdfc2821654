"""``evaluate masks``: score label maps of any tool against a reference."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import Parser, spacing_of
from core.cli.progress import progress_bar
from core.config import ScoringConfig, pick
from core.errors import ConfigError
from core.storage.workspace import Workspace, check_name
from training.commands.shared import print_json
from training.run.evaluate import summary, table

if TYPE_CHECKING:
    from core.evaluation.external import MaskFolders
    from core.runs.registry import Evaluation

MAP_HELP = "6=stomach,13=small_bowel, names that a file gives, or a preset such as totalsegmentator-mr"
COMMAND = "python -m training evaluate masks"


def parser() -> Parser:
    """The options of ``evaluate masks``."""
    made = Parser(COMMAND, "Score label maps of any tool, PNG slices, NIfTI or DICOM volumes, per scan and in 3D.")
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--truth", type=str | None, default=None, help="folder of the reference: PNG slices, or one NIfTI a scan")
    made.add_argument(
        "--prediction", type=str | None, default=None, help="folder of the predictions, with files of the same names"
    )
    made.add_argument("--images", type=str | None, default=None, help="folder of the images, so that Review can show them")
    made.add_argument(
        "--table", type=str | None, default=None, help="instead of folders, a CSV: scan,reference,prediction[,image]"
    )
    made.add_argument("--map", type=str, default="", help=f"labels to score: {MAP_HELP}; others are background")
    made.add_argument("--map_truth", type=str | None, default=None, help="the same for the reference, where its labels differ")
    made.add_argument("--colours", type=str, default="", help="the same by colour: '#0000ff=stomach,#00ff00=small_bowel'")
    made.add_argument(
        "--colours_truth", type=str | None, default=None, help="the same for the reference, where its colours differ"
    )
    made.add_argument("--spacing_mm", type=str, default="", help="distance of voxel centres of PNG slices: z,y,x in mm")
    made.add_argument("--pattern", type=str | None, default=None, help="how PNG names tell patient, scan and slice")
    made.add_argument("--name", type=str | None, default=None, help="the result's name; by default the prediction folder's")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    made.add_class_arguments(ScoringConfig, skip={"nnunet"})
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command; see `core.evaluation.external.evaluate_masks` for what it raises."""
    from core.data.readers.label_files import PATTERN, LabelTable
    from core.evaluation.external import MaskFolders, evaluate_masks

    options = parser().read(argv)
    drawn = LabelTable.parse(options["map"], options["colours"])
    its_own = options["map_truth"] is not None or options["colours_truth"] is not None
    reference = LabelTable.parse(options["map_truth"] or "", options["colours_truth"] or "") if its_own else drawn
    spacing = spacing_of(options["spacing_mm"])
    if options["table"]:
        table_file = Path(options["table"])
        if options["truth"] or options["prediction"] or options["images"]:
            raise ConfigError("--table and folders are given together", value=table_file, todo="give one of them")
        folders = MaskFolders.of_table(table_file, reference, drawn, spacing)
    else:
        folders = MaskFolders(
            *_folders(options),
            images=Path(options["images"]) if options["images"] else None,
            truth_table=reference,
            prediction_table=drawn,
            spacing_mm=spacing,
            pattern=options["pattern"] or PATTERN,
        )
    name = check_name(
        options["name"] or (folders.prediction.resolve().stem if folders.table else folders.prediction.resolve().name),
        "name for the result",
    )
    workspace, scoring = Workspace.locate(options["workspace"]), pick(ScoringConfig, options)
    with progress_bar("Scoring") as progress:
        done = evaluate_masks(folders, workspace, name, scoring=scoring, progress=progress)
    if options["json"]:
        print_json(summary(done))
    else:
        report(done, folders)


def _folders(options: dict[str, Any]) -> tuple[Path, Path]:
    for name in ("truth", "prediction"):
        if not options[name]:
            raise ConfigError(f"No --{name} is given", todo="give --truth and --prediction, or --table")
    truth, prediction = Path(options["truth"]), Path(options["prediction"])
    if truth.resolve() == prediction.resolve():
        raise ConfigError("--truth and --prediction are one folder", value=truth, todo="give two")
    return truth, prediction


def report(done: "Evaluation", folders: "MaskFolders") -> None:
    """The table of `evaluate`, and what was made of the files."""
    print(f"Truth: {folders.truth}\nPrediction: {folders.prediction}")
    print(table(done))
    for note in done.summary["external"]["notes"]:
        print(f"Note: {note}")
