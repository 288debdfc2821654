"""Building, saving and loading a SegFormer, b0 to b5. Importing this module imports torch."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi
from transformers import SegformerConfig, SegformerForSemanticSegmentation
from transformers.utils import logging as transformers_logging

from core.config import InputRecipe
from core.errors import ConfigError, ModelError
from core.labels import CLASSES, NUM_CLASSES
from core.model.folder import ARCHITECTURE, RECIPE, WEIGHTS, read_recipe
from core.storage.workspace import model_folder

HUB_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class SizeTable:
    """One of the sizes published with SegFormer (Xie et al. 2021, table 6)."""

    hidden_sizes: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    decoder_hidden_size: int
    hub_id: str


SIZES = {
    "b0": SizeTable((32, 64, 160, 256), (2, 2, 2, 2), 256, "nvidia/segformer-b0-finetuned-ade-512-512"),
    "b1": SizeTable((64, 128, 320, 512), (2, 2, 2, 2), 256, "nvidia/segformer-b1-finetuned-ade-512-512"),
    "b2": SizeTable((64, 128, 320, 512), (3, 4, 6, 3), 768, "nvidia/segformer-b2-finetuned-ade-512-512"),
    "b3": SizeTable((64, 128, 320, 512), (3, 4, 18, 3), 768, "nvidia/segformer-b3-finetuned-ade-512-512"),
    "b4": SizeTable((64, 128, 320, 512), (3, 8, 27, 3), 768, "nvidia/segformer-b4-finetuned-ade-512-512"),
    "b5": SizeTable((64, 128, 320, 512), (3, 6, 40, 3), 768, "nvidia/segformer-b5-finetuned-ade-640-640"),
}


def build_model(name: str, *, notify: Callable[[str], None] = print) -> SegformerForSemanticSegmentation:
    """A SegFormer with one output per class, to be trained.

    Args:
        name: ``b0`` to ``b5``, ``demo`` for the embedded one, a hub id, or a local folder that `save_model` or
            ``save_pretrained`` wrote.
        notify: told in one line where the weights came from.

    Pretrained weights come from the local cache or the hub. Where neither can be had, a name that tells the size is
    built from its published sizes with random weights, and `notify` is told so.

    Raises:
        ModelError: a local folder that holds no usable model, or an unknown name that cannot be fetched.
    """
    name = model_folder(name)
    if os.path.isdir(name):
        model, _ = load_model(Path(name))
        notify(f"Weights: from the folder {name}.")
        return model
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError("The model's folder does not exist", value=name, todo="check the path, or use b0 to b5")
    size = _size_in(name)
    try:
        model = _pretrained(SIZES[name].hub_id if name in SIZES else name)
    except (OSError, ValueError) as error:
        if size is None:
            todo = "use b0 to b5, a local folder, or connect to the network"
            raise ModelError("The model is neither here nor can it be fetched", value=name, todo=todo) from error
        notify(f"Weights: random. No pretrained weights of {name} here and no network; built {size} from its published sizes.")
        return SegformerForSemanticSegmentation(architecture(size))
    notify(f"Weights: pretrained, {name}.")
    return model


def architecture(size: str) -> SegformerConfig:
    """The configuration of a published size with this project's classes.

    Raises:
        ConfigError: the size is not b0 to b5.
    """
    if size not in SIZES:
        raise ConfigError("There is no such SegFormer size", value=size, todo="use b0 to b5")
    table = SIZES[size]
    return SegformerConfig(
        hidden_sizes=list(table.hidden_sizes),
        depths=list(table.depths),
        decoder_hidden_size=table.decoder_hidden_size,
        **_labels(),
    )


def _labels() -> dict[str, Any]:
    return {"id2label": {c.id: c.name for c in CLASSES}, "label2id": {c.name: c.id for c in CLASSES}}


def _size_in(name: str) -> str | None:
    match = re.fullmatch(r"(?:.*(?:segformer|mit)-)?(b[0-5])(?:-.*)?", name)
    return match.group(1) if match else None


def _pretrained(hub_id: str) -> SegformerForSemanticSegmentation:
    options: dict[str, Any] = {"ignore_mismatched_sizes": True, "dtype": torch.float32, **_labels()}
    with _quiet():
        try:
            return SegformerForSemanticSegmentation.from_pretrained(hub_id, local_files_only=True, **options)
        except OSError:
            _check_reachable(hub_id)
            return SegformerForSemanticSegmentation.from_pretrained(hub_id, **options)


def _check_reachable(hub_id: str) -> None:
    """Ask the hub once: without a network the download itself would try again for half a minute.

    Raises:
        OSError: no answer, or no such model.
    """
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise OSError("the hub is switched off by HF_HUB_OFFLINE")
    try:
        HfApi().model_info(hub_id, timeout=HUB_TIMEOUT_S)
    except Exception as error:  # the client's transport errors share no base with OSError
        raise OSError(f"the hub cannot be reached ({type(error).__name__})") from error


class _quiet:
    """Hold back transformers' report of the classifier that is new by design, and its bars for a second's work."""

    def __enter__(self) -> None:
        self.level, self.bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        transformers_logging.set_verbosity(self.level)
        if self.bars:
            transformers_logging.enable_progress_bar()


def save_model(model: SegformerForSemanticSegmentation, folder: Path, recipe: InputRecipe, *, half: bool = False) -> None:
    """Write ``config.json``, ``model.safetensors`` and ``preprocessor_config.json`` (how to bring a slice to the network).

    Args:
        half: store the weights in half precision, for a small file; they are loaded as single precision again.
    """
    state = {key: value.half() if half and value.is_floating_point() else value for key, value in model.state_dict().items()}
    with _quiet():
        model.save_pretrained(folder, state_dict=state)
    content = {
        "image_processor_type": "SegformerImageProcessor",
        "do_resize": True,
        "size": {"height": recipe.image_size, "width": recipe.image_size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(recipe.mean),
        "image_std": list(recipe.std),
        "do_reduce_labels": False,
        "context_stride": recipe.context_stride,
        "window": recipe.window,
    }
    # Written for its owner alone by default, while colleagues share a workspace.
    (folder / WEIGHTS).chmod(0o644)
    (folder / RECIPE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_model(folder: Path) -> tuple[SegformerForSemanticSegmentation, InputRecipe]:
    """Load what `save_model` wrote, in single precision and evaluation mode, with its input recipe.

    Raises:
        ModelError: a file is missing or damaged, weights are not safetensors, or the classes differ.
    """
    for name in (ARCHITECTURE, WEIGHTS):
        if not (folder / name).is_file():
            todo = "give a folder with config.json and model.safetensors, or train first"
            raise ModelError(f"The model's {name} is missing", value=folder, todo=todo)
    try:
        with _quiet():
            model, report = SegformerForSemanticSegmentation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # a damaged config.json or weight file raises many kinds in transformers and safetensors
        todo = "export the model again; only safetensors are loaded"
        raise ModelError("The model cannot be loaded", value=folder, todo=todo) from error
    if report["missing_keys"]:
        # transformers fills what is missing with random numbers; predictions would be nonsense without a word.
        what = f"The model lacks {len(report['missing_keys'])} of its weights, such as {min(report['missing_keys'])}"
        raise ModelError(what, value=folder, todo="export or copy it again")
    _check_classes(model, folder)
    return model.eval(), read_recipe(folder)


def _check_classes(model: SegformerForSemanticSegmentation, source: Path) -> None:
    if model.config.num_labels != NUM_CLASSES:
        todo = f"use one with the {NUM_CLASSES} classes of this project"
        raise ModelError(f"The model has {model.config.num_labels} classes", value=source, todo=todo)


def checkpoint_content(model: SegformerForSemanticSegmentation, recipe: InputRecipe) -> dict[str, Any]:
    """What a training checkpoint must hold beside the weights so that `load_checkpoint` can read it; primitives only."""
    return {"architecture": json.loads(model.config.to_json_string(use_diff=False)), "recipe": asdict(recipe)}


def load_checkpoint(path: Path) -> tuple[SegformerForSemanticSegmentation, InputRecipe]:
    """Load a Lightning checkpoint of this project (``weights_only=True``), in evaluation mode, with its input recipe.

    Raises:
        ModelError: missing, holds objects that would have to be unpickled, or is not one of this project's.
    """
    content = read_checkpoint(path)
    try:
        hyper = content["hyper_parameters"]
        stated = hyper["recipe"]
        # Checkpoints of earlier versions lack what came later.
        added = {name: stated[name] for name in ("context_stride", "window") if name in stated}
        recipe = InputRecipe(int(stated["image_size"]), tuple(stated["mean"]), tuple(stated["std"]), **added)
        model = SegformerForSemanticSegmentation(SegformerConfig.from_dict(hyper["architecture"]))
        prefix = "network."
        weights = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
        model.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ConfigError) as error:
        todo = "use a checkpoint that `python -m training fit` wrote"
        raise ModelError("The checkpoint is not one of this project", value=path, todo=todo) from error
    _check_classes(model, path)
    return model.eval(), recipe


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a ``.ckpt`` file, read without unpickling objects.

    Raises:
        ModelError: missing, or not readable that way.
    """
    if not path.is_file():
        raise ModelError("The checkpoint does not exist", value=path, todo="check the path, or train first")
    try:
        with warnings.catch_warnings():
            # torch remarks on pickles of other protocols; the sentence below says what a person needs.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds here, down to UnicodeDecodeError
        todo = "use a checkpoint that `python -m training fit` wrote; files that need unpickling can run code and are refused"
        raise ModelError("The checkpoint is damaged or a pickle, and is not loaded", value=path, todo=todo) from error
    if not isinstance(content, dict):
        raise ModelError("The checkpoint holds no weights", value=path, todo="use one that `fit` wrote")
    return content


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 over the names and single-precision bytes of all weights: says which model made a prediction."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
