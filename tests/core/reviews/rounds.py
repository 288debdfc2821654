"""A data set of three patients with small whole scans, and evaluations whose predicted masks are given by the test."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.config import ScoringConfig, SplitConfig
from core.data.images import write_png
from core.data.index import DatasetIndex, load_index
from core.data.leakage import leak_badge
from core.data.masks import write_label_volume
from core.data.prepare.pairs import prepare_pairs
from core.evaluation.score_set import ScoreSet
from core.reviews.store.events import Subject
from core.runs.registry import Evaluation, open_run
from core.storage.files import sha256_of_array, write_json
from core.storage.workspace import Workspace

SHAPE = (4, 40, 48)
TRAIN, VALID = ("case1_day0",), ("case2_day0", "case2_day7", "case3_day0")
Volumes = Mapping[str, NDArray[np.uint8]]


def labels(width: int = 20) -> NDArray[np.uint8]:
    """(4, 40, 48): three organs, the stomach ``width`` voxels wide, so 10·width·4 in all."""
    volume = np.zeros(SHAPE, np.uint8)
    volume[:, 4:14, 4 : 4 + width] = 1
    volume[:, 18:26, 6:26] = 2
    volume[:, 28:36, 20:40] = 3
    return volume


def make_dataset(folder: Path) -> DatasetIndex:
    """One patient to train on, two to validate on, with three scans."""
    source = folder / "source"
    for kind in ("images", "masks"):
        (source / kind).mkdir(parents=True)
    for seed, scan in enumerate((*TRAIN, *VALID)):
        pictures = np.random.default_rng(seed).integers(0, 250, SHAPE).astype(np.uint8)
        for number, (image, mask) in enumerate(zip(pictures, labels(), strict=True), start=1):
            write_png(source / "images" / f"{scan}_slice_{number:04d}.png", image)
            write_png(source / "masks" / f"{scan}_slice_{number:04d}.png", mask)
    root = folder / "small"
    prepare_pairs(source, root, split=SplitConfig(valid_patients=("case2", "case3")), spacing_mm=(3.0, 1.5, 1.5))
    return load_index(root)


def make_evaluation(workspace: Workspace, index: DatasetIndex, run: str, masks: Volumes) -> Evaluation:
    """An evaluation of the validation scans as `core.evaluation.evaluate` writes it; a scan without a given mask gets its
    reference."""
    paths = workspace.run(run).evaluation(f"{index.name}-valid")
    badge = leak_badge({"case1"}, index.patients("valid"))
    scores = ScoreSet(leak=badge.text, config=ScoringConfig())
    facts = {}
    for scan in index.scans("valid"):
        prediction, reference = masks.get(scan.id, labels()), scan.read_labels()
        write_label_volume(paths.mask(scan.id), prediction)
        scores.add(scan, reference=reference, prediction=prediction)
        facts[scan.id] = {
            "patient": scan.patient,
            "slice_numbers": [each.name.number for each in scan.slices],
            "size": list(reference.shape[1:]),
            "spacing_mm": scan.info.spacing_mm,
            "native_size": scan.info.native_size,
            "image_sha256": sha256_of_array(scan.read_image()),
            "reference_sha256": sha256_of_array(reference),
            "prediction_sha256": sha256_of_array(prediction),
        }
    scores.slices().to_parquet(paths.slices, index=False)
    scores.scans().to_parquet(paths.scans, index=False)
    scores.errors().to_parquet(paths.errors, index=False)
    dataset = {"name": index.name, "root": str(index.root), "synthetic": True}
    provenance = {"run": run, "dataset": dataset, "split": "valid", "created_at": "2026-01-01T00:00:00+00:00"}
    counts = {"scan_count": len(facts), "patient_count": len(index.patients("valid")), "slice_count": 4 * len(facts)}
    write_json(paths.summary, provenance | counts | {"leak": badge.to_json()} | scores.summary() | {"scans": facts})
    return open_run(workspace.run(run).root).evaluation(paths.root.name)


def subject_of(evaluation: Evaluation, scan: str) -> Subject:
    facts = evaluation.scan_facts(scan)
    return Subject(evaluation.run, evaluation.name, scan, facts["image_sha256"], facts["prediction_sha256"])
