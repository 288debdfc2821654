"""What readers made of the masks: corrections and accepted predictions, as a data set to train on and as run lengths.

The mask that stands for a scan is its latest correction (of a chosen reader, or of anybody); where there is none and it is asked
for, the prediction, if every reader who judged it accepted it. In the data set it takes the reference's place. Everything else is
as in the source: images byte for byte, the other references, geometry, and who is trained and who is validated on. So no patient
comes to both sides who was not there before; who was trained on is in a run's manifest, and the leak badge follows from that.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.cli.progress import ReportProgress, silent
from core.config import SplitConfig
from core.data.images import encode_png
from core.data.index import load_index
from core.data.manifest import DatasetManifest
from core.data.masks import LabelMap, check_label_map, read_label_volume
from core.data.prepare.writer import Draft, Prepared, writing_dataset
from core.data.scan import Scan
from core.data.writers.run_lengths import run_length_table
from core.data.writers.scan_files import native_size
from core.errors import ReviewError, WorkspaceError
from core.evaluation.disputes import FILE_NAME as DISPUTED
from core.reviews.corrections import read_correction
from core.reviews.store.events import Event, Verdict
from core.reviews.store.readers import reader_key
from core.reviews.store.state import ScanReview
from core.runs.registry import Evaluation
from core.storage.files import sha256_of_array
from core.storage.workspace import Workspace


@dataclass(frozen=True)
class FinalMask:
    """The mask that stands for a scan after a review."""

    scan: str
    kind: str
    """``correction`` or ``accepted prediction``."""
    event: Event
    """The correction, or the last verdict that accepted."""
    sha256: str

    def read(self, workspace: Workspace, evaluation: Evaluation) -> LabelMap:
        """The label volume (Z, H, W) uint8.

        Raises:
            MaskError: missing, damaged, or another than was recorded.
        """
        if self.kind == "correction":
            return read_correction(workspace, self.sha256)
        return read_label_volume(evaluation.paths.mask(self.scan))

    def to_json(self) -> dict[str, Any]:
        """How ``dataset.json`` tells of it."""
        return {
            "kind": self.kind,
            "reader": self.event.reader,
            "at": self.event.at,
            "event": self.event.id,
            "sha256": self.sha256,
        }


def final_masks(
    evaluation: Evaluation, reviews: Mapping[str, ScanReview], *, reader: str | None = None, accepted: bool = False
) -> dict[str, FinalMask]:
    """The masks that stand, by scan; scans that have neither are not in it.

    Corrections and verdicts on another image or prediction than the evaluation's own are left out.

    Args:
        reader: take this reader's corrections only; by default the latest of anybody.
        accepted: take predictions too that were accepted by all who judged them.
    """
    found = {}
    for scan, facts in evaluation.facts.items():
        review = reviews.get(scan, ScanReview())
        drawn = [
            each
            for each in review.corrections
            if each.subject.image_sha256 == facts["image_sha256"]
            and (reader is None or reader_key(reader) == reader_key(each.reader))
        ]
        said = [each for each in review.standing.values() if each.subject.mask_sha256 == facts["prediction_sha256"]]
        if drawn:
            found[scan] = FinalMask(scan, "correction", drawn[-1], drawn[-1].payload["mask_sha256"])
        elif accepted and said and len(said) == len(review.standing) and set(review.verdicts.values()) == {Verdict.ACCEPT}:
            last = max(said, key=lambda each: each.sequence)
            found[scan] = FinalMask(scan, "accepted prediction", last, facts["prediction_sha256"])
    return found


def write_corrected_dataset(
    workspace: Workspace,
    evaluation: Evaluation,
    masks: Mapping[str, FinalMask],
    out: Path,
    *,
    name: str | None = None,
    split: SplitConfig | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Write the evaluation's data set anew, with ``masks`` in place of the references; one scan is in memory at a time.

    Args:
        name: of the data set; by default the source's with ``-corrected``.
        split: divide it anew, such as to train on what was corrected; by default every slice stays on its side.

    Raises:
        ReviewError: no mask to put in.
        WorkspaceError: ``out`` holds something, or the source's images were changed since the evaluation.
        DatasetError, MaskError: the source or a mask cannot be read.
    """
    if not masks:
        todo = "correct a scan, or take accepted predictions too"
        raise ReviewError("There are no masks to export", value=f"{evaluation.run} · {evaluation.name}", todo=todo)
    index = load_index(evaluation.dataset_root)
    manifest = _manifest(index.manifest, evaluation, masks, name or f"{index.name}-corrected")
    scans = [(side, scan) for side, found in index.splits.items() for scan in found]
    with writing_dataset(out, manifest, split) as draft:
        for done, (side, scan) in enumerate(scans):
            progress(done, len(scans), scan.id)
            mask = masks.get(scan.id) if side == evaluation.split else None
            _add(draft, scan, None if mask is None else _checked(mask, scan, workspace, evaluation))
            if side == "valid":
                draft.valid |= {each.name.stem for each in scan.slices}
        if (index.root / DISPUTED).exists():
            shutil.copyfile(index.root / DISPUTED, draft.writer.folder / DISPUTED)
        progress(len(scans), len(scans), "hashing")
    return draft.result


def _manifest(source: DatasetManifest, evaluation: Evaluation, masks: Mapping[str, FinalMask], name: str) -> DatasetManifest:
    provenance = {
        "dataset": source.name,
        "run": evaluation.run,
        "evaluation": evaluation.name,
        "split": evaluation.split,
        "leak": evaluation.badge.text,
        "masks": {scan: mask.to_json() for scan, mask in masks.items()},
    }
    # The source stays in front: it says whose known disputed scans these are.
    told = f"{source.source}; {len(masks)} references replaced in review"
    return replace(source, name=name, source=told, provenance=provenance, stated=True)


def _add(draft: Draft, scan: Scan, mask: LabelMap | None) -> None:
    for position, each in enumerate(scan.slices):
        if each.mask is None:
            draft.writer.add(each.name.stem, scan.patient, image_png=each.image.read_bytes(), mask_png=None)
            continue
        _, reference = each.read()
        plane = reference if mask is None else mask[position]
        draft.writer.add(
            each.name.stem,
            scan.patient,
            image_png=each.image.read_bytes(),
            mask_png=each.mask.read_bytes() if mask is None else encode_png(plane),
            annotated=bool(plane.any()),
        )


def _checked(mask: FinalMask, scan: Scan, workspace: Workspace, evaluation: Evaluation) -> LabelMap:
    image, facts = scan.read_image(), evaluation.scan_facts(scan.id)
    if sha256_of_array(image) != facts["image_sha256"]:
        what = f"Scan {scan.id} has changed since it was evaluated"
        raise WorkspaceError(what, value=evaluation.dataset_root, todo="evaluate the run again and review it anew")
    return check_label_map(mask.read(workspace, evaluation), source=f"{mask.kind} {mask.sha256[:12]}", shape=image.shape)


def run_length_csv(workspace: Workspace, evaluation: Evaluation, masks: Mapping[str, FinalMask]) -> bytes:
    """The masks in the competition's format at native size, see `core.data.writers.run_lengths`.

    Raises:
        DatasetError, MaskError: the data set or a mask cannot be read.
    """
    index = load_index(evaluation.dataset_root)

    def scans() -> Iterator[tuple[list[str], LabelMap]]:
        for scan_id, mask in masks.items():
            scan, volume = index.scan(evaluation.split, scan_id), mask.read(workspace, evaluation)
            yield [each.name.stem for each in scan.slices], np.stack([native_size(plane, scan.info) for plane in volume])

    return run_length_table(scans())
