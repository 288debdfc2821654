"""Label maps as files that other programs read: the formats offered on the pages, and many scans in one zip."""

import io
import zipfile
from collections.abc import Mapping

from core.cli.progress import ReportProgress
from core.data.writers.scan_files import FileFormat, scan_files
from core.errors import GutCheckError
from core.reviews.round.corrected import FinalMask
from core.reviews.scan_files import scan_labels
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation

FORMATS: dict[FileFormat, str] = {"nifti": "NIfTI", "dicom-seg": "DICOM SEG", "rtstruct": "RTSTRUCT", "png": "PNG"}
NAMING_NO_RUN: tuple[FileFormat, ...] = ("nifti", "png")
"""Those that say nothing of who drew, so that a blind round may give them out."""


def zip_of_masks(
    store: ReviewStore, evaluation: Evaluation, masks: Mapping[str, FinalMask], fmt: FileFormat, progress: ReportProgress
) -> tuple[bytes, dict[str, str]]:
    """The label maps that stand after a review in one zip; and of the scans that are not in it, why, by scan.

    Raises:
        GutCheckError: no scan could be written; why the first could not.
    """
    packed, problems = io.BytesIO(), dict[str, GutCheckError]()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for done, (scan, mask) in enumerate(masks.items()):
            progress(done, len(masks), scan)
            try:
                for name, content in _files(store, evaluation, mask, fmt).items():
                    archive.writestr(f"{scan}/{name}" if fmt == "png" else name, content)
            except GutCheckError as error:
                problems[scan] = error
    if masks and len(problems) == len(masks):
        raise next(iter(problems.values()))
    return packed.getvalue(), {scan: str(error) for scan, error in problems.items()}


def _files(store: ReviewStore, evaluation: Evaluation, mask: FinalMask, fmt: FileFormat) -> dict[str, bytes]:
    if mask.kind == "correction":
        labels = scan_labels(evaluation, mask.scan, "correction", reader=mask.event.reader, store=store)
    else:
        labels = scan_labels(evaluation, mask.scan, "prediction")
    return scan_files(labels, fmt)
