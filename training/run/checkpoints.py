"""The checkpoints of a run: the best, and the last to go on from; at any moment of a kill, both are there and whole."""

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from core.storage.workspace import RunPaths
from training.model.module import MONITOR

CHECKPOINT_NAME = "epoch={epoch:03d}-loss={valid_loss:.4f}-f1={" + MONITOR + ":.4f}"
LAST = "last.ckpt"


class WholeFiles(TorchCheckpointIO):  # type: ignore[misc]
    """Writes a checkpoint beside its place, then renames it: Lightning's own way goes through the system's temporary
    folder, from where a move to another disk is a copy that a kill cuts short."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        partial = target.with_name(f".{target.name}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            # On a full disk this is what makes room for the words that say so.
            partial.unlink(missing_ok=True)


class RunCheckpoint(ModelCheckpoint):  # type: ignore[misc]
    """Keeps the checkpoint with the best validation F1 over organs, and the last one, once an epoch is complete.

    A best checkpoint that is beaten goes only after ``last.ckpt`` knows the new one. Its paths are kept relative to the
    run's folder, which may move between a kill and the resumption.
    """

    def __init__(self, paths: RunPaths) -> None:
        super().__init__(
            dirpath=paths.checkpoints,
            filename=CHECKPOINT_NAME,
            monitor=MONITOR,
            mode="max",
            save_top_k=1,
            save_last=True,
            auto_insert_metric_name=False,
            save_on_train_epoch_end=True,
            # A replayed epoch writes the file of the same name again.
            enable_version_counter=False,
        )
        self._complete = False
        self._beaten: list[str] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._complete = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._complete = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # An epoch that was broken off is not saved: it is replayed whole.
        if not self._complete:
            return
        scores = self._monitor_candidates(trainer)
        self._save_topk_checkpoint(trainer, scores)
        # Lightning's own hook would write the last one only where it is also the best.
        self._save_last_checkpoint(trainer, scores)
        for path in self._beaten:
            super()._remove_checkpoint(trainer, path)
        self._beaten = []

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save nothing: Lightning would save an epoch that was broken off."""

    def _remove_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        self._beaten.append(filepath)

    def state_dict(self) -> dict[str, Any]:
        return _renamed(super().state_dict(), lambda path: Path(path).name)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = Path(self.dirpath)
        super().load_state_dict(_renamed(state_dict, lambda name: str(folder / Path(name).name)) | {"dirpath": self.dirpath})


def _renamed(state: dict[str, Any], rename: Any) -> dict[str, Any]:
    """The state with its paths changed; empty ones stay."""
    paths = {key: rename(state[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path") if state[key]}
    best = {rename(path): score for path, score in state["best_k_models"].items()}
    return state | paths | {"best_k_models": best, "dirpath": ""}


def clear_leftovers(paths: RunPaths, best: str) -> None:
    """Delete what a kill left behind: a best checkpoint that ``last.ckpt`` does not know yet.

    Args:
        best: file name of the best checkpoint that ``last.ckpt`` knows.
    """
    for path in paths.checkpoints.glob("*"):
        if path.name not in (LAST, best):
            path.unlink()
