"""Masks that readers corrected: files named by their hash, and review events that say who, when and from what."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.masks import VOLUME_SUFFIX, LabelMap, check_label_map, read_label_volume, write_label_volume
from core.errors import MaskError, WorkspaceError
from core.reviews.store.events import Correction, Event, Subject
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from core.storage.files import sha256_of_array, sync_folder
from core.storage.workspace import Workspace

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class MaskVersion:
    """A corrected mask of a scan."""

    mask_sha256: str
    """Names the file."""
    base_sha256: str
    """Of the mask that the reader began with: the prediction, the reference, an empty one, or an earlier version."""
    reader: str
    at: str
    """UTC, ISO 8601, by the server's clock."""
    seconds: float
    """That the reader worked on it, idle time left out."""
    changed_voxels: int
    """Whose class differs between the two."""


def subject_of(evaluation: Evaluation, scan: str) -> Subject:
    """What a review event about a scan of an evaluation is about.

    Raises:
        WorkspaceError: the evaluation has no such scan.
    """
    facts = evaluation.scan_facts(scan)
    return Subject(evaluation.run, evaluation.name, scan, facts["image_sha256"], facts["prediction_sha256"])


def corrections_of(store: ReviewStore, subject: Subject) -> list[MaskVersion]:
    """The versions of a scan's mask that were drawn on this very image and not taken back, newest first.

    Raises:
        ReviewError: the review store cannot be read.
    """
    events = store.scan_review(subject).corrections
    return [version_of(each) for each in reversed(events) if each.subject.image_sha256 == subject.image_sha256]


def version_of(event: Event) -> MaskVersion:
    """The version that an event tells of."""
    return MaskVersion(reader=event.reader, at=event.at, **event.payload)


def correction_path(workspace: Workspace, mask_sha256: str) -> Path:
    """Where a version lies.

    Raises:
        MaskError: this is no hash.
    """
    if not _SHA256.fullmatch(mask_sha256):
        raise MaskError("This is no correction", value=mask_sha256[:80], todo="choose one from the list")
    return workspace.corrections / f"{mask_sha256}{VOLUME_SUFFIX}"


def read_correction(workspace: Workspace, mask_sha256: str) -> LabelMap:
    """A version's label volume, (Z, H, W) uint8.

    Raises:
        MaskError: missing, damaged, or not what its name says.
    """
    path = correction_path(workspace, mask_sha256)
    try:
        volume = read_label_volume(path)
    except MaskError as error:
        raise MaskError("A corrected mask is missing or damaged", value=path, todo="restore it from a backup") from error
    if sha256_of_array(volume) != mask_sha256:
        raise MaskError("A corrected mask is not the one that was saved", value=path, todo="restore it from a backup")
    return volume


def save_correction(
    workspace: Workspace,
    store: ReviewStore,
    evaluation: Evaluation,
    scan: str,
    volume: LabelMap,
    *,
    base: str,
    reader: str,
    seconds: float,
    event_id: str | None = None,
) -> MaskVersion:
    """Store a corrected mask beside the reference and the prediction, which stay as they are.

    Args:
        volume: (Z, H, W) uint8 class ids, of the prediction's shape.
        base: what the reader began with: ``prediction``, ``reference``, ``empty``, or an earlier version's hash.
        event_id: chosen by the sender; the same correction sent twice is stored once.

    Raises:
        MaskError: another shape than the prediction, an unknown class, or an unknown or damaged base.
        ReviewError: an impossible reader or time, or the database refuses or is gone; no version was stored then.
        WorkspaceError: the evaluation has no such scan, or the disk refuses.
    """
    # Else the file would make a folder anew that is gone, and lie where nobody looks.
    store.check()
    before = _base(workspace, store, evaluation, scan, base)
    check_label_map(volume, source=scan, shape=before.shape)
    digest = sha256_of_array(volume)
    changed = int(np.count_nonzero(volume != before))
    correction = Correction(digest, sha256_of_array(before), changed, seconds)
    # The event names the file, so the file is there first; without the event nobody finds it, and it harms nothing.
    path = correction_path(workspace, digest)
    _write(path, volume)
    event = store.add_correction(subject_of(evaluation, scan), reader=reader, correction=correction, event_id=event_id)
    if not path.is_file():
        raise WorkspaceError("A corrected mask was removed while it was saved", value=path, todo="save it again")
    return version_of(event)


def _write(path: Path, volume: LabelMap) -> None:
    """Write the volume, and see that neither a power cut takes the file away nor the folder that may have been made for it."""
    write_label_volume(path, volume)
    for folder in (path.parent, path.parent.parent):
        sync_folder(folder)


def _base(workspace: Workspace, store: ReviewStore, evaluation: Evaluation, scan: str, base: str) -> LabelMap:
    facts = evaluation.scan_facts(scan)
    if base == "reference":
        reference = evaluation.find_scan(scan).read_labels()
        if sha256_of_array(reference) != facts["reference_sha256"]:
            what = f"The reference of {scan} has changed since it was evaluated"
            raise WorkspaceError(what, value=evaluation.dataset_root, todo="evaluate the run again")
        return reference
    prediction = read_label_volume(evaluation.paths.mask(scan))
    if base in ("prediction", "empty"):
        return prediction if base == "prediction" else np.zeros_like(prediction)
    if base not in {each.mask_sha256 for each in corrections_of(store, subject_of(evaluation, scan))}:
        raise MaskError("This scan has no such correction to begin with", value=base[:80], todo="open the scan again")
    return read_correction(workspace, base)
