"""``prepare``: make a data set, divided by patient, by slice, or as it came."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.command import choose
from core.cli.options import Parser, spacing_of, words_of
from core.cli.progress import ReportProgress, progress_bar
from core.config import ArchiveConfig, PhantomConfig, SplitConfig, pick
from core.data.identity import UW_MADISON_PATTERN
from core.data.index import UNLABELLED
from core.data.prepare.patients import VOLUME_PATTERN, PatientRule, read_patients
from core.data.prepare.writer import Prepared
from core.data.readers.label_files import LabelTable
from core.storage.workspace import Workspace
from training.commands import prepare_dicom
from training.commands.shared import option_of, print_json

if TYPE_CHECKING:
    from core.data.prepare.volumes import VolumeOptions


def _split(made: Parser) -> None:
    made.add_class_arguments(SplitConfig, skip={"valid_patients"})
    made.add_argument("--valid_patients", type=str, default="", help="hold out exactly these instead of drawing: case1,case2")


def _masks(made: Parser) -> None:
    about = "classes of the labels, such as 6=stomach,13=small_bowel, or the name of a preset"
    made.add_argument("--map", type=str, default="", help=about)
    made.add_argument("--colours", type=str, default="", help="classes of the colours: '#0000ff=stomach,#00ff00=small_bowel'")


def _spacing(made: Parser) -> None:
    made.add_argument("--spacing_mm", type=str, default="", help="distance of voxel centres: z,y,x in mm, such as 3,1.5,1.5")


def _patients(pattern: str) -> Callable[[Parser], None]:
    def add(made: Parser) -> None:
        made.add_argument("--pattern", type=str, default=pattern, help="how names tell patient, scan and slice")
        made.add_argument("--patients", type=str, default="", help="table with the columns name (of a file or scan) and patient")
        about = "files whose names tell no patient are each another patient's"
        made.add_argument("--one_patient_a_file", action="store_true", help=about)

    return add


def _channel(made: Parser) -> None:
    made.add_argument("--channel", type=int, default=0, help="which of several images of a scan")
    made.add_argument("--fold", type=int | None, default=None, help="divide as splits_final.json does in this fold")


def _archive(made: Parser) -> None:
    made.add_class_arguments(ArchiveConfig)


def _phantoms(made: Parser) -> None:
    made.add_class_arguments(PhantomConfig)


def _uw_madison(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.uw_madison import prepare_uw_madison

    return prepare_uw_madison(
        Path(options["out"]),
        config=pick(ArchiveConfig, options),
        name=options["name"],
        spacing_mm=spacing_of(options["spacing_mm"]),
        labels=_labels_of(options),
        progress=progress,
    )


def _pairs(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.pairs import prepare_pairs

    return prepare_pairs(
        Path(options["source"]),
        Path(options["out"]),
        split=_split_of(options),
        name=options["name"],
        patients=_patients_of(options),
        spacing_mm=spacing_of(options["spacing_mm"]),
        labels=_labels_of(options),
        progress=progress,
    )


def _kaggle(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.kaggle import prepare_kaggle

    source, out = Path(options["source"]), Path(options["out"])
    return prepare_kaggle(source, out, split=_split_of(options), name=options["name"], progress=progress)


def _nifti(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.nifti_folder import prepare_nifti

    source, out = Path(options["source"]), Path(options["out"])
    return prepare_nifti(source, out, _volumes_of(options), name=options["name"], progress=progress)


def _nnunet(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.nnunet import prepare_nnunet

    source, out = Path(options["source"]), Path(options["out"])
    which = {key: options[key] for key in ("channel", "fold", "name")}
    return prepare_nnunet(source, out, _volumes_of(options), **which, progress=progress)


def _table(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.table import prepare_table

    source, out = Path(options["source"]), Path(options["out"])
    return prepare_table(source, out, _volumes_of(options), name=options["name"], progress=progress)


def _dicom(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    return prepare_dicom.make(options, _split_of(options), progress)


def _phantom(options: dict[str, Any], progress: ReportProgress) -> Prepared:
    from core.data.prepare.phantoms import prepare_phantom

    config, split = pick(PhantomConfig, options), _split_of(options)
    return prepare_phantom(Path(options["out"]), config=config, split=split, name=options["name"], progress=progress)


@dataclass(frozen=True)
class Source:
    """Something that a data set can be made from."""

    about: str
    make: Callable[[dict[str, Any], ReportProgress], Prepared]
    adds: tuple[Callable[[Parser], None], ...]
    """What adds its options, beside those of all."""
    given: bool = True
    """Whether a folder or file is named on the command line."""
    lists: bool = False
    """Whether ``--list`` prints what could be prepared, and nothing is made."""


SCANS = (_split, _masks, _patients(VOLUME_PATTERN))
SOURCES = {
    "uw-madison": Source(
        "the course's copy of the public set, fetched by --address or from a zip given by --archive",
        _uw_madison,
        (_archive, _spacing, _masks),
        given=False,
    ),
    "pairs": Source(
        "a folder with images/ and masks/ of PNG files of the same names",
        _pairs,
        (_split, _spacing, _masks, _patients(UW_MADISON_PATTERN)),
    ),
    "nifti": Source("a folder with images/ and labels/ (or masks/) of NIfTI files of the same names", _nifti, SCANS),
    "nnunet": Source("nnU-Net's raw folder, with dataset.json, imagesTr and labelsTr", _nnunet, (*SCANS, _channel)),
    "dicom": Source("a folder of DICOM files of any kind", _dicom, (_split, prepare_dicom.add_options), lists=True),
    "table": Source("a table with the columns scan, image and, where there are, reference and patient", _table, SCANS),
    "kaggle": Source("the competition's folder, with train.csv and train/", _kaggle, (_split,)),
    "phantom": Source("synthetic scans, of no patient", _phantom, (_split, _phantoms), given=False),
}


def parser(source: str) -> Parser:
    """The options of ``prepare`` for one of the sources."""
    chosen = SOURCES[source]
    made = Parser(f"python -m training prepare {source}", f"Make a data set from {chosen.about}.")
    if chosen.given:
        made.add_argument("source", type=str, help=chosen.about)
    made.add_argument("--out", required=not chosen.lists, type=str, help="folder of the new data set; must be new or empty")
    made.add_argument("--name", type=str | None, default=None, help="the data set's name; by default the folder's")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    for add in chosen.adds:
        add(made)
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command; see `core.data.prepare` for what it raises."""
    about = {name: source.about for name, source in SOURCES.items()}
    chosen = choose("python -m training prepare", about, argv, kind="source of data")
    if chosen is None:
        return
    source, rest = chosen
    options = parser(source).read(rest)
    if SOURCES[source].lists and options["list"]:
        prepare_dicom.list_series(options)
        return
    with progress_bar(f"Preparing {source}") as progress:
        made = SOURCES[source].make(options, progress)
    report(made, as_json=options["json"])


