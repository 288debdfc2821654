"""``export --what``: label maps as files for planning systems, viewers and other tools."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.cli.options import words_of
from core.cli.progress import ReportProgress, progress_bar
from core.data.index import SPLITS, load_index
from core.data.prepare.key_file import Key, read_key
from core.data.volume import DicomSource
from core.data.writers.dicom_context import Identity, SourceFolder, pseudonymous, renamed
from core.data.writers.nnunet import DATASET, dataset_json
from core.data.writers.run_lengths import run_length_table
from core.data.writers.scan_files import DICOM_FORMATS, FileFormat, ScanLabels, scan_files
from core.errors import ConfigError, ReviewError
from core.reviews.scan_files import reference_labels, scan_labels
from core.reviews.store.readers import reader_key
from core.reviews.store.store import ReviewStore
from core.runs.registry import find_run
from core.storage.files import new_folder, write_whole
from core.storage.workspace import Workspace
from training.commands.shared import print_json
from training.run.arguments import find_dataset

RUN_LENGTHS = "masks.csv"
TODO = "see python -m training export --help"
MADE_UP = "These scans came from no DICOM series, so the series that their files refer to is made up from their pixels"


@dataclass
class Written:
    """What was written."""

    files: dict[str, list[str]] = field(default_factory=dict)
    """Names by scan."""
    size: int = 0
    """Bytes."""
    made_up: list[str] = field(default_factory=list)
    """Scans without a DICOM series, whose files refer to made-up UIDs."""


Identify = Callable[[ScanLabels], Identity]


def export_scans(options: dict[str, Any]) -> None:
    """Write the label maps of a run's evaluation, or a data set's references, into a new folder, whole or not at all.

    Raises:
        ConfigError: options that are missing, or do not fit together.
        WorkspaceError, DatasetError, MaskError, ImageError, ReviewError: something cannot be read, written or exported so.
    """
    _check(options)
    out, fmt = Path(options["out"]), options["format"]
    identify = _identities(options)
    with ExitStack() as stack:
        progress, folder = stack.enter_context(progress_bar("Exporting")), stack.enter_context(new_folder(out))
        name, scans = _from_data(options, progress) if options["data"] else _from_run(options, progress, stack)
        done = _write(scans, folder, fmt, identify, name)
    if options["json"]:
        content = {"out": str(out.resolve()), "what": options["what"], "format": fmt, "bytes": done.size, "files": done.files}
        print_json(content | {"made_up_series": done.made_up})
        return
    print(f"Exported {len(done.files)} scans to {out.resolve()} ({done.size / 1e6:,.1f} MB).")
    if done.made_up:
        print(f"Note: {MADE_UP}: {', '.join(done.made_up[:5])}{' …' if len(done.made_up) > 5 else ''}.")


def _check(options: dict[str, Any]) -> None:
    what, fmt = options["what"], options["format"]
    if fmt is None:
        raise ConfigError("Something is missing: --format", todo=TODO)
    if options["data"] is None and not (options["run"] and options["evaluation"]):
        raise ConfigError("Something is missing: --run and --evaluation, or --data", todo=TODO)
    if options["data"] is not None and (what != "reference" or options["run"] or options["evaluation"]):
        raise ConfigError(
            "A data set has references only", value=f"--data with --what {what}", todo="give --run and --evaluation"
        )
    if options["reader"] is not None and what != "correction":
        raise ConfigError("--reader chooses among corrections", value=f"--what {what}", todo="leave it out")
    given = [f"--{name}" for name in ("source", "key") if options[name] is not None]
    if given and fmt not in DICOM_FORMATS:
        raise ConfigError(f"{given[0]} is for DICOM files", value=f"--format {fmt}", todo=f"use {', '.join(DICOM_FORMATS)}")


def _identities(options: dict[str, Any]) -> Identify:
    """What says of each scan whose it is and where it came from: pseudonyms, the key, the original series, or both."""
    key = None if options["key"] is None else read_key(Path(options["key"]))
    folder = None if options["source"] is None else SourceFolder(Path(options["source"]))
    if key is None and folder is None:
        return lambda labels: labels.pseudonymous()
    originals = {} if key is None else {new: old for old, new in key.uids.items()}

    def identify(labels: ScanLabels) -> Identity:
        if folder is not None and labels.scan.info.dicom is None:
            what = f"Scan {labels.scan.id} came from no DICOM series"
            raise ConfigError(what, value="--source", todo="leave it out, or prepare the data set from the DICOM series")
        source = renamed(labels.source(), originals)
        if folder is not None:
            return Identity(source, folder.header(source, labels.scan.id))
        return Identity(source, pseudonymous(source, _patient_id(key, labels.scan.patient, source)))

    return identify


def _patient_id(key: Key | None, pseudonym: str, source: DicomSource) -> str:
    kept = None if key is None else key.patients.get(pseudonym)
    if kept is None:
        raise ConfigError(
            "The key has no such patient", value=pseudonym, todo="give the key that prepare dicom wrote for this data set"
        )
    # Of files that state no patient the key holds the study.
    return "" if kept.patient_id == source.study_uid else kept.patient_id


def _from_data(options: dict[str, Any], progress: ReportProgress) -> tuple[str, Iterator[ScanLabels]]:
    index = load_index(find_dataset(Workspace.locate(options["workspace"]), options["data"]))
    every = dict.fromkeys(scan.id for split in SPLITS for scan in index.splits.get(split, ()))
    wanted = list(words_of(options["scan"]) or every)
    return index.name, _loaded(wanted, lambda scan: reference_labels(index, scan), progress)


def _from_run(options: dict[str, Any], progress: ReportProgress, stack: ExitStack) -> tuple[str, Iterator[ScanLabels]]:
    workspace = Workspace.locate(options["workspace"])
    evaluation = find_run(workspace, options["run"]).evaluation(options["evaluation"])
    wanted = list(words_of(options["scan"]) or evaluation.facts)
    for scan in wanted:
        evaluation.scan_facts(scan)
    what, reader, store = options["what"], options["reader"], None
    if what == "correction":
        store = ReviewStore.open(workspace.reviews_db)
        stack.callback(store.close)
        wanted = wanted if options["scan"] else _corrected(store, evaluation.run, evaluation.name, reader)

    def load(scan: str) -> ScanLabels:
        return scan_labels(evaluation, scan, what, reader=reader, store=store)

    return f"{evaluation.run}-{what}", _loaded(wanted, load, progress)


def _corrected(store: ReviewStore, run: str, evaluation: str, reader: str | None) -> list[str]:
    """The scans that somebody, or this reader, corrected."""
    reviews = store.reviews(run=run, evaluation=evaluation)
    found = [
        scan
        for scan, review in reviews.items()
        if any(reader is None or reader_key(each.reader) == reader_key(reader) for each in review.corrections)
    ]
    if not found:
        who = "Nobody has" if reader is None else f"{reader} has not"
        raise ReviewError(f"{who} corrected a scan", value=f"{run} · {evaluation}", todo="correct one in Review")
    return sorted(found)


def _loaded(scans: list[str], load: Callable[[str], ScanLabels], progress: ReportProgress) -> Iterator[ScanLabels]:
    for done, scan in enumerate(scans):
        progress(done, len(scans), scan)
        yield load(scan)
    progress(len(scans), len(scans), "written")


def _write(scans: Iterator[ScanLabels], folder: Path, fmt: FileFormat, identify: Identify, name: str) -> Written:
    done = Written()

    def keep(scan: str, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            write_whole(folder / path, content)
            done.size += len(content)
        done.files.setdefault(scan, []).extend(files)

    if fmt == "rle":
        found = {each.scan.id: ([s.name.stem for s in each.scan.slices], each.native().labels) for each in scans}
        keep(name, {RUN_LENGTHS: run_length_table(found.values())})
        done.files = {scan: [RUN_LENGTHS] for scan in found}
        return done
    for labels in scans:
        dicom = fmt in DICOM_FORMATS
        if dicom and labels.scan.info.dicom is None:
            done.made_up.append(labels.scan.id)
        keep(labels.scan.id, scan_files(labels, fmt, identify(labels) if dicom else None))
    if fmt == "nnunet":
        write_whole(folder / DATASET, dataset_json(name, len(done.files)))
    return done
