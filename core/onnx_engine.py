"""Prediction by ONNX Runtime on a CPU, without torch: the network that `core.onnx_export` wrote beside the weights."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.config import InferenceConfig
from core.data.masks import LabelMap
from core.model_files import ONNX, source_hash

if TYPE_CHECKING:
    import onnxruntime

FORMAT = "gutcheck-onnx/1"
INPUT, OUTPUT = "planes", "logits"
MIRRORS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))
"""Axes of (C, H, W) along which a slice is mirrored: none first."""


class OnnxEngine:
    """A network in ONNX Runtime: what the network is shown in, best classes and their probability out."""

    name = "onnx"

    def __init__(self, session: "onnxruntime.InferenceSession", config: InferenceConfig) -> None:
        self.session, self.config = session, config

    @classmethod
    def open(cls, folder: Path, config: InferenceConfig) -> "OnnxEngine | None":
        """The network of a model's folder; ``None`` where it has no such file, a damaged one, or one of other weights."""
        path = folder / ONNX
        if not path.is_file():
            return None
        session = open_session(path.read_bytes(), threads=config.threads)
        return None if session is None or not _is_of(session, folder) else cls(session, config)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights that the network was made from, see `core.model.weights_hash`."""
        return str(self.session.get_modelmeta().custom_metadata_map["weights_sha256"])

    def best(self, planes: NDArray[np.uint8]) -> tuple[LabelMap, NDArray[np.uint8]]:
        """Best class and its probability (255 for certainty), each (N, S, S) uint8.

        Args:
            planes: (N, C, S, S) uint8, see `core.predict.Predictor.network_input`.
        """
        labels, certain = (np.empty((len(planes), *planes.shape[2:]), np.uint8) for _ in range(2))
        # One slice at a time: on a CPU a batch is no faster (its feature maps leave the cache), and takes more memory.
        for position, plane in enumerate(planes):
            labels[position], certain[position] = best_class(self._probabilities(plane))
        return labels, certain

    def _probabilities(self, plane: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(4, S, S) of one slice (C, S, S)."""
        mirrors = MIRRORS if self.config.flips else MIRRORS[:1]
        views = [np.flip(probabilities(self._logits(np.flip(plane, axes)), plane.shape[-1]), axes) for axes in mirrors]
        return views[0] if len(views) == 1 else np.mean(views, axis=0)

    def _logits(self, plane: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(4, S/4, S/4)."""
        found: NDArray[np.float32] = self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(plane[None])})[0][0]
        return found


def open_session(content: bytes, *, threads: int | None = None) -> "onnxruntime.InferenceSession | None":
    """ONNX Runtime on a CPU with the network in ``content``; ``None`` where that is damaged."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    # Threads that wait by turning in a loop take the cores from whoever else works here: measured, half of the speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception:  # its errors share no base of their own
        return None


def _is_of(session: "onnxruntime.InferenceSession", folder: Path) -> bool:
    stated = session.get_modelmeta().custom_metadata_map
    try:
        return bool(stated.get("format") == FORMAT and stated.get("source_sha256") == source_hash(folder))
    except OSError:
        return False


def probabilities(logits: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Softmax of the logits (4, h, w), enlarged (bilinear) to (4, S, S)."""
    large = [cv2.resize(plane, (side, side), interpolation=cv2.INTER_LINEAR) for plane in logits]
    highest = np.maximum.reduce(large)
    shares: NDArray[np.float32] = np.stack([cv2.exp(plane - highest) for plane in large])
    shares /= np.add.reduce(shares)
    return shares


def best_class(shares: NDArray[Any]) -> tuple[LabelMap, NDArray[np.uint8]]:
    """The first class of the highest probability, and that probability (255 for certainty), each (S, S) uint8."""
    highest, labels = shares[0].copy(), np.zeros(shares.shape[1:], np.uint8)
    for class_id in range(1, len(shares)):
        labels[shares[class_id] > highest] = class_id
        np.maximum(highest, shares[class_id], out=highest)
    return labels, np.rint(highest * 255).astype(np.uint8)
