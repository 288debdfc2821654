"""Which versions produced something: recorded with every run and evaluation."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "torch",
    "transformers",
    "pytorch-lightning",
    "torchmetrics",
    "albumentations",
    "opencv-python",
    "numpy",
    "numba",
    "onnxruntime",
    "pandas",
)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a number depends on; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit that the code stands at, with ``+changes`` where files differ; ``None`` outside a repository."""
    folder = Path(__file__).parent
    try:
        commit = _git("rev-parse", "HEAD", folder=folder)
        return f"{commit}+changes" if _git("status", "--porcelain", folder=folder) else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str, folder: Path) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
