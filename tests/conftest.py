"""Shared by all tests: one thread, no network, and a tiny data set with a run trained on it."""

import os

# Before anything imports torch, albumentations or transformers: they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two busy processes on two cores slow each other; a number that is asked for stays
os.environ.update(
    NO_ALBUMENTATIONS_UPDATE="1",
    HF_HUB_OFFLINE="1",
    WANDB_MODE="disabled",
)

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.config import InputRecipe, SplitConfig, TrainingConfig
from core.data.images import write_png
from core.data.index import DatasetIndex, load_index
from core.data.prepare.pairs import prepare_pairs
from core.runs.registry import Run, open_run
from core.storage.workspace import Workspace
from tests.browser.small_workspace import small_workspace
from tests.patience import limit_s

ASKED_FOR_ONLY = ("benchmark", "cluster", "long")
"""Markers of tests that run only where ``-m`` names them, as ``make bench``, ``make test-cluster`` and ``make test-long`` do."""
TINY = 64
"""Side of the tiny slices, and of the network's input in tests."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what nobody asked for, and give each test its limit (`tests.patience`)."""
    usual_s = float(config.getini("timeout"))
    left_out = [kind for kind in ASKED_FOR_ONLY if kind not in str(config.option.markexpr)]
    unasked = [item for item in items if any(item.get_closest_marker(kind) for kind in left_out)]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [item for item in items if item not in unasked]
    for item in items:
        item.add_marker(pytest.mark.timeout(limit_s(item, usual_s)), append=False)


def tiny_slice(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture (64, 64) uint8 with a square of each organ, and its label map."""
    mask = np.zeros((TINY, TINY), np.uint8)
    for class_id in (1, 2, 3):
        y, x = random.integers(5, 44, 2)
        mask[y : y + 14, x : x + 14] = class_id
    image = 40 + 60 * mask + random.integers(0, 15, mask.shape)
    return image.astype(np.uint8), mask


def write_pairs(folder: Path, *, patients: int = 4, slices: int = 6, dtype: type = np.uint8) -> Path:
    """``images`` and ``masks`` of ``case1_day0_slice_0001`` and so on; 16-bit pictures have values to 20,000."""
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for patient in range(1, patients + 1):
        for number in range(1, slices + 1):
            image, mask = tiny_slice(random)
            name = f"case{patient}_day0_slice_{number:04d}.png"
            write_png(folder / "images" / name, image.astype(dtype) * (91 if dtype is np.uint16 else 1))
            write_png(folder / "masks" / name, mask)
    return folder


@pytest.fixture(scope="session")
def pairs_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 4 patients with 6 slices each, 64×64."""
    return write_pairs(tmp_path_factory.mktemp("source") / "tiny")


@pytest.fixture(scope="session")
def tiny_index(pairs_source: Path, tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    """A data set of 3 patients to train on and 1 to validate on; not to be changed."""
    root = tmp_path_factory.mktemp("datasets") / "tiny"
    prepare_pairs(pairs_source, root, split=SplitConfig(valid_fraction=0.25), spacing_mm=(3.0, 1.5, 1.5))
    return load_index(root)


@pytest.fixture(scope="session")
def small_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `small_workspace`; not to be changed."""
    root = tmp_path_factory.mktemp("small")
    small_workspace(root)
    return root / "workspace"


@pytest.fixture
def small_copy(small_original: Path, tmp_path: Path) -> Path:
    """The same, for a test to write to."""
    return shutil.copytree(small_original, tmp_path / "workspace")


@pytest.fixture
def own_dataset(pairs_source: Path, tmp_path: Path) -> Path:
    """The same data set, for a test that damages it."""
    root = tmp_path / "own"
    prepare_pairs(pairs_source, root, split=SplitConfig(valid_fraction=0.25))
    return root


@pytest.fixture(scope="session")
def recipe() -> InputRecipe:
    return InputRecipe(image_size=TINY)


@pytest.fixture(scope="session")
def tiny_training() -> TrainingConfig:
    """One epoch of the smallest network, loaded in the training process, without the export that takes longer than that."""
    return TrainingConfig(
        model="b0", epochs=1, batch_size=6, learning_rate=1e-3, workers=0, accelerator="cpu", threads=1, onnx=False
    )


@pytest.fixture(scope="session")
def tiny_run(
    tiny_index: DatasetIndex, tiny_training: TrainingConfig, recipe: InputRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A finished run of two epochs in a workspace of its own; not to be changed."""
    from training.run.fit import fit

    paths = Workspace(tmp_path_factory.mktemp("workspace")).run("tiny")
    fit(tiny_index, paths, replace(tiny_training, epochs=2), recipe)
    return open_run(paths.root)


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    """A test that predicts or trains with other threads leaves torch's number to none that comes after it."""
    yield
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture
def damage() -> Callable[[Path], Path]:
    """Cuts a file off in its middle."""

    def cut(path: Path) -> Path:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    return cut


cv2.setNumThreads(1)
