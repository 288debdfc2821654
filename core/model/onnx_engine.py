"""Prediction by ONNX Runtime on a CPU, without torch: the network that `core.model.onnx_export` wrote beside the weights."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.config import InferenceConfig
from core.data.masks import LabelMap
from core.metrics.confidence import MIRRORS, NetworkOutput, mirror_pairs
from core.model.folder import ONNX, source_hash

if TYPE_CHECKING:
    import onnxruntime

ONNX_FORMAT = "gutcheck-onnx/1"
INPUT, OUTPUT = "planes", "logits"


class OnnxEngine:
    """A network in ONNX Runtime: what the network is shown in, best classes and their probability out.

    One slice at a time goes through the network, since a batch is no faster on a CPU (its feature maps leave the cache). A
    single slice is divided between the threads; of several, each thread takes one, which saves them the waiting for each other.
    """

    name = "onnx"

    def __init__(self, session: "onnxruntime.InferenceSession", config: InferenceConfig, path: Path | None = None) -> None:
        """
        Args:
            path: the session's file, to open it anew for several slices at once; without it they go one after the other.
        """
        self.session, self.config = session, config
        self.lanes = 1
        self._path = path

    @classmethod
    def open(cls, folder: Path, config: InferenceConfig) -> "OnnxEngine | None":
        """The network of a model's folder; ``None`` where it has no such file, a damaged one, or one of other weights."""
        path = folder / ONNX
        if not path.is_file():
            return None
        session = open_session(path.read_bytes(), threads=config.threads)
        return None if session is None or not _is_of(session, folder) else cls(session, config, path)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights that the network was made from, see `core.model.segformer.weights_hash`."""
        return str(self.session.get_modelmeta().custom_metadata_map["weights_sha256"])

    def best(self, planes: NDArray[np.uint8]) -> NetworkOutput:
        """Best class, its probability and the rest of what is known of N slices.

        Args:
            planes: (N, C, S, S) uint8, see `core.model.predictor.Predictor.network_input`.
        """
        if len(planes) > 1:
            self._open_lanes()
        if self.lanes == 1:
            found = [self._slice(plane) for plane in planes]
        else:
            with ThreadPoolExecutor(self.lanes) as pool:
                found = list(pool.map(self._slice, planes))
        labels, certain, highest, pairs = zip(*found, strict=True)
        mirrored = np.stack(pairs) if self.config.flip_agreement else None
        return NetworkOutput(np.stack(labels), np.stack(certain), np.stack(highest), mirrored)

    def _open_lanes(self) -> None:
        """Have each thread take slices of its own from now on; threads beyond the slices of a batch help them all."""
        threads = self.config.threads or usable_cores()
        lanes = min(threads, self.config.batch_size)
        if self.lanes > 1 or lanes == 1 or self._path is None:
            return
        whose = self.weights_hash
        with suppress(OSError):
            session = open_session(self._path.read_bytes(), threads=threads - lanes + 1)
            # A file that was replaced meanwhile is of other weights than this engine says.
            if session is not None and session.get_modelmeta().custom_metadata_map.get("weights_sha256") == whose:
                self.session, self.lanes = session, lanes

    def _slice(
        self, plane: NDArray[np.uint8]
    ) -> tuple[LabelMap, NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64] | None]:
        """Labels, certainty, highest probabilities and class pairs of mirror images of one slice (C, S, S)."""
        mirrors = MIRRORS if self.config.flips or self.config.flip_agreement else MIRRORS[:1]
        views = [np.flip(probabilities(self._logits(np.flip(plane, axes)), plane.shape[-1]), axes) for axes in mirrors]
        shares = np.mean(views, axis=0) if self.config.flips else views[0]
        pairs = mirror_pairs([best_class(view)[0] for view in views]) if self.config.flip_agreement else None
        return *best_class(shares), shares.max(axis=(1, 2)), pairs

    def _logits(self, plane: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(4, S/4, S/4)."""
        found: NDArray[np.float32] = self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(plane[None])})[0][0]
        return found


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        return bool(stated.get("format") == ONNX_FORMAT and stated.get("source_sha256") == source_hash(folder))
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
