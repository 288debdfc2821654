"""A run on a Ray cluster: handed to its Jobs API, followed to its end, stopped there. Ray is imported where it is used."""

import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING

from core.cli.command import BAD_INPUT
from core.config import ClusterConfig
from core.errors import JobError
from core.runs.jobs.ends import record_end
from core.runs.jobs.start import Queued, read_job
from core.runs.status import HEARTBEAT_LIMIT_S, stored_status
from core.storage.locks import runs_locked
from core.storage.workspace import PROJECT_ROOT, RunPaths, Workspace

if TYPE_CHECKING:
    from ray.job_submission import JobInfo, JobSubmissionClient

PAUSE_S = 2.0
"""Between two questions to the Jobs API."""
UNSEEN = "put it on storage that all its machines share, under the same path"


def connect(cluster: ClusterConfig) -> "JobSubmissionClient":
    """A client of the cluster's Jobs API.

    Raises:
        JobError: Ray is not installed here, or nobody answers at the address.
    """
    try:
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise JobError("Ray is not installed here", todo="run: python -m pip install -r requirements-cluster.txt") from error
    try:
        return JobSubmissionClient(cluster.ray_address)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(cluster) from error


def _unreachable(cluster: ClusterConfig) -> JobError:
    return JobError("The Ray cluster does not answer", value=cluster.ray_address, todo="check the address, or start it")


def submit(client: "JobSubmissionClient", cluster: ClusterConfig, name: str | None, *words: str) -> str:
    """Have the cluster's head run ``python -m training.cluster WORDS``; return the job's id.

    Args:
        name: the job's id; by default one that Ray makes up.

    Raises:
        JobError: the cluster refuses.
    """
    environment = {"env_vars": {"PYTHONPATH": _project(cluster)}}
    try:
        return str(client.submit_job(entrypoint=entrypoint(cluster, *words), submission_id=name, runtime_env=environment))
    except (OSError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise JobError(f"The Ray cluster refuses the job ({said[:200]})", todo="look at the cluster's own dashboard") from error


def entrypoint(cluster: ClusterConfig, *words: str) -> str:
    """The shell command of a job; its exit code is that of our command."""
    project = _project(cluster)
    unseen = JobError("The cluster cannot see GutCheck's folder", value=project, todo=UNSEEN)
    command = shlex.join([cluster.ray_python or sys.executable, "-m", "training.cluster", *words])
    return f"cd {shlex.quote(project)} || {{ echo {shlex.quote(str(unseen))}; exit {BAD_INPUT}; }}; exec {command}"


def _project(cluster: ClusterConfig) -> str:
    return cluster.ray_project or str(PROJECT_ROOT)


def follow(workspace: Workspace, run: RunPaths, job: Queued) -> None:
    """Hand a queued run to its cluster, wait for the end, and record it where the run could not.

    Raises:
        JobError: the cluster refuses, or is gone before the run has begun.
    """
    cluster = _cluster(job)
    client = connect(cluster)
    name = submit(client, cluster, job_id(run, job), "fit", str(workspace.root), run.root.name)
    if run.stop_now.exists():
        client.stop_job(name)
    info = _end_of(client, name, run, cluster)
    if info is None:
        return
    log = client.get_job_logs(name)
    with run.output.open("a", encoding="utf-8") as output:
        output.write(log)
    wait_until_still(run)
    code, said = _how(info, log)
    with runs_locked(run.root.parent):
        if read_job(run) == job:  # else somebody has taken it up again already
            record_end(run, code, said=said)


def _end_of(client: "JobSubmissionClient", name: str, run: RunPaths, cluster: ClusterConfig) -> "JobInfo | None":
    """The job when it has ended; nothing where a run at work has outlived the Jobs API: its heartbeat then tells the rest."""
    heard = time.monotonic()
    while True:
        time.sleep(PAUSE_S)
        try:
            info = client.get_job_info(name)
            heard = time.monotonic()
            if info.status.is_terminal():
                return info
        except (OSError, RuntimeError) as error:
            if time.monotonic() - heard < HEARTBEAT_LIMIT_S:
                continue
            if stored_status(run).state == "queued":
                raise _unreachable(cluster) from error
            return None


def _how(info: "JobInfo", log: str) -> tuple[int, str]:
    """Exit code and last words of a job that has ended."""
    if info.driver_exit_code is not None:
        # Ray's line on what it starts may come after what that said.
        said = [line for line in log.strip().splitlines() if not line.startswith("Running entrypoint for job")]
        return info.driver_exit_code, said[-1] if said else ""
    if info.status == "STOPPED":
        return -signal.SIGTERM, ""
    return BAD_INPUT, f"The Ray cluster could not run the job: {info.message or 'no reason given'}"


def job_id(run: RunPaths, job: Queued) -> str:
    """The job's id at the cluster: a run that is resumed is another job."""
    return f"gutcheck-{run.root.name}-{job.queued_at:.0f}"


def stop(run: RunPaths, job: Queued) -> None:
    """Have the cluster end a run's processes at once, and record that.

    Raises:
        JobError: Ray is not installed here, or nobody answers.
    """
    client = connect(_cluster(job))
    try:
        client.stop_job(job_id(run, job))
    except (OSError, RuntimeError):
        # Not handed over yet: the process that is about to looks for the wish to stop. Or ended by itself.
        return
    wait_until_still(run)
    with runs_locked(run.root.parent):
        if read_job(run) == job:
            record_end(run, -signal.SIGTERM)


def _cluster(job: Queued) -> ClusterConfig:
    if job.cluster is None:
        raise JobError("The run is not a cluster's", todo="stop it here")
    return job.cluster


def wait_until_still(run: RunPaths, *, at_most: int = 10) -> None:
    """Wait until nobody writes the run's status any more: its processes outlive the job by a moment."""
    before = None
    for _ in range(at_most):
        now = stored_status(run).heartbeat_at
        if now == before:
            return
        before = now
        time.sleep(PAUSE_S)
