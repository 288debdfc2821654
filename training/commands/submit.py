"""``submit``: train or evaluate a run on a Ray cluster."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import Parser
from core.config import ClusterConfig, InferenceConfig, ScoringConfig, changed, pick
from core.errors import ConfigError, JobError
from core.runs.jobs.on_ray import PAUSE_S, connect, submit
from core.runs.jobs.start import TrainingJob, resume_training, start_training
from core.runs.registry import find_run
from core.storage.workspace import Workspace
from training.commands import evaluate
from training.commands.shared import at_home, check_home
from training.run.arguments import find_dataset, read_arguments

if TYPE_CHECKING:
    from ray.job_submission import JobInfo, JobSubmissionClient

COMMANDS = ("fit", "evaluate")


def parser() -> Parser:
    """The options of ``submit`` itself, before the command."""
    made = Parser("python -m training submit [options] fit|evaluate ...", "Train or evaluate a run on a Ray cluster.")
    made.add_class_arguments(ClusterConfig)
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ConfigError: a setting is impossible.
        JobError: Ray is not installed here, the cluster does not answer, or its job failed.
        GutCheckError: whatever is wrong with the words of the command, before anything is handed over.
    """
    place = next((number for number, word in enumerate(argv) if word in COMMANDS), len(argv))
    options, command = parser().read(argv[:place]), list(argv[place:])
    if not command:
        raise ConfigError("submit wants a command", todo=f"use one of: {', '.join(COMMANDS)}")
    cluster = pick(ClusterConfig, options)
    connect(cluster)
    if command[0] == "fit":
        submit_fit(cluster, command[1:])
    else:
        submit_evaluate(cluster, command[1:])


def submit_fit(cluster: ClusterConfig, argv: Sequence[str]) -> None:
    """Queue a run at the cluster; like one that the dashboard queues it outlives whoever did."""
    wanted = read_arguments(argv)
    if wanted.archive is not None:
        todo = "run: python -m training prepare"
        raise ConfigError("A cluster trains on a data set that is there", value=wanted.data, todo=todo)
    name = wanted.paths.root.name
    if wanted.resume:
        resume_training(wanted.workspace, name, cluster=cluster)
    else:
        wanted.source()
        training = wanted.settings.training
        if Path(training.model).is_dir():
            training = replace(training, model=str(Path(training.model).resolve()))
        settings = replace(wanted.settings, training=training)
        job = TrainingJob(wanted.data.resolve(), settings, evaluate=wanted.evaluate, cluster=cluster)
        start_training(wanted.workspace, job, name)
    print(f"Run: {wanted.paths.root}")
    print(f"Its state and log: {wanted.paths.status}, {wanted.paths.log}, and the dashboard's Training page")
    print(f"Stop it after its step: touch {wanted.paths.stop_request}")


def submit_evaluate(cluster: ClusterConfig, argv: Sequence[str]) -> None:
    """Have the cluster evaluate a run, and show what it prints until it ends; Ctrl-C ends the job too."""
    options = evaluate.parser().read(argv)
    workspace = Workspace.locate(options["workspace"])
    run = find_run(workspace, options["run"])
    check_home(run, workspace, stated=True)
    where = {
        "run": at_home(run, workspace).paths.root,
        "data": find_dataset(workspace, options["data"]).resolve(),
        "workspace": workspace.root,
    }
    how = changed(pick(InferenceConfig, options), pick(ScoringConfig, options))
    named: dict[str, Any] = where | how | {"split": options["split"]}
    plain = {key: json.dumps(value) if isinstance(value, list | bool) else value for key, value in named.items()}
    spelt = [*(f"--{key}={value}" for key, value in plain.items()), *(["--json"] if options["json"] else [])]
    client = connect(cluster)
    job = submit(client, cluster, None, "evaluate", json.dumps(asdict(cluster)), *spelt)
    try:
        info = _watched(client, job)
    except KeyboardInterrupt:
        client.stop_job(job)
        raise
    if info.driver_exit_code != 0:
        raise JobError("The evaluation on the cluster failed; its last words are above", value=job, todo="try again")


def _watched(client: "JobSubmissionClient", job: str) -> "JobInfo":
    """Print the job's output as it comes; return how it ended."""
    shown = 0
    while True:
        info = client.get_job_info(job)
        said = client.get_job_logs(job)
        print(said[shown:], end="", flush=True)
        shown = len(said)
        if info.status.is_terminal():
            return info
        time.sleep(PAUSE_S)
