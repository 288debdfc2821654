"""The embedded demo: a workspace of phantoms with the small run that the repository carries, evaluated on this machine.

``python -m core.demo FOLDER`` makes it, one step after the other, and writes its progress to ``FOLDER/demo.json``. A step
whose result stands is not done again, so that a second start takes no time and a killed one goes on.
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from core.cli.progress import ReportProgress
from core.config import InferenceConfig, PhantomConfig, SplitConfig
from core.data.prepare.phantoms import prepare_phantom
from core.errors import GutCheckError, WorkspaceError
from core.runs.library import copy_demo_run
from core.runs.registry import open_run
from core.storage.files import read_json, write_json
from core.storage.locks import locked
from core.storage.processes import ProcessIdentity, stated_process
from core.storage.workspace import DEMO_NAME, PROJECT_ROOT, Workspace

DATASET = "demo-phantoms"
RUN = DEMO_NAME
SPLIT = "valid"
MAKING = "Making synthetic patients"
SCORING = "Predicting and scoring scans"
PHANTOMS = PhantomConfig(patients=6, slices=36)
HALVES = SplitConfig(valid_fraction=0.5)
"""Half of the patients to look at, the other half to start a quick training on."""


@dataclass(frozen=True)
class DemoState:
    """``demo.json``: how far the demo is."""

    state: Literal["absent", "preparing", "ready", "failed"]
    step: str = ""
    """What is being done, for people."""
    done: int = 0
    total: int = 0
    message: str = ""
    """On a failure, the reason in one sentence."""
    pid: int | None = None
    process: ProcessIdentity | None = None
    """Whoever prepares it; older files have only ``pid``."""


def default_folder() -> Path:
    """Where the demo's workspace lies: beside the place where a workspace of one's own would."""
    return Path("workspace-demo").resolve()


def demo_state(workspace: Workspace) -> DemoState:
    """How far the demo in this workspace is; ``absent`` where the workspace is none.

    A preparation whose process is gone counts as failed.
    """
    try:
        state = DemoState(**read_json(workspace.root / "demo.json"))
        process = stated_process(state.process, state.pid)
    except (WorkspaceError, TypeError):
        return DemoState("absent")
    state = replace(state, process=process)
    if state.state == "preparing" and (process is None or not process.lives()):
        return replace(state, state="failed", message="Preparing the demo was cut off; start the dashboard again to go on.")
    return state


def start_demo(workspace: Workspace) -> None:
    """Begin to make the demo in a process of its own, unless it stands or is being made.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    with locked(workspace.root / ".demo.lock"):
        if demo_state(workspace).state in ("ready", "preparing"):
            return
        # Until the process is there it is this one that prepares: should it die, nobody waits for ever.
        _write(workspace, DemoState("preparing", "Starting", process=ProcessIdentity.own()))
        with (workspace.root / "demo.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.demo", str(workspace.root)], cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )  # fmt: skip
        _write(workspace, DemoState("preparing", "Starting", process=ProcessIdentity.of(process.pid)))
    # A child that ended but was not waited for keeps its process id, and would count as preparing for ever.
    threading.Thread(target=process.wait, daemon=True).start()


def make_demo(workspace: Workspace, report: Callable[[DemoState], None]) -> None:
    """Make what is missing of the demo, and report each step.

    Raises:
        GutCheckError: a step failed; what stood before still stands.
    """
    if not workspace.dataset(DATASET).exists():
        report(DemoState("preparing", MAKING))
        # Two cores: phantoms on one, and on the other torch's import and the compilation of the scores' loops.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            made = pool.submit(_make_phantoms, workspace, ProcessIdentity.own())
            _get_ready()
            made.result()
    copy_demo_run(workspace)
    if not workspace.run(RUN).evaluation(f"{DATASET}-{SPLIT}").summary.exists():
        _evaluate(workspace, lambda done, total, _: report(DemoState("preparing", SCORING, done, total)))
    report(DemoState("ready"))


def _make_phantoms(workspace: Workspace, process: ProcessIdentity) -> None:
    prepare_phantom(
        workspace.dataset(DATASET),
        config=PHANTOMS,
        split=HALVES,
        progress=lambda done, total, _: _write(workspace, DemoState("preparing", MAKING, done, total, process=process)),
    )


def _get_ready() -> None:
    """Import what scoring needs, and have numba compile it; nothing is kept."""
    import core.evaluation.evaluate  # noqa: F401
    from core.metrics.surface import surface_scores
    from core.metrics.volume_pair import VolumePair

    voxel = np.zeros((3, 3, 3), np.uint8)
    voxel[1, 1, 1] = 1
    surface_scores(VolumePair.of(reference=voxel, prediction=voxel), spacing_mm=(1.0, 1.0, 1.0))


def _evaluate(workspace: Workspace, progress: ReportProgress) -> None:
    progress(0, 0, "")
    # Torch takes seconds to import, and the pages that ask for the state of the demo must not pay for it.
    from core.data.index import load_index
    from core.evaluation.evaluate import evaluate
    from core.model.predictor import Predictor

    run = open_run(workspace.run(RUN).root)
    predictor = Predictor.load(run.paths.model, InferenceConfig())
    evaluate(run, predictor, load_index(workspace.dataset(DATASET)), SPLIT, progress=progress)


def _write(workspace: Workspace, state: DemoState) -> None:
    write_json(workspace.root / "demo.json", asdict(state))


def main(folder: str) -> None:
    """Make the demo in ``folder``; a failure is written to its state and raised again."""
    workspace = Workspace(Path(folder).resolve())
    process = ProcessIdentity.own()
    try:
        make_demo(workspace, lambda state: _write(workspace, replace(state, process=process)))
    except GutCheckError as error:
        _write(workspace, DemoState("failed", message=str(error)))
        raise
