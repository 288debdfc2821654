"""A run trained by Ray Train: `training.run.fit` in each of its workers, and the job that starts them and tells how it ended."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.command import BAD_INPUT
from core.config import ClusterConfig, InferenceConfig
from core.data.index import load_index
from core.errors import GutCheckError, JobError, WorkspaceError
from core.runs.jobs.ends import record_end
from core.runs.jobs.on_ray import UNSEEN
from core.runs.jobs.start import Queued, read_job
from core.runs.registry import open_run
from core.runs.status import ACTIVE, HEARTBEAT_S, stored_status, write_status
from core.storage.workspace import RunPaths, Workspace
from training.cluster.predict import evaluate_on
from training.run.arguments import read_arguments, train
from training.run.evaluate import table

if TYPE_CHECKING:
    from ray.train import TrainingFailedError

STORAGE = ".ray"
"""What Ray Train itself keeps while a run goes, in the run's folder."""


def run_job(workspace: Workspace, run: RunPaths) -> None:
    """Train a run that was handed to this cluster, evaluate it if that was asked for, and record how it ended.

    Raises:
        GutCheckError: what went wrong, as one sentence.
    """
    check_visible(run)
    job = read_job(run)
    cluster = job.cluster or ClusterConfig()
    try:
        with _heartbeat(run, waiting=_waiting(cluster)):
            _train(cluster, run)
            _evaluate(job, cluster, run)
    except GutCheckError as error:
        record_end(run, BAD_INPUT, said=str(error))
        raise
    finally:
        status = stored_status(run)
        if status.state not in ACTIVE:
            write_status(run, status.of_process(None))


def check_visible(run: RunPaths) -> None:
    """Check that this machine sees the run's folder.

    Raises:
        WorkspaceError: it does not.
    """
    if not run.job.exists():
        raise WorkspaceError("The cluster cannot see the workspace", value=run.root, todo=UNSEEN)


def _waiting(cluster: ClusterConfig) -> str:
    gpus = f" and {cluster.gpus_per_worker} GPU" if cluster.gpus_per_worker else ""
    cores = f"{cluster.cpus_per_worker} core{'s' if cluster.cpus_per_worker > 1 else ''}{gpus}"
    return f"On the Ray cluster: {cluster.ray_workers} worker{'s' if cluster.ray_workers > 1 else ''} with {cores} each."


@contextmanager
def _heartbeat(run: RunPaths, *, waiting: str) -> Iterator[None]:
    """Give signs of life while no training process does: before the first has begun, and while the run is evaluated."""
    ended = threading.Event()

    def beat() -> None:
        while True:
            with suppress(GutCheckError):
                status = stored_status(run)
                if status.state == "queued":
                    write_status(run, replace(status, message=waiting).of_this_process())
                elif status.state not in ACTIVE:
                    write_status(run, status.of_this_process())
            if ended.wait(HEARTBEAT_S):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _train(cluster: ClusterConfig, run: RunPaths) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchTrainer

    resources = {"CPU": float(cluster.cpus_per_worker), "GPU": float(cluster.gpus_per_worker)}
    trainer = TorchTrainer(
        work,
        train_loop_config={"run": str(run.root)},
        scaling_config=ScalingConfig(
            num_workers=cluster.ray_workers, use_gpu=cluster.gpus_per_worker > 0, resources_per_worker=resources
        ),
        # Taken up again by a person, as any other run: what failed once by itself fails again.
        run_config=RunConfig(
            name="train", storage_path=str(run.root / STORAGE), failure_config=FailureConfig(max_preemption_failures=0)
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise _sentence(error) from error
    finally:
        shutil.rmtree(run.root / STORAGE, ignore_errors=True)


def work(settings: dict[str, Any]) -> None:
    """What each worker of Ray Train runs: `training.run.fit.fit` with Ray's ranks and strategy.

    Args:
        settings: the folder of the ``run``, which has its ``job.json``.
    """
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    from training.run.trainer import Launch

    run = RunPaths(Path(settings["run"]))
    check_visible(run)
    train(read_arguments(read_job(run).words), Launch(RayDDPStrategy(), RayLightningEnvironment()))


def _sentence(error: "TrainingFailedError") -> JobError:
    """What failed first, from Ray's account of it, which ends in the error as Python prints it."""
    failures = getattr(error, "worker_failures", {})
    rank, first = min(failures.items(), default=(None, error))
    said = (str(first).strip().splitlines() or ["no word"])[-1]
    where = "" if rank is None else f" in worker {rank}"
    return JobError(f"Training on the cluster failed{where} ({said[:300].rstrip('.')})", todo="see the log")


def _evaluate(job: Queued, cluster: ClusterConfig, run: RunPaths) -> None:
    """Evaluate the validation split by Ray Data if the run was started so, as ``fit`` would."""
    trained, wanted = open_run(run.root), read_arguments(job.words)
    if wanted.evaluate and trained.has_model:
        inference = InferenceConfig(threads=wanted.settings.training.threads)
        print(table(evaluate_on(cluster, trained, load_index(wanted.data), "valid", inference)))
