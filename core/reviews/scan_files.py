"""Which label map of a scan is meant, prediction, correction or reference, and its files in every format."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from core.data.index import DatasetIndex, load_index
from core.data.masks import LabelMap, check_label_map, read_label_volume
from core.data.writers.dicom_context import Made
from core.data.writers.scan_files import FileFormat, ScanLabels, one_file
from core.errors import DatasetError, ReviewError, WorkspaceError
from core.reviews.corrections import MaskVersion, corrections_of, read_correction, subject_of
from core.reviews.store.readers import reader_key
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from core.storage.files import sha256_of_array
from core.storage.workspace import Workspace, check_name

What = Literal["prediction", "correction", "reference"]
DIGITS = 12
"""Of a hash, where it tells a version."""


def export_scan(
    evaluation: Evaluation, scan: str, what: What, fmt: FileFormat, *, reader: str | None = None
) -> tuple[str, bytes]:
    """One scan's file to download, under pseudonyms: its name and bytes.

    Args:
        reader: whose correction; needed where several corrected the scan.

    Raises:
        WorkspaceError, DatasetError, MaskError, ImageError, ReviewError: see `scan_labels` and
            `core.data.writers.scan_files.scan_files`.
    """
    return one_file(scan_labels(evaluation, scan, what, reader=reader), fmt)


def scan_labels(
    evaluation: Evaluation, scan: str, what: What, *, reader: str | None = None, store: ReviewStore | None = None
) -> ScanLabels:
    """A label map of an evaluated scan.

    Args:
        reader: whose correction; needed where several corrected the scan.
        store: of the reviews, where it is open; else the workspace's own is opened for a correction.

    Raises:
        WorkspaceError: the evaluation has no such scan, or the data set changed since.
        DatasetError: the data set is gone or damaged, or the scan has no reference.
        MaskError: a label map is missing or damaged.
        ReviewError: nobody, or not this reader, corrected the scan; or several did and none was chosen.
    """
    facts, index = evaluation.scan_facts(scan), load_index(evaluation.dataset_root)
    found = index.scan(evaluation.split, scan)
    if what == "prediction":
        labels: LabelMap = read_label_volume(evaluation.paths.mask(scan))
        made = Made("AUTOMATIC", evaluation.run, _model_version(evaluation))
    elif what == "reference":
        labels = found.read_labels()
        made = Made("MANUAL", f"reference of {index.name}", sha256_of_array(labels)[:DIGITS])
    else:
        version, labels = _correction(evaluation, scan, reader, store)
        model = f"{evaluation.run}, corrected"
        made = Made("SEMIAUTOMATIC", model, version.mask_sha256[:DIGITS], version.reader)
    numbers = facts.get("slice_numbers") or [each.name.number for each in found.slices]
    if list(numbers) != [each.name.number for each in found.slices] or len(labels) != len(found.slices):
        sentence = f"Scan {scan} has changed since it was evaluated"
        raise WorkspaceError(sentence, value=evaluation.dataset_root, todo="evaluate the run again")
    check_label_map(labels, source=scan)
    every = [each for scans in index.splits.values() for part in scans if part.id == scan for each in part.slices]
    skipped = found.slices[0].name.number - min(each.name.number for each in every)
    return ScanLabels(found, labels, made, skipped, len(every))


def reference_labels(index: DatasetIndex, scan: str) -> ScanLabels:
    """The reference of a scan of a data set, whole where a split by slices tore it apart.

    Raises:
        DatasetError: there is no such scan, or it has no reference. MaskError: a mask cannot be read.
    """
    parts = [each for scans in index.splits.values() for each in scans if each.id == scan]
    if not parts:
        raise DatasetError(f"The data set {index.name} has no such scan", value=scan, todo="choose one of its scans")
    slices = sorted((each for part in parts for each in part.slices), key=lambda each: each.name.number)
    whole = replace(parts[0], slices=tuple(slices))
    check_name(scan, "scan")
    labels = whole.read_labels()
    made = Made("MANUAL", f"reference of {index.name}", sha256_of_array(labels)[:DIGITS])
    return ScanLabels(whole, labels, made, whole=len(slices))


def _model_version(evaluation: Evaluation) -> str:
    weights = evaluation.summary.get("weights_sha256")
    return str(weights)[:DIGITS] if weights else "unknown"


def _correction(evaluation: Evaluation, scan: str, reader: str | None, store: ReviewStore | None) -> tuple[MaskVersion, LabelMap]:
    workspace = Workspace(evaluation.paths.root.parents[3])
    opened = store or ReviewStore.open(workspace.reviews_db)
    try:
        versions = corrections_of(opened, subject_of(evaluation, scan))
    finally:
        if store is None:
            opened.close()
    chosen = newest(versions, scan, reader)
    return chosen, read_correction(workspace, chosen.mask_sha256)


def newest(versions: Sequence[MaskVersion], scan: str, reader: str | None) -> MaskVersion:
    """The newest correction of a reader, or of the only one.

    Args:
        versions: newest first.

    Raises:
        ReviewError: nobody, or not this reader, corrected the scan; or several did and none was chosen.
    """
    readers = list(dict.fromkeys(each.reader for each in versions))
    if reader is not None:
        versions = [each for each in versions if reader_key(each.reader) == reader_key(reader)]
    elif len({reader_key(each) for each in readers}) > 1:
        value = f"{', '.join(sorted(readers)[:5])}"
        raise ReviewError(f"Several readers corrected scan {scan}", value=value, todo="choose one with --reader")
    if not versions:
        who = f"{reader} has not" if reader else "Nobody has"
        raise ReviewError(f"{who} corrected this scan", value=scan, todo="export the prediction, or correct it in Review")
    return versions[0]
