"""What lies in a model's folder: names of its files and its input recipe, read without torch."""

import hashlib
import json
from pathlib import Path

from core.config import InputRecipe
from core.errors import ConfigError, ModelError

WEIGHTS = "model.safetensors"
ARCHITECTURE = "config.json"
RECIPE = "preprocessor_config.json"
ONNX = "model.onnx"


def read_recipe(folder: Path) -> InputRecipe:
    """The input recipe beside a model; the default where a model came without one.

    Raises:
        ModelError: the file is there but not as expected.
    """
    path = folder / RECIPE
    if not path.exists():
        return InputRecipe()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        size, mean, std = content["size"]["height"], content["image_mean"], content["image_std"]
        stride, window = int(content.get("context_stride", 0)), content.get("window", "none")
        return InputRecipe(int(size), (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), stride, window)
    except (ValueError, KeyError, TypeError, IndexError, ConfigError) as error:
        raise ModelError(f"The model's {RECIPE} is not as expected", value=path, todo="export the model again") from error


def source_hash(folder: Path) -> str:
    """SHA-256 over the bytes of architecture, recipe and weights: changes when any of them does.

    Raises:
        OSError: the architecture or the weights are missing.
    """
    digest = hashlib.sha256()
    for name in (ARCHITECTURE, RECIPE, WEIGHTS):
        path = folder / name
        if name == RECIPE and not path.exists():
            continue
        with path.open("rb") as file:
            digest.update(f"{name}:{hashlib.file_digest(file, 'sha256').hexdigest()};".encode())
    return digest.hexdigest()
