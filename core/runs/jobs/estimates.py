"""Asking how long a run will take: `python -m training estimate` in a process of its own, watched from a page."""

import json
import shutil
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import JobError
from core.runs.jobs.start import TrainingJob, spawn
from core.storage.workspace import Workspace


@dataclass(frozen=True)
class PendingEstimate:
    """An estimate that is being made, or was; its folder goes with it."""

    job: TrainingJob
    """What was asked about."""
    process: "subprocess.Popen[bytes]"
    folder: Path

    def answer(self) -> dict[str, Any] | None:
        """The fields of `training.run.estimate.Estimate`, or ``None`` while the steps are being timed.

        Raises:
            JobError: the steps failed; the sentence is the training's own.
        """
        if self.process.poll() is None:
            return None
        text = (self.folder / "output").read_text(encoding="utf-8", errors="replace").strip()
        last = text.splitlines()[-1] if text else ""
        if self.process.returncode == 0:
            return dict(json.loads(last))
        if self.process.returncode < 0:
            raise JobError("The steps could not be timed: memory ran out", todo="lower batch_size or image_size")
        raise JobError(f"The steps could not be timed ({last.rstrip('.') or 'no word'})", todo="correct the settings")

    def stop(self) -> None:
        """Ask no longer."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def start_estimate(workspace: Workspace, job: TrainingJob) -> PendingEstimate:
    """Begin to time a few steps of a run that is not started.

    Raises:
        JobError: the process cannot be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="gutcheck-estimate-"))
    settings = folder / "config.yaml"
    argv = ("--workspace", str(workspace.root), "--data", str(job.dataset), "--config", str(settings), "--json")
    try:
        settings.write_text(yaml.safe_dump(job.settings.plain()), encoding="utf-8")
        process = spawn([sys.executable, "-m", "training", "estimate", *argv], folder / "output")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise JobError("The steps cannot be timed", todo="check the disk and permissions") from error
    asked = PendingEstimate(job, process, folder)
    weakref.finalize(asked, shutil.rmtree, folder, ignore_errors=True)
    return asked
