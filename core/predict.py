"""Slices in, label maps and confidence out, at the slices' own size. Importing this module imports torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import SegformerForSemanticSegmentation

from core.config import DatasetConfig, InferenceConfig
from core.data.images import Window, model_window
from core.data.masks import LabelMap
from core.errors import ConfigError
from core.model import load_checkpoint, load_model, weights_hash


class Predictor:
    """A trained SegFormer with its input recipe.

    The same steps serve evaluation, the command line and the demo: window to 8 bits, resize to the network's square
    (bilinear), normalise, predict, upsample the logits to that square (bilinear), take the best class, and resize it
    back to the slice's own size (nearest).
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

    def predict_volume(self, volume: NDArray[Any], window: Window | None = None) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Predict all slices of a scan.

        Args:
            volume: (Z, H, W), uint8 or uint16.
            window: grey window; by default the one of the whole volume (`core.data.images.model_window`).

        Returns:
            Label volume (Z, H, W) uint8, and confidence (Z, H, W) uint8: the softmax probability of the chosen class,
            255 for certainty.
        """
        window = window or model_window(volume)
        labels = np.empty(volume.shape, np.uint8)
        confidence = np.empty(volume.shape, np.uint8)
        for start, label_map, certain in self._batches(volume, window):
            labels[start : start + len(label_map)] = label_map
            confidence[start : start + len(certain)] = certain
        return labels, confidence

    def predict_slice(self, image: NDArray[Any], window: Window | None = None) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Predict one slice, (H, W) uint8 or uint16; see `predict_volume`."""
        labels, confidence = self.predict_volume(image[None], window)
        return labels[0], confidence[0]

    def _batches(self, volume: NDArray[Any], window: Window) -> Iterator[tuple[int, LabelMap, NDArray[np.uint8]]]:
        side, size = self.recipe.image_size, volume.shape[1:]
        for start in range(0, len(volume), self.config.batch_size):
            chunk = volume[start : start + self.config.batch_size]
            planes = [_resize(window.apply(plane), (side, side), cv2.INTER_LINEAR) for plane in chunk]
            labels, certain = self._forward(np.stack(planes))
            yield (
                start,
                np.stack([_resize(p, size, cv2.INTER_NEAREST_EXACT) for p in labels]),
                np.stack([_resize(p, size, cv2.INTER_LINEAR) for p in certain]),
            )

    @torch.inference_mode()
    def _forward(self, planes: NDArray[np.uint8]) -> tuple[LabelMap, NDArray[np.uint8]]:
        pixels = torch.from_numpy(planes).to(self.device).float().div(255).unsqueeze(1)
        logits = self.model(pixel_values=(pixels - self._mean) / self._std).logits
        logits = functional.interpolate(logits.float(), size=planes.shape[1:], mode="bilinear", align_corners=False)
        best = logits.softmax(dim=1).max(dim=1)
        certain = best.values.mul(255).round().to(torch.uint8)
        return best.indices.to(torch.uint8).cpu().numpy(), certain.cpu().numpy()


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
