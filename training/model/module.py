"""The SegFormer in training: loss, optimiser, and the scores that are logged each epoch."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MeanMetric, SumMetric
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassF1Score
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from core.config import InputRecipe, TrainingConfig
from core.labels import NUM_CLASSES, ORGANS
from core.metrics.overlap import Overlap
from core.model.segformer import checkpoint_content
from training.model.losses import dice_ce_loss, upsample
from training.model.optim import RatePlan, schedule_of

MONITOR = "valid_f1_organs"
"""What the best checkpoint is chosen by: background, which is most of every slice and easy, would flatter a checkpoint
that is poor at the organs."""


class MedicalSegmentationModel(pl.LightningModule):  # type: ignore[misc]
    """A SegFormer under training; ``network`` is the model that is exported."""

    def __init__(
        self,
        *,
        architecture: dict[str, Any],
        recipe: dict[str, Any],
        learning_rate: float,
        weight_decay: float,
        seed: int = 0,
        plan: dict[str, Any] | None = None,
        network: SegformerForSemanticSegmentation | None = None,
    ) -> None:
        """
        Args:
            architecture: SegFormer's configuration; with the recipe, what `core.model.segformer.load_checkpoint` reads.
            recipe: the fields of `core.config.InputRecipe`.
            seed: of what is random inside the network, such as dropout.
            plan: the fields of `training.model.optim.RatePlan`; the learning rate stays as it is without one.
            network: the model to train; a new one of that architecture if none is given, as when a checkpoint is loaded.
        """
        super().__init__()
        # Not to the trackers: they are given the settings, and the architecture would drown them.
        self.save_hyperparameters(ignore=["network"], logger=False)
        self.plan = RatePlan(**plan) if plan else None
        self.end_step: int | None = None
        """Steps after which the run's time will be up, as far as that is known; the recorder says so after each epoch."""
        self.network = network or SegformerForSemanticSegmentation(SegformerConfig.from_dict(dict(architecture)))
        self.train_loss, self.valid_loss = MeanMetric(), MeanMetric()
        self.train_f1 = MulticlassF1Score(num_classes=NUM_CLASSES, average="macro")
        self.valid_f1 = MulticlassF1Score(num_classes=NUM_CLASSES, average="macro")
        self.confusion = MulticlassConfusionMatrix(num_classes=NUM_CLASSES)
        self.valid_slices = SumMetric()

    @classmethod
    def of(
        cls,
        network: SegformerForSemanticSegmentation,
        *,
        recipe: InputRecipe,
        training: TrainingConfig,
        plan: RatePlan | None = None,
    ) -> "MedicalSegmentationModel":
        """Set up a model for training."""
        return cls(
            **checkpoint_content(network, recipe),
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay,
            seed=training.seed,
            plan=None if plan is None else asdict(plan) | {"milestones": list(plan.milestones)},
            network=network,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 4, H, W) of normalised images (B, 3, H, W)."""
        return upsample(self.network(pixel_values=image).logits, image.shape[2:])

    def on_fit_start(self) -> None:
        # A network that was loaded arrives in evaluation mode, and Lightning leaves each module's mode as it finds it.
        self.network.train()

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        if batch_idx:
            return
        # Dropout then depends on the seed and the epoch alone, so that a resumed run goes on as if nothing had been. Not at
        # the start of the epoch: the loader draws a number of its own before or after that, as the run is resumed or not.
        key = (self.hparams["seed"], self.current_epoch, self.global_rank)
        torch.manual_seed(int(np.random.default_rng(key).integers(2**62)))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        logits = self(batch["image"])
        loss = dice_ce_loss(logits, batch["mask"])
        self.train_loss.update(loss.detach(), weight=len(logits))
        self.train_f1.update(logits.detach().argmax(dim=1), batch["mask"])
        self._log_epoch({"train_loss": self.train_loss, "train_f1_with_background": self.train_f1}, len(logits))
        self.log("step_loss", loss.detach(), on_step=True, on_epoch=False, batch_size=len(logits))
        return loss

    def on_validation_epoch_start(self) -> None:
        if self.trainer.world_size > 1:
            # Each process has seen other batches, and so has other batch statistics; the first one's are those saved.
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, 0)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        logits = self(batch["image"])
        best = logits.argmax(dim=1)
        self.valid_loss.update(dice_ce_loss(logits, batch["mask"]), weight=len(logits))
        self.valid_f1.update(best, batch["mask"])
        self.confusion.update(best, batch["mask"])
        self.valid_slices.update(len(logits))
        values = {"valid_loss": self.valid_loss, "valid_f1_with_background": self.valid_f1, "valid_slices": self.valid_slices}
        self._log_epoch(values, len(logits))

    def _log_epoch(self, values: dict[str, Any], slices: int) -> None:
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=slices)

    def on_validation_epoch_end(self) -> None:
        counts = self.confusion.compute().cpu().numpy().astype(np.int64)
        self.confusion.reset()
        scores = organ_scores(counts)
        # `float32`: Apple's devices have no double precision.
        values = {name: torch.tensor(value, dtype=torch.float32) for name, value in scores.items()}
        # The counts are those of all processes already, so all log the same.
        self.log_dict(values, sync_dist=self.trainer.world_size > 1)

    def configure_optimizers(self) -> Any:
        """AdamW, and the schedule of the learning rate where it is not constant."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.hparams["learning_rate"], weight_decay=self.hparams["weight_decay"]
        )
        if self.plan is None or self.plan.constant:
            return optimizer
        plan = self.plan
        return {"optimizer": optimizer, "lr_scheduler": schedule_of(optimizer, lambda step: plan.share(step, self.end_step))}


def organ_scores(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Dice per organ and their mean, background left out.

    They guide the training: pooled over the pixels of all slices at the network's size. The scores to report are those
    of `core.evaluation.evaluate`, per scan and at native size.

    Args:
        confusion: (4, 4), row reference, column prediction.

    Returns:
        ``valid_dice_ORGAN`` and `MONITOR`; NaN where neither reference nor prediction has the organ, which the mean
        leaves out.
    """
    dice = {f"valid_dice_{organ.name}": Overlap.of(confusion, organ.id).dice for organ in ORGANS}
    known = [value for value in dice.values() if not np.isnan(value)]
    return {MONITOR: float(np.mean(known)) if known else float("nan")} | dice
