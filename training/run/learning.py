"""A picture of learning: the same few validation slices, outlined after every epoch."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.config import InputRecipe
from core.data.images import encode_png
from core.errors import WorkspaceError
from core.imaging.overlay import blend
from core.storage.files import write_whole
from core.storage.workspace import RunPaths
from training.run.ranks import is_first

TILES = 4
TILE_PX = 200
OPACITY = 0.45


@dataclass(frozen=True)
class _Choice:
    """The slice with most organs, then most organ pixels, seen so far in one part of the validation split."""

    weight: tuple[int, int]
    image: Tensor
    mask: Tensor


class LearningPictures(pl.Callback):  # type: ignore[misc]
    """Writes ``learning/reference.png`` once and ``learning/epoch-NNN.png`` after each validation: four slices in a row.

    The slices are the same in every epoch and in a resumed run: the one with most organs of each quarter of the validation
    split. They are drawn from the very weights that were validated. A disk that refuses a picture does not end a run.
    """

    def __init__(self, paths: RunPaths, recipe: InputRecipe) -> None:
        self.folder, self.recipe = paths.learning, recipe
        self._choices: dict[int, _Choice] = {}
        self._chosen = False
        self._seen = 0

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Tensor],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self._chosen or not is_first():
            return
        count = len(trainer.val_dataloaders.sampler)
        for image, mask in zip(batch["image"], batch["mask"], strict=True):
            part = self._seen * TILES // count
            weight = len(torch.unique(mask[mask > 0])), int((mask > 0).sum())
            if part not in self._choices or weight > self._choices[part].weight:
                self._choices[part] = _Choice(weight, image.clone(), mask.clone())
            self._seen += 1

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        chosen = [self._choices[part] for part in sorted(self._choices)]
        if not chosen:
            return
        images = torch.stack([choice.image for choice in chosen])
        try:
            if not self._chosen:
                self._write("reference.png", images, torch.stack([choice.mask for choice in chosen]))
            with torch.inference_mode():
                labels = pl_module(images).argmax(dim=1)
            self._write(f"epoch-{trainer.current_epoch + 1:03d}.png", images, labels)
        except WorkspaceError:
            # The disk may be full; the run's own files will say so.
            return
        self._chosen = True

    def _write(self, name: str, images: Tensor, labels: Tensor) -> None:
        greys = grey_of(images, self.recipe)
        tiles = [tile(grey, label) for grey, label in zip(greys, labels.cpu().numpy().astype(np.uint8), strict=True)]
        write_whole(self.folder / name, encode_png(np.hstack(tiles)))


def grey_of(images: Tensor, recipe: InputRecipe) -> NDArray[np.uint8]:
    """The grey slices (B, S, S) uint8 that normalised images (B, 3, S, S) came from; the middle one of three neighbours."""
    middle = images[:, 1].float() * recipe.std[1] + recipe.mean[1]
    return (middle * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def tile(grey: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A slice with its organs laid over it, `TILE_PX` wide."""
    blended = blend(grey, labels, opacity=OPACITY)
    return np.asarray(cv2.resize(blended, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA), np.uint8)
