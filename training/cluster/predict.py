"""Prediction of many scans by Ray Data: a pool of workers that load the model once and keep one scan in memory each."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from core.cli.progress import progress_bar
from core.config import ClusterConfig, InferenceConfig, ScoringConfig
from core.data.index import DatasetIndex, load_index
from core.data.scan import Scan
from core.errors import GutCheckError
from core.runs.registry import Evaluation, Run
from core.storage.partial import PartialOutput
from training.run.evaluate import evaluate_run

BLOCKS_A_WORKER = 16
"""Portions of the scans for each worker: the more, the more evenly they end; the fewer, the less Ray has to do."""


class ScanWorker:
    """One process of the pool."""

    def __init__(self, model: Path, config: InferenceConfig, data: Path, split: str, folder: Path) -> None:
        from core.model.predictor import Predictor

        self.scans = {scan.id: scan for scan in load_index(data).scans(split)}
        self.predictor, self.kept = Predictor.load(model, config), PartialOutput(folder)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Predict the scan that a row names into the evaluation's folder."""
        from core.evaluation.evaluate import predicted

        scan = self.scans[row["scan"]]
        try:
            predicted(self.kept, scan, scan.read_image(), self.predictor)
        except GutCheckError:
            # Whoever asked comes to this scan too, and then says what is wrong with it.
            return row | {"predicted": False}
        return row | {"predicted": True}


def predict_on(
    kept: PartialOutput,
    scans: Sequence[Scan],
    *,
    data: Path,
    split: str,
    model: Path,
    config: InferenceConfig,
    cluster: ClusterConfig,
) -> None:
    """Have the workers of a Ray cluster predict scans into an evaluation's folder, which all of them must see.

    Scans are handed out a few at a time, in any order, and label volumes do not pass through Ray: memory does not grow with
    the set. A scan that was predicted before is left as it is.

    Args:
        data: folder of the data set that the scans are of.
    """
    import ray

    # Its own bar is a dozen lines every ten seconds in a log.
    ray.data.DataContext.get_current().enable_progress_bars = False
    inputs = {"model": model.resolve(), "config": config, "data": data.resolve(), "split": split, "folder": kept.folder}
    with progress_bar("Predicting on the cluster") as progress:
        rows = ray.data.from_items(
            [{"scan": scan.id} for scan in scans], override_num_blocks=min(len(scans), BLOCKS_A_WORKER * cluster.ray_workers)
        ).map(
            ScanWorker,
            fn_constructor_kwargs=inputs,
            compute=ray.data.ActorPoolStrategy(size=min(cluster.ray_workers, len(scans))),
            num_cpus=cluster.cpus_per_worker,
            num_gpus=cluster.gpus_per_worker,
        )
        for done, row in enumerate(rows.iter_rows(), 1):
            progress(done, len(scans), row["scan"])


def evaluate_on(
    cluster: ClusterConfig,
    run: Run,
    index: DatasetIndex,
    split: str,
    config: InferenceConfig,
    scoring: ScoringConfig | None = None,
) -> Evaluation:
    """`training.run.evaluate.evaluate_run`, predicted by the workers of a cluster that this process reaches, and scored here."""
    config = replace(config, threads=config.threads or cluster.cpus_per_worker)
    ahead = partial(predict_on, data=index.root, split=split, model=run.paths.model, config=config, cluster=cluster)
    return evaluate_run(run, index, split, config, scoring, ahead=ahead)
