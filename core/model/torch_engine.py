"""Prediction by torch, on a GPU or a CPU. Importing this module imports torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from core.config import InferenceConfig, InputRecipe
from core.errors import ConfigError
from core.metrics.confidence import MIRRORS, NetworkOutput, mirror_pairs
from core.model.segformer import weights_hash


class TorchEngine:
    """A SegFormer in torch: what the network is shown in, best classes and their probability out."""

    name = "torch"

    def __init__(self, model: torch.nn.Module, recipe: InputRecipe, config: InferenceConfig) -> None:
        self.config, self.device = config, choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.model = model.to(self.device).eval()
        self._mean = torch.tensor(recipe.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(recipe.std, device=self.device).view(1, 3, 1, 1)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights, see `core.model.segformer.weights_hash`."""
        return weights_hash(self.model)

    @torch.inference_mode()
    def best(self, planes: NDArray[np.uint8]) -> NetworkOutput:
        """Best class, its probability and the rest of what is known of N slices.

        Args:
            planes: (N, C, S, S) uint8, see `core.model.predictor.Predictor.network_input`.
        """
        pixels = (torch.from_numpy(planes).to(self.device).float().div(255) - self._mean) / self._std
        mirrors = MIRRORS if self.config.flips or self.config.flip_agreement else MIRRORS[:1]
        views = torch.stack([self._probabilities(pixels.flip(axes)).flip(axes) for axes in mirrors])
        mean = views.mean(dim=0) if self.config.flips else views[0]
        best = mean.max(dim=1)
        return NetworkOutput(
            best.indices.to(torch.uint8).cpu().numpy(),
            best.values.mul(255).round().to(torch.uint8).cpu().numpy(),
            mean.amax(dim=(2, 3)).cpu().numpy(),
            self._mirror_pairs(views) if self.config.flip_agreement else None,
        )

    def _mirror_pairs(self, views: torch.Tensor) -> NDArray[np.int64]:
        labels = views.argmax(dim=2).to(torch.uint8).cpu().numpy()
        return np.stack([mirror_pairs(list(labels[:, position])) for position in range(labels.shape[1])])

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
