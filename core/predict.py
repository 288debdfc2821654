"""Slices in, label maps and confidence out, at the slices' own size. Importing this module imports torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import SegformerForSemanticSegmentation

from core.config import DatasetConfig, InferenceConfig
from core.data.context import neighbours
from core.data.images import Window, model_window
from core.data.masks import LabelMap
from core.errors import ConfigError
from core.model import load_checkpoint, load_model, weights_hash

MIRRORS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
"""Axes of (B, C, H, W) along which a slice is mirrored: none first."""


class Predictor:
    """A trained SegFormer with its input recipe.

    The same steps serve evaluation, the command line and the demo: window to 8 bits, resize to the network's square
    (bilinear), set beside its neighbours if the recipe says so, normalise, predict, upsample the logits to that square
    (bilinear), average over the mirror images if the config says so, take the best class, and resize it back to the
    slice's own size (nearest).
    """

    def __init__(self, model: SegformerForSemanticSegmentation, recipe: DatasetConfig, config: InferenceConfig) -> None:
        self.recipe, self.config = recipe, config
        self.device = choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.model = model.to(self.device).eval()
        self._mean = torch.tensor(recipe.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(recipe.std, device=self.device).view(1, 3, 1, 1)

    @classmethod
    def load(cls, source: Path, config: InferenceConfig | None = None) -> "Predictor":
        """Load a model folder, or a ``.ckpt`` file of this project.

        Raises:
            ModelError: see `core.model.load_model` and `core.model.load_checkpoint`.
        """
        model, recipe = load_checkpoint(source) if source.suffix == ".ckpt" else load_model(source)
        return cls(model, recipe, config or InferenceConfig())

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights, see `core.model.weights_hash`."""
        return weights_hash(self.model)

    def predict_volume(
        self, volume: NDArray[Any], window: Window | None = None, *, numbers: Sequence[int] | None = None
    ) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Predict all slices of a scan.

        Args:
            volume: (Z, H, W), uint8 or uint16.
            window: grey window; by default the one of the whole volume (`core.data.images.model_window`).
            numbers: the slices' numbers, ascending, by which a recipe with context finds neighbours; by default without gaps.

        Returns:
            Label volume (Z, H, W) uint8, and confidence (Z, H, W) uint8: the softmax probability of the chosen class,
            255 for certainty.
        """
        window = window or model_window(volume)
        channels = neighbours(range(len(volume)) if numbers is None else numbers, self.recipe.context_stride)
        return self._predict(volume, window, channels)

    def predict_slice(
        self, image: NDArray[Any], window: Window | None = None, *, between: tuple[NDArray[Any], NDArray[Any]] | None = None
    ) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Predict one slice, (H, W) uint8 or uint16; see `predict_volume`.

        Args:
            between: the slices one context stride before and after it, of the same size; without them a recipe with
                context is shown the slice itself in their place.
        """
        volume = image[None] if between is None else np.stack([between[0], image, between[1]])
        middle = len(volume) // 2
        channels = np.asarray([[0, middle, len(volume) - 1]])
        labels, confidence = self._predict(volume, window or model_window(volume), channels)
        return labels[0], confidence[0]

    def _predict(self, volume: NDArray[Any], window: Window, channels: NDArray[np.intp]) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Predict a slice for each row of ``channels``, (N, 3): positions in the volume of the three channels."""
        size, step = volume.shape[1:], self.config.batch_size
        labels, confidence = (np.empty((len(channels), *size), np.uint8) for _ in range(2))
        for start in range(0, len(channels), step):
            best, certain = self._forward(self.network_input(volume, window, channels[start : start + step]))
            for offset, (label_map, sure) in enumerate(zip(best, certain, strict=True), start):
                labels[offset] = _resize(label_map, size, cv2.INTER_NEAREST_EXACT)
                confidence[offset] = _resize(sure, size, cv2.INTER_LINEAR)
        return labels, confidence

    def network_input(self, volume: NDArray[Any], window: Window, channels: NDArray[np.intp]) -> NDArray[np.uint8]:
        """What the network is shown before normalisation: (N, C, S, S) uint8, one channel where the recipe has no context."""
        wanted = channels if self.recipe.context_stride else channels[:, 1:2]
        square = (self.recipe.image_size, self.recipe.image_size)
        planes = {z: _resize(window.apply(volume[z]), square, cv2.INTER_LINEAR) for z in set(wanted.ravel().tolist())}
        return np.stack([np.stack([planes[z] for z in row]) for row in wanted.tolist()])

    @torch.inference_mode()
    def _forward(self, planes: NDArray[np.uint8]) -> tuple[LabelMap, NDArray[np.uint8]]:
        pixels = (torch.from_numpy(planes).to(self.device).float().div(255) - self._mean) / self._std
        mirrors = MIRRORS if self.config.flips else MIRRORS[:1]
        views = [self._probabilities(pixels.flip(axes)).flip(axes) for axes in mirrors]
        best = torch.stack(views).mean(dim=0).max(dim=1)
        certain = best.values.mul(255).round().to(torch.uint8)
        return best.indices.to(torch.uint8).cpu().numpy(), certain.cpu().numpy()

    def _probabilities(self, pixels: torch.Tensor) -> torch.Tensor:
        logits = self.model(pixel_values=pixels).logits
        return functional.interpolate(logits.float(), size=pixels.shape[2:], mode="bilinear", align_corners=False).softmax(dim=1)


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto`` takes a GPU where there is one.

    Raises:
        ConfigError: unknown, or not available on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name.split(":")[0], False):
        have = ", ".join(["auto", *(kind for kind, there in available.items() if there)])
        raise ConfigError("There is no such device on this machine", value=name, todo=f"use one of: {have}")
    return torch.device(name)


def _resize(plane: NDArray[Any], size: tuple[int, ...], how: int) -> NDArray[np.uint8]:
    if plane.shape == size:
        return plane
    resized: NDArray[np.uint8] = cv2.resize(plane, (size[1], size[0]), interpolation=how)
    return resized