def _split_of(options: dict[str, Any]) -> SplitConfig:
    return pick(SplitConfig, options | {"valid_patients": words_of(options["valid_patients"])})


def _labels_of(options: dict[str, Any]) -> LabelTable:
    return LabelTable.parse(options["map"], options["colours"])


def _patients_of(options: dict[str, Any]) -> PatientRule:
    stated = read_patients(Path(options["patients"])) if options["patients"] else {}
    return PatientRule(options["pattern"], stated, one_a_file=options["one_patient_a_file"])


def _volumes_of(options: dict[str, Any]) -> "VolumeOptions":
    from core.data.prepare.volumes import VolumeOptions

    return VolumeOptions(_split_of(options), patients=_patients_of(options), labels=_labels_of(options))


def report(made: Prepared, *, as_json: bool) -> None:
    """Say what was made and what to do next."""
    root, manifest = made.root.resolve(), made.manifest
    if as_json:
        counts = {split: {"patients": made.patients[split], "slices": made.slices[split]} for split in made.patients}
        facts = {"dataset": str(root), "name": manifest.name, "split": manifest.split, "splits": counts}
        print_json(facts | {"contested_pixels": manifest.contested_pixels, "notes": [*manifest.notes, *_scan_notes(made)]})
        return
    print(f"Data set: {root}")
    print(f"  {manifest.split}" if set(made.slices) == {UNLABELLED} else f"  divided {manifest.split}")
    for split, patients in made.patients.items():
        print(f"  {split}: {patients} patients, {made.slices[split]} slices")
    if manifest.contested_pixels:
        print(f"  {manifest.contested_pixels} pixels were claimed by more than one organ and went to the smaller one.")
    for note in (*manifest.notes, *_scan_notes(made)):
        print(f"  {note}")
    if set(made.slices) == {UNLABELLED}:
        images = shlex.quote(str(made.root / UNLABELLED / "images"))
        print(f"Next: python -m training predict --run RUN --input {images} --out DIR")
        return
    inside = root.parent.name == Workspace(root).datasets.name
    place = option_of(Workspace(root.parents[1])) if inside else ""
    print(f"Next: python -m training fit --data {shlex.quote(str(made.root))}{place}")


def _scan_notes(made: Prepared) -> list[str]:
    """What there is to know of single scans, each sentence once."""
    counts = Counter(note for info in made.manifest.scans.values() for note in info.notes)
    return [f"{note} ({count} scans)" for note, count in counts.items()]
