"""Slices in, label maps and confidence out, at the slices' own size; torch is imported only where it does the work."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from core.cli.progress import ReportProgress, silent
from core.config import InferenceConfig, InputRecipe
from core.data.images import Window, model_window
from core.data.masks import LabelMap
from core.errors import ModelError
from core.metrics.confidence import Confidence
from core.model.context import neighbours
from core.model.folder import read_recipe
from core.model.onnx_engine import OnnxEngine

if TYPE_CHECKING:
    from torch.nn import Module

    from core.model.torch_engine import TorchEngine

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""What a GPU that torch can use leaves on a Linux machine."""


@dataclass(frozen=True)
class ScanPrediction:
    """What was found in a scan, at the slices' own size."""

    labels: LabelMap
    """(Z, H, W) uint8."""
    certain: NDArray[np.uint8]
    """(Z, H, W) uint8: the softmax probability of the chosen class, 255 for certainty."""
    confidence: Confidence


class Predictor:
    """A trained SegFormer with its input recipe.

    The same steps serve evaluation, the command line and the demo: window to 8 bits, resize to the network's square
    (bilinear), set beside its neighbours if the recipe says so, normalise, predict, upsample the logits to that square
    (bilinear), average over the mirror images if the config says so, take the best class, and resize it back to the
    slice's own size (nearest).
    """

    def __init__(self, model: Union["Module", OnnxEngine], recipe: InputRecipe, config: InferenceConfig) -> None:
        self.recipe, self.config = recipe, config
        self.engine = model if isinstance(model, OnnxEngine) else _torch_engine(model, recipe, config)

    @classmethod
    def load(cls, source: Path, config: InferenceConfig | None = None) -> "Predictor":
        """Load a model folder, or a ``.ckpt`` file of this project.

        Raises:
            ModelError: see `core.model.segformer.load_model` and `core.model.segformer.load_checkpoint`; or ONNX Runtime is asked
                for, and there is no ``model.onnx`` of these weights.
        """
        config = config or InferenceConfig()
        if config.engine == "onnx" or (config.engine == "auto" and not may_use_gpu(config.device)):
            engine = OnnxEngine.open(source, config)
            if engine is not None:
                return cls(engine, read_recipe(source), config)
        if config.engine == "onnx":
            todo = f"run: python -m core.onnx_export {source}; or predict with --engine=auto"
            raise ModelError("There is no model.onnx of these weights", value=source, todo=todo)
        from core.model.segformer import load_checkpoint, load_model

        model, recipe = load_checkpoint(source) if source.suffix == ".ckpt" else load_model(source)
        return cls(model, recipe, config)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights, see `core.model.segformer.weights_hash`."""
        return self.engine.weights_hash

    def identity(self) -> dict[str, Any]:
        """What a prediction rests on apart from the picture; equal for predictors that find the same, but for rounding."""
        config = {"flips": self.config.flips, "flip_agreement": self.config.flip_agreement}
        return {"weights": self.weights_hash, "recipe": asdict(self.recipe), "engine": self.engine.name, **config}

    def predict_scan(
        self,
        volume: NDArray[Any],
        window: Window | None = None,
        *,
        numbers: Sequence[int] | None = None,
        progress: ReportProgress = silent,
    ) -> ScanPrediction:
        """Predict all slices of a scan.

        Args:
            volume: (Z, H, W), uint8 or uint16.
            window: grey window; by default the recipe's for the whole volume (`core.data.images.model_window`).
            numbers: the slices' numbers, ascending, by which a recipe with context finds neighbours; by default without gaps.
            progress: is told of slices.

        >>> found = Predictor.load(Path(model_folder("demo"))).predict_scan(np.zeros((2, 40, 40), np.uint8))
        >>> found.labels.shape, int(found.labels.max()), bool(found.certain.min() > 63)
        ((2, 40, 40), 0, True)
        """
        window = window or model_window(volume, self.recipe.window)
        channels = neighbours(range(len(volume)) if numbers is None else numbers, self.recipe.context_stride)
        return self._predict(volume, window, channels, progress)

    def predict_slice(
        self, image: NDArray[Any], window: Window | None = None, *, between: tuple[NDArray[Any], NDArray[Any]] | None = None
    ) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Label map and certainty (H, W) of one slice, (H, W) uint8 or uint16; see `ScanPrediction`.

        Args:
            window: grey window; by default the recipe's, by the percentiles of this slice (and those beside it) alone.
            between: the slices one context stride before and after it, of the same size; without them a recipe with
                context is shown the slice itself in their place.
        """
        volume = image[None] if between is None else np.stack([between[0], image, between[1]])
        middle = len(volume) // 2
        channels = np.asarray([[0, middle, len(volume) - 1]])
        found = self._predict(volume, window or model_window(volume, self.recipe.window), channels)
        return found.labels[0], found.certain[0]

    def _predict(
        self, volume: NDArray[Any], window: Window, channels: NDArray[np.intp], progress: ReportProgress = silent
    ) -> ScanPrediction:
        """Predict a slice for each row of ``channels``, (N, 3): positions in the volume of the three channels."""
        size, step = volume.shape[1:], self.config.batch_size
        labels, certain = (np.empty((len(channels), *size), np.uint8) for _ in range(2))
        highest, mirrored = [], []
        for start in range(0, len(channels), step):
            progress(start, len(channels), "slices")
            found = self.engine.best(self.network_input(volume, window, channels[start : start + step]))
            for offset, (label_map, sure) in enumerate(zip(found.labels, found.certain, strict=True), start):
                labels[offset] = _resize(label_map, size, cv2.INTER_NEAREST_EXACT)
                certain[offset] = _resize(sure, size, cv2.INTER_LINEAR)
            highest.append(found.highest)
            mirrored += [] if found.mirrored is None else [found.mirrored]
        pairs = np.concatenate(mirrored) if mirrored else None
        return ScanPrediction(labels, certain, Confidence.of(labels, certain, np.concatenate(highest), pairs))

    def network_input(self, volume: NDArray[Any], window: Window, channels: NDArray[np.intp]) -> NDArray[np.uint8]:
        """What the network is shown before normalisation: (N, C, S, S) uint8, one channel where the recipe has no context."""
        wanted = channels if self.recipe.context_stride else channels[:, 1:2]
        square = (self.recipe.image_size, self.recipe.image_size)
        planes = {z: _resize(window.apply(volume[z]), square, cv2.INTER_LINEAR) for z in set(wanted.ravel().tolist())}
        return np.stack([np.stack([planes[z] for z in row]) for row in wanted.tolist()])


def _torch_engine(model: "Module", recipe: InputRecipe, config: InferenceConfig) -> "TorchEngine":
    from core.model.torch_engine import TorchEngine

    return TorchEngine(model, recipe, config)


def may_use_gpu(device: str) -> bool:
    """Whether torch might predict on something else than the CPU; found without importing it, and only rarely in vain."""
    if device != "auto":
        return device != "cpu"
    if version("torch").endswith("+cpu"):
        return False
    return not Path("/dev").is_dir() or any(Path(driver).exists() for driver in GPU_DRIVERS)


def _resize(plane: NDArray[Any], size: tuple[int, ...], how: int) -> NDArray[np.uint8]:
    if plane.shape == size:
        return plane
    resized: NDArray[np.uint8] = cv2.resize(plane, (size[1], size[0]), interpolation=how)
    return resized
