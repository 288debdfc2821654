"""The compiled loops against scipy and numpy: search and transform, and the code that keeps them compiled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from core.metrics import surface_kernels
from tests.patience import WAIT_S

ROOT = Path(__file__).parents[3]


def points(mask: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.argwhere(mask), np.int16)


def masks(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two random masks, from almost empty to dense, and a spacing."""
    draw = np.random.default_rng(seed)
    shape = draw.integers(1, 15, 3)
    a, b = (draw.random(shape) < draw.choice([0.01, 0.1, 0.6]) for _ in range(2))
    a.flat[draw.integers(a.size)] = b.flat[draw.integers(b.size)] = True
    return a, b, draw.uniform(0.2, 4.0, 3)


@pytest.mark.parametrize("seed", range(60))
def test_nearest_agrees_with_scipy(seed: int) -> None:
    a, b, spacing = masks(seed)
    expected = ndimage.distance_transform_edt(~b, sampling=spacing)[a]
    np.testing.assert_allclose(surface_kernels.nearest(points(a), points(b), spacing), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_the_transform_agrees_with_scipy_in_every_voxel(seed: int) -> None:
    _, b, spacing = masks(seed)
    everywhere = points(np.ones_like(b))
    low, shape = surface_kernels.box_of(everywhere, points(b))
    gaps, filled = surface_kernels.gaps_along_rows(points(b), low, shape)
    found = np.sqrt(surface_kernels.distance_transform(gaps, filled, spacing))
    np.testing.assert_allclose(found, ndimage.distance_transform_edt(~b, sampling=spacing), rtol=0, atol=1e-9)


def test_a_search_that_takes_too_long_goes_over_to_the_transform() -> None:
    """All voxels of a block against one in its corner: far more rows than the limit."""
    block = np.ones((30, 40, 50), bool)
    corner = np.zeros_like(block)
    corner[0, 0, 0] = True
    expected = ndimage.distance_transform_edt(~corner, sampling=(3.0, 1.5, 1.5)).ravel()
    found = surface_kernels.nearest(points(block), points(corner), np.array([3.0, 1.5, 1.5]))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_gaps_along_rows_by_hand() -> None:
    row = np.zeros((1, 2, 9), bool)
    row[0, 1, [2, 6]] = True
    gaps, filled = surface_kernels.gaps_along_rows(points(row), np.zeros(3, np.int64), np.array(row.shape))
    assert filled.tolist() == [[False, True]]
    assert gaps[0, 1].tolist() == [2, 1, 0, 1, 2, 1, 0, 1, 2]


PROGRAM = """
import numpy as np
from core.metrics import surface_kernels as kernels
one = np.zeros((1, 3), np.int16)
kernels.box_of(one, one)
print(sum(kernels.box_of.stats.cache_hits.values()), kernels.box_of.stats.cache_path)
"""


def run_in_copy(folder: Path, **environment: str) -> tuple[int, str]:
    """How often a fresh process over a copy of the package found one loop compiled, and the folder it is kept in."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")} | environment
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, env=env, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    hits, kept = done.stdout.split()
    return int(hits), kept


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The project's core in a folder where nothing was compiled yet."""
    ignore = shutil.ignore_patterns("__pycache__", "run")
    shutil.copytree(ROOT / "core", tmp_path / "project" / "core", ignore=ignore)
    return tmp_path / "project"


@pytest.mark.slow
def test_the_second_process_compiles_nothing(copied: Path) -> None:
    beside = str(copied / "core" / "metrics" / "__pycache__")
    assert run_in_copy(copied) == (0, beside)
    assert run_in_copy(copied) == (1, beside)


@pytest.mark.slow
def test_a_package_that_cannot_be_written_is_compiled_into_the_user_s_cache(copied: Path, tmp_path: Path) -> None:
    _block_cache(copied)
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    hits, kept = run_in_copy(copied, **home)
    assert hits == 0
    assert kept.startswith(str(tmp_path / "cache" / "numba"))
    assert run_in_copy(copied, **home) == (1, kept)


@pytest.mark.slow
def test_without_any_folder_to_write_it_still_works(copied: Path, tmp_path: Path) -> None:
    _block_cache(copied)
    (tmp_path / "file").touch()
    home = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": str(tmp_path / "file")}
    assert run_in_copy(copied, **home) == (0, "None")


def _block_cache(project: Path) -> None:
    """A file where the cache folder would be: nobody can write there, root neither."""
    (project / "core" / "metrics" / "__pycache__").touch()
