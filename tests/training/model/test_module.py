"""The model in training: scores, checkpoints, and what is saved with them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import InputRecipe, TrainingConfig
from core.model.segformer import architecture, load_checkpoint, weights_hash
from core.runs.registry import Run
from training.model.module import MONITOR, MedicalSegmentationModel, organ_scores


@pytest.fixture
def model(recipe: InputRecipe, tiny_training: TrainingConfig) -> MedicalSegmentationModel:
    from transformers import SegformerForSemanticSegmentation

    torch.manual_seed(0)
    network = SegformerForSemanticSegmentation(architecture("b0"))
    return MedicalSegmentationModel.of(network, recipe=recipe, training=tiny_training)


def test_logits_have_the_size_of_the_input(model: MedicalSegmentationModel):
    assert model(torch.zeros(1, 3, 64, 96)).shape == (1, 4, 64, 96)


def test_organ_scores_by_hand():
    # Stomach: 6 of 8 in the reference found, 2 more claimed; small bowel missed; large bowel absent.
    confusion = np.array([[90, 2, 0, 0], [2, 6, 0, 0], [5, 0, 0, 0], [0, 0, 0, 0]], np.int64)
    scores = organ_scores(confusion)
    assert scores["valid_dice_stomach"] == pytest.approx(2 * 6 / (8 + 8))
    assert scores["valid_dice_small_bowel"] == 0
    assert np.isnan(scores["valid_dice_large_bowel"])
    assert scores[MONITOR] == pytest.approx(0.375)


def test_organ_scores_without_any_organ_are_undefined():
    confusion = np.zeros((4, 4), np.int64)
    confusion[0, 0] = 10
    assert np.isnan(organ_scores(confusion)[MONITOR])


def test_optimiser_takes_the_settings(model: MedicalSegmentationModel):
    group = model.configure_optimizers().param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (1e-3, 1e-4)


def test_last_checkpoint_loads_in_core_and_in_lightning(tiny_run: Run, recipe: InputRecipe):
    path = tiny_run.paths.checkpoints / "last.ckpt"
    network, found = load_checkpoint(path)
    again = MedicalSegmentationModel.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    assert found == recipe
    assert weights_hash(again.network) == weights_hash(network)


def test_checkpoint_holds_no_objects(tiny_run: Run):
    for path in sorted(Path(tiny_run.paths.checkpoints).glob("*.ckpt")):
        content = torch.load(path, map_location="cpu", weights_only=True)
        assert content["hyper_parameters"]["recipe"]["image_size"] == 64
