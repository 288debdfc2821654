"""Predicting a split and writing its evaluation: masks at native size, slice and scan tables, and what they rest on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config import ScoringConfig
from core.data.index import DatasetIndex, Scan
from core.data.masks import write_label_volume
from core.files import new_folder, sha256_of_array, write_json
from core.metrics.nnunet import Case, write_summary
from core.metrics.nnunet import summary as nnunet_summary
from core.metrics.score_set import ScoreSet
from core.predict import Predictor
from core.progress import Progress, silent
from core.quality import add_expected_dice
from core.runs import Evaluation, Run, badge_for
from core.versions import package_versions
from core.workspace import EvaluationPaths

FORMAT = "gutcheck-evaluation/1"


def evaluate(
    run: Run,
    predictor: Predictor,
    index: DatasetIndex,
    split: str,
    *,
    scoring: ScoringConfig | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Predict every scan of a split and write ``evaluations/NAME-SPLIT``, replacing an earlier one when all is done.

    One scan is in memory at a time.

    Raises:
        DatasetError, ImageError, MaskError: the split cannot be read; the earlier evaluation then stays.
        WorkspaceError: the disk refuses.
    """
    scans = index.scans(split)
    paths = run.paths.evaluation(f"{index.name}-{split}")
    badge = badge_for(run.manifest(), index, split)
    scores = ScoreSet(leak=badge.text, config=scoring or ScoringConfig())
    facts: dict[str, dict[str, Any]] = {}
    with new_folder(paths.root, replace=True) as folder:
        for done, scan in enumerate(scans):
            progress(done, len(scans), scan.id)
            image = scan.read_image()
            reference = scan.read_labels(shape=(image.shape[1], image.shape[2]))
            numbers = [each.name.number for each in scan.slices]
            prediction, confidence = predictor.predict_volume(image, numbers=numbers)
            write_label_volume(EvaluationPaths(folder).mask(scan.id), prediction)
            scores.add(scan, reference=reference, prediction=prediction, confidence=confidence)
            facts[scan.id] = _facts(scan, image, reference=reference, prediction=prediction)
        summary = _provenance(run, predictor, index, split, facts) | {"leak": badge.to_json()} | scores.summary()
        _write(EvaluationPaths(folder), scores, summary | {"scans": facts})
        if scores.config.nnunet:
            write_summary(folder / "summary.json", nnunet_summary(_cases(index, split, paths, scores), leak=badge.text))
        progress(len(scans), len(scans), "written")
    return add_expected_dice(Evaluation(run.name, paths.root.name, paths, summary | {"scans": facts}))


def _write(paths: EvaluationPaths, scores: ScoreSet, summary: dict[str, Any]) -> None:
    scores.slices().to_parquet(paths.slices, index=False)
    scores.scans().to_parquet(paths.scans, index=False)
    scores.errors().to_parquet(paths.errors, index=False)
    write_json(paths.summary, summary)


def _cases(index: DatasetIndex, split: str, paths: EvaluationPaths, scores: ScoreSet) -> list[Case]:
    """A scan's reference is a folder's worth of slices here, so its folder and name stand for it."""
    masks = Path(index.root).resolve() / split / "masks"
    return [Case(f"{masks}/{scan}", str(paths.mask(scan)), total) for scan, total in scores.totals.items()]


def _facts(scan: Scan, image: NDArray[Any], *, reference: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "patient": scan.patient,
        "slice_numbers": [each.name.number for each in scan.slices],
        "size": list(image.shape[1:]),
        "spacing_mm": scan.info.spacing_mm,
        "native_size": scan.info.native_size,
        "image_sha256": sha256_of_array(image),
        "reference_sha256": sha256_of_array(reference),
        "prediction_sha256": sha256_of_array(prediction),
    }


def _provenance(
    run: Run, predictor: Predictor, index: DatasetIndex, split: str, facts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": run.name,
        "dataset": {"name": index.name, "root": str(Path(index.root).resolve()), "synthetic": index.manifest.synthetic},
        "split": split,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scan_count": len(facts),
        "patient_count": len(index.patients(split)),
        "slice_count": sum(len(fact["slice_numbers"]) for fact in facts.values()),
        "inference": {
            "engine": predictor.engine.name,
            "flips": predictor.config.flips,
            "context_stride": predictor.recipe.context_stride,
        },
        "weights_sha256": predictor.weights_hash,
        "versions": package_versions(),
    }
