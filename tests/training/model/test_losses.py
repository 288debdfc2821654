"""The loss against numbers worked out by hand, and against MONAI."""

import math

import pytest
import torch

from training.model.losses import dice_ce_loss, dice_loss, upsample


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (3, 4, 16, 16) and a reference that lacks class 3."""
    random = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, 16, 16, generator=random), torch.randint(0, 3, (3, 16, 16), generator=random)


def test_dice_by_hand():
    # Two pixels, two classes; the first is certain and right, the second undecided (0.5, 0.5) and of class 1:
    # class 0: 2·1 / (1.5 + 1) = 0.8; class 1: 2·0.5 / (0.5 + 1) = 2/3.
    logits = torch.tensor([[[[50.0, 0.0]], [[0.0, 0.0]]]])
    mask = torch.tensor([[[0, 1]]])
    assert dice_loss(logits, mask).item() == pytest.approx(1 - (0.8 + 2 / 3) / 2, abs=1e-6)


def test_sum_with_cross_entropy_by_hand():
    logits = torch.tensor([[[[50.0, 0.0]], [[0.0, 0.0]]]])
    mask = torch.tensor([[[0, 1]]])
    assert dice_ce_loss(logits, mask).item() == pytest.approx(1 - (0.8 + 2 / 3) / 2 + math.log(2) / 2, abs=1e-6)


def test_pixels_of_the_batch_are_pooled():
    # One slice has the organ and finds it, the other has none: pooled, the organ's Dice is 1, and no slice counts as 0.
    mask = torch.zeros(2, 4, 4, dtype=torch.int64)
    mask[0, :2] = 1
    logits = 50.0 * torch.nn.functional.one_hot(mask, 2).movedim(-1, 1).float()
    assert dice_loss(logits, mask).item() == pytest.approx(0, abs=1e-6)


def test_absent_class_that_is_predicted_costs(batch: tuple[torch.Tensor, torch.Tensor]):
    logits, mask = batch
    logits = logits.clone()
    logits[:, 3] = -50
    without = dice_loss(logits, mask)
    logits[:, 3, 0, 0] = 50
    assert dice_loss(logits, mask) > without


def test_agrees_with_monai(batch: tuple[torch.Tensor, torch.Tensor]):
    losses = pytest.importorskip("monai.losses")
    logits, mask = batch
    options = {"to_onehot_y": True, "softmax": True, "batch": True, "smooth_nr": 1e-8, "smooth_dr": 1e-8}
    wanted = mask[:, None].float()
    assert dice_loss(logits, mask).item() == pytest.approx(losses.DiceLoss(**options)(logits, wanted).item(), abs=1e-6)
    assert dice_ce_loss(logits, mask).item() == pytest.approx(losses.DiceCELoss(**options)(logits, wanted).item(), abs=1e-6)


def test_half_precision_is_finite(batch: tuple[torch.Tensor, torch.Tensor]):
    logits, mask = batch
    assert torch.isfinite(dice_ce_loss(logits.half() * 100, mask))


def test_gradient_leads_to_the_reference(batch: tuple[torch.Tensor, torch.Tensor]):
    logits, mask = batch
    logits = logits.clone().requires_grad_()
    dice_ce_loss(logits, mask).backward()
    assert logits.grad is not None
    assert (logits.grad.gather(1, mask[:, None]) < 0).float().mean() > 0.99


def test_upsample_is_bilinear_to_any_size():
    logits = torch.tensor([[[[0.0, 1.0]]]])
    assert upsample(logits, (1, 4)).flatten().tolist() == [0.0, 0.25, 0.75, 1.0]
