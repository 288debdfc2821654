"""A workspace with two scans whose predictions are known: the reference, moved and worn away. No network is run."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from core.config import InferenceConfig, InputRecipe, SplitConfig
from core.data.grid import Grid
from core.data.images import write_png
from core.data.index import load_index
from core.data.manifest import DatasetManifest, ScanInfo
from core.data.prepare.pairs import prepare_pairs
from core.evaluation.evaluate import evaluate
from core.metrics.confidence import Confidence
from core.model.predictor import ScanPrediction
from core.runs.registry import Evaluation, Run, open_run
from core.storage.files import write_json
from core.storage.workspace import Workspace

DEPTH, HEIGHT, WIDTH = 12, 48, 64
FIRST_SLICE = 5
"""Slice numbers are not positions: the tests would not see them mixed up otherwise."""
SCANS = ("case2_day0", "case2_day7")
RUN = "stub"


class ShiftedReference:
    """Stands for a network: predicts the reference of the scans in order, two voxels to the right, one organ missed."""

    weights_hash = "0" * 64
    config, recipe = InferenceConfig(), InputRecipe()
    engine = SimpleNamespace(name="stub")

    def __init__(self, references: list[NDArray[np.uint8]], missed: int = 3) -> None:
        self.references = iter(references)
        self.missed = missed

    def identity(self) -> dict[str, str]:
        return {"weights": self.weights_hash}

    def predict_scan(self, volume: NDArray[np.generic], **_: object) -> ScanPrediction:
        prediction = np.roll(next(self.references), 2, axis=2)
        half = len(prediction) // 2
        prediction[:half][prediction[:half] == self.missed] = 0
        certain = np.full(prediction.shape, 200, np.uint8)
        return ScanPrediction(prediction, certain, Confidence.of(prediction, certain, np.zeros((len(prediction), 4), np.float32)))


def small_volume(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image with every grey value and label map with all organs on the middle slices."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (DEPTH, HEIGHT, WIDTH)).astype(np.uint8)
    labels = np.zeros(image.shape, np.uint8)
    for z in range(2, DEPTH - 2):
        labels[z, 6 : 18 + z, 8:22] = 1
        labels[z, 10:30, 26:40] = 2
        labels[z, 20 : 30 + z, 44:58] = 3
    return image, labels


def write_source(folder: Path, scans: Sequence[str] = SCANS) -> Path:
    """Pictures of one patient to train on and of ``scans``, of another, to validate on."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for seed, scan in enumerate(("case1_day0", *scans)):
        image, labels = small_volume(seed)
        for z in range(DEPTH):
            name = f"{scan}_slice_{FIRST_SLICE + z:04d}.png"
            write_png(folder / "images" / name, image[z])
            write_png(folder / "masks" / name, labels[z])
    return folder


def stub_run(workspace: Workspace) -> Run:
    """A run that was never trained, with the manifest that a leak badge needs."""
    write_json(workspace.run(RUN).manifest, {"splits": {"train": {"patients": ["case1"]}}})
    return open_run(workspace.run(RUN).root)


def evaluate_stub(workspace: Workspace, dataset: Path) -> Evaluation:
    """Evaluate the validation split of ``dataset`` with `ShiftedReference`."""
    index = load_index(dataset)
    stub = ShiftedReference([scan.read_labels() for scan in index.scans("valid")])
    return evaluate(stub_run(workspace), stub, index, "valid")  # type: ignore[arg-type]


def small_workspace(root: Path, scans: Sequence[str] = SCANS) -> Evaluation:
    """Build it all below ``root``; the workspace is ``root/workspace``."""
    workspace = Workspace(root / "workspace")
    source = write_source(root / "source", scans)
    split = SplitConfig(valid_patients=("case2",))
    dataset = prepare_pairs(source, workspace.dataset("small"), split=split, spacing_mm=(3.0, 2.0, 1.0)).root
    return evaluate_stub(workspace, dataset)


def server_command(port: int) -> list[str]:
    """Serves `viewer_server.py` for the workspace that the environment names."""
    return [sys.executable, "-m", "uvicorn", "tests.browser.viewer_server:app", "--port", str(port), "--log-level", "warning"]


def server_environment(workspace: Path) -> dict[str, str]:
    return os.environ | {
        "GUTCHECK_WORKSPACE": str(workspace),
        "STREAMLIT_SERVER_HEADLESS": "true",
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none",
    }


STACKS = {"case5_day0": "IPL", "case5_day1": "PIL", "case6_day0": "LIP", "case7_day0": None}
"""Scans without a reference, and where their slices, rows and columns lead; nobody knows of the last, which has a gap too."""
LEADS = {"L": (1, 0, 0), "P": (0, 1, 0), "I": (0, 0, -1)}


def unlabelled_dataset(workspace: Workspace, name: str = "open") -> Path:
    """A data set of scans without a reference, `STACKS`, and nothing else."""
    root = workspace.dataset(name)
    (root / "unlabelled" / "images").mkdir(parents=True)
    infos = {}
    for seed, (scan, orientation) in enumerate(STACKS.items()):
        for z, plane in enumerate(small_volume(seed)[0]):
            if orientation or z != 3:
                write_png(root / "unlabelled" / "images" / f"{scan}_slice_{FIRST_SLICE + z:04d}.png", plane)
        matrix = np.eye(4)
        for axis, (letter, step) in enumerate(zip(orientation or "", (3.0, 2.0, 1.0), strict=False)):
            matrix[:3, axis] = step * np.array(LEADS[letter])
        infos[scan] = ScanInfo(affine=Grid.of(matrix).affine if orientation else None)
    write_json(root / "dataset.json", DatasetManifest(name, scans=infos).to_json())
    return root
