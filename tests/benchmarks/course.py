"""The public course's loading, loss and training step, as the course writes them: what ours is measured against."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassF1Score
from transformers import SegformerForSemanticSegmentation

from core.config import InputRecipe
from core.labels import NUM_CLASSES
from training.data.augmentation import albumentations

SIDE = 288
RECIPE = InputRecipe(image_size=SIDE)


class CourseDataset(Dataset[tuple[Tensor, Tensor]]):
    """The course's ``MedicalDataset``: colour pictures, channels reversed and then resized, albumentations to the end."""

    def __init__(self, images: list[Path], masks: list[Path]) -> None:
        self.images, self.masks = images, masks
        self.transforms = albumentations.Compose(
            [
                albumentations.HorizontalFlip(p=0.5),
                albumentations.VerticalFlip(p=0.5),
                # ShiftScaleRotate in the library's present words.
                albumentations.Affine(
                    translate_percent=(-0.12, 0.12), scale=(0.88, 1.12), rotate=(-15, 15), keep_ratio=True, p=0.5
                ),
                albumentations.RandomBrightnessContrast(p=0.5),
                albumentations.CoarseDropout(
                    num_holes_range=(5, 8),
                    hole_height_range=(0.05, 0.05),
                    hole_width_range=(0.05, 0.05),
                    fill=0,
                    fill_mask=0,
                    p=0.5,
                ),
                albumentations.Normalize(mean=RECIPE.mean, std=RECIPE.std),
                albumentations.pytorch.ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    @staticmethod
    def load_file(path: Path, *, depth: int) -> np.ndarray:
        file = cv2.imread(str(path), depth)
        if depth == cv2.IMREAD_COLOR:
            file = file[:, :, ::-1]
        return cv2.resize(file, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.load_file(self.images[index], depth=cv2.IMREAD_COLOR)
        mask = self.load_file(self.masks[index], depth=cv2.IMREAD_GRAYSCALE)
        changed = self.transforms(image=image, mask=mask)
        return changed["image"], changed["mask"].to(torch.long)


def course_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Soft Dice of each slice and class over height and width, averaged, plus cross-entropy."""
    wanted = functional.one_hot(mask, NUM_CLASSES)
    chances = functional.softmax(logits, dim=1).permute(0, 2, 3, 1)
    both = (chances * wanted).sum(dim=(1, 2))
    total = chances.sum(dim=(1, 2)) + wanted.sum(dim=(1, 2))
    return 1 - ((2 * both + 1e-8) / (total + 1e-8)).mean() + functional.cross_entropy(logits, mask)


class CourseModule(pl.LightningModule):  # type: ignore[misc]
    """The course's training step: loss, and a macro F1 that is computed and logged at each step."""

    def __init__(self, network: SegformerForSemanticSegmentation) -> None:
        super().__init__()
        self.network = network
        self.mean_loss, self.f1 = MeanMetric(), MulticlassF1Score(num_classes=NUM_CLASSES, average="macro")

    def on_fit_start(self) -> None:
        self.network.train()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        image, mask = batch
        logits = self.network(pixel_values=image).logits
        logits = functional.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)
        loss = course_loss(logits, mask)
        self.mean_loss(loss.detach(), weight=len(image))
        self.f1(logits.detach(), mask)
        self.log("train/batch_loss", self.mean_loss, prog_bar=True, logger=False)
        self.log("train/batch_f1", self.f1, prog_bar=True, logger=False)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.network.parameters(), lr=3e-4, weight_decay=1e-4, amsgrad=True)
