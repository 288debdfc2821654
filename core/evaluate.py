"""Predicting a split and writing its evaluation: masks at native size, slice and scan tables, and what they rest on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.index import DatasetIndex, Scan
from core.data.masks import write_label_volume
from core.files import new_folder, sha256_of_array, write_json
from core.metrics.overlap import confusion_per_slice
from core.metrics.tables import frame, macro_dice, scan_rows, slice_rows, summarise
from core.predict import Predictor
from core.progress import Progress, silent
from core.runs import Evaluation, Run, badge_for
from core.versions import package_versions
from core.workspace import EvaluationPaths

FORMAT = "gutcheck-evaluation/1"
CONVENTIONS = {
    "unit": "one scan, as a 3D volume; means are over scans",
    "background": "left out",
    "empty_masks": "both empty: undefined, left out and counted; only one empty: 0, counted as missed or false alarm",
    "size": "native; predictions resized back by nearest neighbour",
}


def evaluate(run: Run, predictor: Predictor, index: DatasetIndex, split: str, *, progress: Progress = silent) -> Evaluation:
    """Predict every scan of a split and write ``evaluations/NAME-SPLIT``, replacing an earlier one when all is done.

    One scan is in memory at a time.

    Raises:
        DatasetError, ImageError, MaskError: the split cannot be read; the earlier evaluation then stays.
        WorkspaceError: the disk refuses.
    """
    scans = index.scans(split)
    paths = run.paths.evaluation(f"{index.name}-{split}")
    slice_table: list[dict[str, Any]] = []
    scan_table: list[dict[str, Any]] = []
    facts: dict[str, dict[str, Any]] = {}
    with new_folder(paths.root, replace=True) as folder:
        for done, scan in enumerate(scans):
            progress(done, len(scans), scan.id)
            image = scan.read_image()
            reference = scan.read_labels(shape=(image.shape[1], image.shape[2]))
            prediction, confidence = predictor.predict_volume(image)
            confusion = confusion_per_slice(reference=reference, prediction=prediction)
            write_label_volume(EvaluationPaths(folder).mask(scan.id), prediction)
            slice_table += slice_rows(scan, confusion, prediction=prediction, confidence=confidence)
            scan_table += scan_rows(scan, confusion)
            facts[scan.id] = _facts(scan, image, reference=reference, prediction=prediction)
        table = frame(scan_table)
        _write_tables(EvaluationPaths(folder), frame(slice_table), table)
        summary = _summary(run, predictor, index, split, table, facts)
        write_json(folder / "evaluation.json", summary)
        progress(len(scans), len(scans), "written")
    return Evaluation(run.name, paths.root.name, paths, summary)


def _write_tables(paths: EvaluationPaths, slices: pd.DataFrame, scans: pd.DataFrame) -> None:
    slices.to_parquet(paths.slices, index=False)
    scans.to_parquet(paths.scans, index=False)


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


def _summary(
    run: Run, predictor: Predictor, index: DatasetIndex, split: str, table: pd.DataFrame, facts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    organs = summarise(table)
    return {
        "format": FORMAT,
        "run": run.name,
        "dataset": {"name": index.name, "root": str(Path(index.root).resolve()), "synthetic": index.manifest.synthetic},
        "split": split,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "leak": badge_for(run.manifest(), index, split).to_json(),
        "organs": organs,
        "macro_dice": macro_dice(organs),
        "scan_count": len(facts),
        "patient_count": len(index.patients(split)),
        "slice_count": sum(len(fact["slice_numbers"]) for fact in facts.values()),
        "conventions": CONVENTIONS,
        "weights_sha256": predictor.weights_hash,
        "versions": package_versions(),
        "scans": facts,
    }
