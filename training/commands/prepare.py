"""``prepare``: make a data set, divided by patient, by slice, or as it came."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.cli.command import choose
from core.cli.options import Parser, spacing_of, words_of
from core.cli.progress import ReportProgress, progress_bar
from core.config import ArchiveConfig, PhantomConfig, SplitConfig, pick
from core.data.identity import UW_MADISON_PATTERN
from core.data.prepare.writer import Prepared
from core.storage.workspace import Workspace
from training.commands import prepare_dicom
from training.commands.shared import option_of, print_json

SOURCES = {
    "uw-madison": "the course's copy of the public set, fetched by --address or from a zip given by --archive",
    "pairs": "a folder with images/ and masks/ of PNG files of the same names",
    "kaggle": "the competition's folder, with train.csv and train/",
    "dicom": "a folder of DICOM files of any kind; --list shows its series",
    "phantom": "synthetic scans, of no patient",
}
WITH_FOLDER = ("pairs", "kaggle", "dicom")
OUT = "folder of the new data set; must be new or empty"


def parser(source: str) -> Parser:
    """The options of ``prepare`` for one of the sources."""
    made = Parser(f"python -m training prepare {source}", f"Make a data set from {SOURCES[source]}.")
    if source in WITH_FOLDER:
        made.add_argument("source", type=str, help=SOURCES[source])
    if source == "dicom":
        prepare_dicom.add_options(made, OUT)
    else:
        made.add_argument("--out", required=True, type=str, help=OUT)
    made.add_argument("--name", type=str | None, default=None, help="the data set's name; by default the folder's")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    if source == "uw-madison":
        made.add_class_arguments(ArchiveConfig)
    else:
        made.add_class_arguments(SplitConfig, skip={"valid_patients"})
        made.add_argument("--valid_patients", type=str, default="", help="hold out exactly these instead of drawing: case1,case2")
    if source in ("pairs", "uw-madison"):
        made.add_argument("--spacing_mm", type=str, default="", help="distance of voxel centres: z,y,x in mm, such as 3,1.5,1.5")
    if source == "pairs":
        made.add_argument("--pattern", type=str, default=UW_MADISON_PATTERN, help="how names tell patient, scan and slice")
    if source == "phantom":
        made.add_class_arguments(PhantomConfig)
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command; see `core.data.prepare` for what it raises."""
    chosen = choose("python -m training prepare", SOURCES, argv, kind="source of data")
    if chosen is None:
        return
    source, rest = chosen
    options = parser(source).read(rest)
    split = pick(SplitConfig, options | {"valid_patients": words_of(options.get("valid_patients", ""))})
    if options.get("list"):
        prepare_dicom.list_series(options)
        return
    with progress_bar(f"Preparing {source}") as progress:
        made = MAKERS[source](options, split, progress)
    report(made, as_json=options["json"])


def _uw_madison(options: dict[str, Any], split: SplitConfig, progress: ReportProgress) -> Prepared:
    from core.data.prepare.uw_madison import prepare_uw_madison

    config, spacing_mm = pick(ArchiveConfig, options), spacing_of(options["spacing_mm"])
    return prepare_uw_madison(Path(options["out"]), config=config, name=options["name"], spacing_mm=spacing_mm, progress=progress)


def _pairs(options: dict[str, Any], split: SplitConfig, progress: ReportProgress) -> Prepared:
    from core.data.prepare.pairs import prepare_pairs

    return prepare_pairs(
        Path(options["source"]),
        Path(options["out"]),
        split=split,
        name=options["name"],
        pattern=options["pattern"],
        spacing_mm=spacing_of(options["spacing_mm"]),
        progress=progress,
    )


def _kaggle(options: dict[str, Any], split: SplitConfig, progress: ReportProgress) -> Prepared:
    from core.data.prepare.kaggle import prepare_kaggle

    source, out = Path(options["source"]), Path(options["out"])
    return prepare_kaggle(source, out, split=split, name=options["name"], progress=progress)


def _phantom(options: dict[str, Any], split: SplitConfig, progress: ReportProgress) -> Prepared:
    from core.data.prepare.phantoms import prepare_phantom

    config = pick(PhantomConfig, options)
    return prepare_phantom(Path(options["out"]), config=config, split=split, name=options["name"], progress=progress)


MAKERS: dict[str, Callable[[dict[str, Any], SplitConfig, ReportProgress], Prepared]] = {
    "uw-madison": _uw_madison,
    "pairs": _pairs,
    "kaggle": _kaggle,
    "dicom": prepare_dicom.make,
    "phantom": _phantom,
}


def report(made: Prepared, *, as_json: bool) -> None:
    """Say what was made and what to do next."""
    root = made.root.resolve()
    contested = made.manifest.contested_pixels
    if as_json:
        counts = {split: {"patients": made.patients[split], "slices": made.slices[split]} for split in made.patients}
        facts = {"dataset": str(root), "name": made.manifest.name, "split": made.manifest.split, "splits": counts}
        print_json(facts | {"contested_pixels": contested, "notes": list(made.manifest.notes)})
        return
    print(f"Data set: {root}")
    print(f"  divided {made.manifest.split}")
    for split, patients in made.patients.items():
        print(f"  {split}: {patients} patients, {made.slices[split]} slices")
    if contested:
        print(f"  {contested} pixels were claimed by more than one organ and went to the smaller one.")
    for note in made.manifest.notes:
        print(f"  {note}")
    inside = root.parent.name == Workspace(root).datasets.name
    place = option_of(Workspace(root.parents[1])) if inside else ""
    print(f"Next: python -m training fit --data {shlex.quote(str(made.root))}{place}")
