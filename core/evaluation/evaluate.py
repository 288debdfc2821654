"""Predicting a split and writing its evaluation: masks at native size, slice and scan tables, and what they rest on."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from core.cli.progress import ReportProgress, silent
from core.config import ScoringConfig
from core.data.index import DatasetIndex
from core.data.masks import LabelMap, read_label_volume, write_label_volume
from core.data.scan import Scan
from core.errors import MaskError
from core.evaluation.nnunet_summary import Case, write_summary
from core.evaluation.nnunet_summary import summary as nnunet_summary
from core.evaluation.score_set import EVALUATION_FORMAT, ScoreSet
from core.metrics.confidence import Confidence
from core.model.predictor import Predictor
from core.runs.registry import Evaluation, Run, badge_for
from core.storage.files import sha256_of_array
from core.storage.partial import PartialOutput, partial_count, partial_folder
from core.storage.workspace import EvaluationPaths
from core.versions import package_versions

PredictAhead = Callable[[PartialOutput, Sequence[Scan]], None]
"""Has others predict scans into an evaluation's folder, by `predicted`; what they leave out is predicted as if they were not."""


def evaluate(
    run: Run,
    predictor: Predictor,
    index: DatasetIndex,
    split: str,
    *,
    scoring: ScoringConfig | None = None,
    progress: ReportProgress = silent,
    ahead: PredictAhead | None = None,
) -> Evaluation:
    """Predict every scan of a split and write ``evaluations/NAME-SPLIT``, replacing an earlier one when all is done.

    One scan is in memory at a time. Where this fails or is killed, the scans that it has predicted are kept, and the next
    evaluation of the same images with the same weights, recipe and versions takes them over; the result is the same.

    Raises:
        DatasetError, ImageError, MaskError: the split cannot be read; the earlier evaluation then stays.
        WorkspaceError: the disk refuses.
    """
    scans, paths = index.with_reference(split), _paths(run, index, split)
    badge = badge_for(run.manifest(), index, split)
    scores = ScoreSet(leak=badge.text, config=scoring or ScoringConfig())
    with partial_folder(paths.root, _key(predictor), replace=True) as kept:
        partial = EvaluationPaths(kept.folder)
        if ahead is not None:
            ahead(kept, scans)
        for done, scan in enumerate(scans):
            progress(done, len(scans), scan.id)
            image = scan.read_image()
            reference = scan.read_labels(shape=(image.shape[1], image.shape[2]))
            prediction, confidence = predicted(kept, scan, image, predictor)
            scores.add(scan, image=image, reference=reference, prediction=prediction, confidence=confidence)
        kept.settle({f"masks/{partial.mask(scan.id).name}" for scan in scans})
        data = {"name": index.name, "root": str(index.root.resolve()), "synthetic": index.manifest.synthetic}
        summary = scores.write(partial, run.name, data, split, badge, _made_by(predictor))
        if scores.config.nnunet:
            write_summary(partial.root / "summary.json", nnunet_summary(_cases(index, split, paths, scores), leak=badge.text))
        progress(len(scans), len(scans), "written")
    return Evaluation(run.name, paths.root.name, paths, summary)


def scans_taken_over(run: Run, predictor: Predictor, index: DatasetIndex, split: str) -> int:
    """How many scans an earlier evaluation had predicted when it was cut off; those that changed since are predicted again."""
    return partial_count(_paths(run, index, split).root, _key(predictor))


def _paths(run: Run, index: DatasetIndex, split: str) -> EvaluationPaths:
    return run.paths.evaluation(f"{index.name}-{split}")


def _key(predictor: Predictor) -> dict[str, Any]:
    return {"format": EVALUATION_FORMAT, "versions": package_versions(), **predictor.identity()}


def predicted(kept: PartialOutput, scan: Scan, image: NDArray[Any], predictor: Predictor) -> tuple[LabelMap, Confidence]:
    """Label volume (Z, H, W) uint8 and confidence of a scan: kept, or predicted now and then kept.

    Raises:
        WorkspaceError: the disk refuses.
    """
    numbers = [each.name.number for each in scan.slices]
    digest = f"{sha256_of_array(image)} {image.dtype} {image.shape} {numbers}"
    path = EvaluationPaths(kept.folder).mask(scan.id)
    record = kept.get(scan.id, digest)
    if record is not None:
        with suppress(MaskError):
            volume = read_label_volume(path)
            if sha256_of_array(volume) == record["prediction_sha256"]:
                return volume, Confidence.from_json(record)
    found = predictor.predict_scan(image, numbers=numbers)
    write_label_volume(path, found.labels)
    kept.put(scan.id, digest, {"prediction_sha256": sha256_of_array(found.labels)} | found.confidence.to_json())
    return found.labels, found.confidence


def _cases(index: DatasetIndex, split: str, paths: EvaluationPaths, scores: ScoreSet) -> list[Case]:
    """A scan's reference is a folder's worth of slices here, so its folder and name stand for it."""
    masks = Path(index.root).resolve() / split / "masks"
    return [Case(f"{masks}/{scan}", str(paths.mask(scan)), total) for scan, total in scores.totals.items()]


def _made_by(predictor: Predictor) -> dict[str, Any]:
    return {
        "inference": {
            "engine": predictor.engine.name,
            "flips": predictor.config.flips,
            "flip_agreement": predictor.config.flip_agreement,
            "context_stride": predictor.recipe.context_stride,
            "window": predictor.recipe.window,
        },
        "weights_sha256": predictor.weights_hash,
    }
