"""What the tests of core share: tiny data sets and an untrained model, made on the spot."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from core.data.images import write_png
from core.storage.workspace import Workspace

settings.register_profile("seeded", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("seeded")

WritePairs = Callable[..., Path]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("GUTCHECK_DATABASE_URL", raising=False)
    monkeypatch.delenv("GUTCHECK_WORKSPACE", raising=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def write_pairs() -> WritePairs:
    """Write ``images/STEM.png`` and ``masks/STEM.png`` below a folder, seeded by the stem's position."""

    def write(folder: Path, stems: Iterable[str], *, shape: tuple[int, int] = (20, 24), depth: type = np.uint8) -> Path:
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        for position, stem in enumerate(stems):
            draw = np.random.default_rng(position)
            write_png(folder / "images" / f"{stem}.png", draw.integers(0, 250, shape).astype(depth))
            write_png(folder / "masks" / f"{stem}.png", draw.integers(0, 4, shape).astype(np.uint8))
        return folder

    return write


@pytest.fixture
def write_dataset(write_pairs: WritePairs) -> WritePairs:
    """Write a data set that came split, without a ``dataset.json``."""

    def write(root: Path, *, train: Iterable[str], valid: Iterable[str], shape: tuple[int, int] = (20, 24)) -> Path:
        write_pairs(root / "train", train, shape=shape)
        write_pairs(root / "valid", valid, shape=shape)
        return root

    return write
