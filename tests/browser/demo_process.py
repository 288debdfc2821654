"""The demo as its command starts it, with a small random model."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import SegformerForSemanticSegmentation

from core.config import InputRecipe
from core.model.segformer import architecture, save_model
from dashboard.demo.serve import PASSWORD_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


def save_small_model(folder: Path) -> Path:
    """A model of random weights, always the same."""
    torch.manual_seed(0)
    save_model(SegformerForSemanticSegmentation(architecture("b0")), folder, InputRecipe(image_size=64))
    return folder


@dataclass(frozen=True)
class RunningDemo:
    process: subprocess.Popen[str]
    url: str
    model: Path
    temporary: Path
    """Where the process keeps its temporary files."""

    def left(self) -> list[Path]:
        """What is still there of what was uploaded or made from it."""
        return [path for path in self.temporary.rglob("*/*") if path.is_file()]


@contextmanager
def started(model: Path, temporary: Path, *, password: str | None = None) -> Iterator[RunningDemo]:
    """The demo's command, until it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dashboard.demo", "--run", str(model), "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"}
    # And as many threads as here, so that both round alike.
    environment |= {"TMPDIR": str(temporary)} | ({PASSWORD_VARIABLE: password} if password else {})
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=subprocess.STDOUT) as process:
        try:
            _wait_until_ready(process)
            yield RunningDemo(process, f"http://127.0.0.1:{port}/", model, temporary)
        finally:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    """By what it says; a demo that hangs is cut off with the test."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("GutCheck demo: http://127.0.0.1:"):
            return
    raise RuntimeError(f"the demo ended with {process.wait()}")
