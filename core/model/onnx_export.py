"""``python -m core.onnx_export MODEL``: write ``model.onnx`` beside a model's weights, for prediction on a CPU.

Importing this module imports torch.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from transformers import SegformerForSemanticSegmentation

from core.config import InferenceConfig, InputRecipe
from core.errors import ModelError
from core.model.folder import ONNX, source_hash
from core.model.onnx_engine import INPUT, ONNX_FORMAT, OUTPUT, OnnxEngine, open_session, probabilities
from core.model.segformer import load_model, weights_hash
from core.model.torch_engine import TorchEngine
from core.storage.files import write_whole

OPSET = 20
SAMPLE = 4
"""Slices on which the written network is compared with torch."""
ROUNDING = 1 / 255
"""How far a probability may be off. A class whose lead is no larger may lose it, since each processor rounds in its own way."""


class DeployedSegformer(nn.Module):
    """A SegFormer from 8-bit planes (N, C, S, S) to logits (N, 4, S/4, S/4), with its decode head rearranged.

    The head enlarges four feature maps, joins them, and sends them through a linear layer and a batch norm. All of that is
    linear, and enlarging commutes with what works on each pixel alone: so each map goes through the product of its layers
    at its own small size, is enlarged after that, and the four are added. Same result up to rounding, at a fortieth of the
    head's multiplications. Enlarging is a matrix for each axis; along x, the three are one.
    """

    mean: torch.Tensor
    std: torch.Tensor
    enlarge: torch.Tensor

    def __init__(self, network: SegformerForSemanticSegmentation, recipe: InputRecipe) -> None:
        super().__init__()
        self.encoder, self.side = network.segformer, recipe.image_size // 4
        self.levels = nn.ModuleList(_level_layers(network.decode_head))
        self.classifier = _linear(network.decode_head.classifier.weight[:, :, 0, 0], network.decode_head.classifier.bias)
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(recipe.std).view(1, 3, 1, 1))
        self.sides = [self.side >> level for level in range(1, len(self.levels))]
        self.register_buffer("enlarge", torch.cat([_enlarging(side, self.side) for side in self.sides], dim=1))

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        pixels = (planes.float().div(255) - self.mean) / self.std
        maps = self.encoder(pixels, output_hidden_states=True, return_dict=True).hidden_states
        first, *others = (layer(each.flatten(2).mT) for layer, each in zip(self.levels, maps, strict=True))
        rows = []
        for side, matrix, small in zip(self.sides, torch.split(self.enlarge, self.sides, dim=1), others, strict=True):
            # (N, h·w, C) along y: one product for all columns and channels.
            channels = small.shape[2]
            rows.append((matrix @ small.reshape(-1, side, side * channels)).reshape(-1, self.side, side, channels))
        total = first.unflatten(1, (self.side, self.side)) + self.enlarge @ torch.cat(rows, dim=2)
        logits: torch.Tensor = self.classifier(total.relu()).permute(0, 3, 1, 2)
        return logits


def _enlarging(small: int, large: int) -> torch.Tensor:
    """Matrix (large, small) that enlarges a column as bilinear interpolation does."""
    return functional.interpolate(torch.eye(small)[None], size=large, mode="linear", align_corners=False)[0].T


def _level_layers(head: Any) -> Iterator[nn.Linear]:
    """For each level its projection, its part of the fusing layer and the batch norm, as one layer; double inside."""
    norm, count = head.batch_norm, len(head.linear_projections)
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).double()
    # The head joins the levels from the last to the first.
    parts = head.linear_fuse.weight[:, :, 0, 0].double().chunk(count, dim=1)[::-1]
    for level, (projection, part) in enumerate(zip(head.linear_projections, parts, strict=True)):
        weight = scale[:, None] * (part @ projection.proj.weight.double())
        bias = scale * (part @ projection.proj.bias.double())
        if level == 0:
            bias = bias + norm.bias.double() - norm.running_mean.double() * scale
        yield _linear(weight, bias)


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return layer


def export_onnx(folder: Path) -> Path:
    """Write ``model.onnx`` beside the weights in ``folder``, whole, once it has been found to agree with torch.

    The file says which weights, architecture and recipe it was made from, and is ignored beside others.

    Raises:
        ModelError: the model cannot be loaded, or ONNX Runtime disagrees with torch; an earlier file then stays.
        WorkspaceError: the disk refuses.
    """
    network, recipe = load_model(folder)
    stated = {"format": ONNX_FORMAT, "source_sha256": source_hash(folder), "weights_sha256": weights_hash(network)}
    with _quiet():
        content = _written(DeployedSegformer(network, recipe).eval(), sample_planes(recipe), stated)
    differs = disagreement(content, network, recipe)
    if differs.any():
        todo = "predict with --engine=torch, and report this"
        raise ModelError(f"ONNX Runtime disagrees with torch in {differs.mean():.2%} of the pixels", value=folder, todo=todo)
    write_whole(folder / ONNX, content)
    return folder / ONNX


def _written(model: nn.Module, planes: NDArray[np.uint8], stated: dict[str, str]) -> bytes:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.onnx.export(
        model, (torch.from_numpy(planes),), dynamo=True, opset_version=OPSET, verbose=False,
        input_names=[INPUT], output_names=[OUTPUT], dynamic_shapes={INPUT: {0: batch}},
    )  # fmt: skip
    if program is None:
        raise ModelError("The network could not be written as ONNX", value=type(model).__name__, todo="use --engine=torch")
    program.model.metadata_props.update(stated)
    return bytes(program.model_proto.SerializeToString())


def sample_planes(recipe: InputRecipe) -> NDArray[np.uint8]:
    """Smooth pictures that fill the range of grey values, (`SAMPLE`, C, S, S) uint8, always the same."""
    side, channels = recipe.image_size, 3 if recipe.context_stride else 1
    noise = np.random.default_rng(0).normal(size=(SAMPLE * channels, side, side))
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), 1 + side / 24) for plane in noise])
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    scaled: NDArray[np.uint8] = ((smooth - low) / (high - low) * 255).astype(np.uint8).reshape(SAMPLE, channels, side, side)
    return scaled


def disagreement(content: bytes, network: SegformerForSemanticSegmentation, recipe: InputRecipe) -> NDArray[np.bool_]:
    """The sample's pixels in which ONNX Runtime finds another class than torch, or is less or more sure of it, (N, S, S).

    Where the best two classes are no further apart than `ROUNDING`, either is right.

    Raises:
        ModelError: ONNX Runtime cannot open the network.
    """
    session = open_session(content)
    if session is None:
        raise ModelError("ONNX Runtime cannot open what was exported", value=ONNX, todo="predict with --engine=torch")
    config, planes = InferenceConfig(device="cpu"), sample_planes(recipe)
    ours, theirs = OnnxEngine(session, config).best(planes), TorchEngine(network, recipe, config).best(planes)
    surer = np.abs(ours.certain.astype(int) - theirs.certain) > ROUNDING * 255
    shares = np.stack([probabilities(logits, planes.shape[-1]) for logits in session.run([OUTPUT], {INPUT: planes})[0]])
    second, first = np.sort(shares, axis=1)[:, -2:].swapaxes(0, 1)
    differs: NDArray[np.bool_] = surer | ((ours.labels != theirs.labels) & (first - second > ROUNDING))
    return differs


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the exporter's remarks on libraries that are not needed, and on its own internals."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
