"""What a Ray job runs on the cluster's head: ``python -m training.cluster fit WORKSPACE RUN`` or ``evaluate CLUSTER WORDS``."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from core.cli.command import run_command
from core.config import ClusterConfig
from core.errors import ConfigError
from core.storage.workspace import Workspace


def main(argv: Sequence[str]) -> None:
    """Run a job.

    Raises:
        GutCheckError: bad input, as one sentence.
    """
    command, *rest = argv or [""]
    if command == "fit" and len(rest) == 2:
        from training.cluster.train import run_job

        workspace = Workspace(Path(rest[0]))
        run_job(workspace, workspace.run(rest[1]))
    elif command == "evaluate" and rest:
        from training.cluster.predict import evaluate_on
        from training.commands import evaluate

        evaluate.main(rest[1:], evaluate=partial(evaluate_on, ClusterConfig(**json.loads(rest[0]))))
    else:
        raise ConfigError("This is for Ray jobs alone", value=" ".join(argv[:3]), todo="use: python -m training submit")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
