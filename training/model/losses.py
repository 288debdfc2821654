"""The loss of the course: soft Dice plus cross-entropy."""

import torch
from torch import Tensor
from torch.nn import functional

SMOOTHING = 1e-8


def dice_loss(logits: Tensor, mask: Tensor, *, smoothing: float = SMOOTHING) -> Tensor:
    r"""One minus the mean soft Dice of the classes, background included.

    .. math:: 1 - \frac{1}{C} \sum_c \frac{2 \sum_i p_{ci} g_{ci} + s}{\sum_i p_{ci} + \sum_i g_{ci} + s}

    with :math:`p` the softmax of the logits, :math:`g` the one-hot reference, :math:`s` the smoothing, and :math:`i`
    running over all pixels of all slices of the batch (Milletari et al. 2016, without their squares). A class that the
    batch's reference lacks scores about 0 as soon as any probability is given to it.

    Args:
        logits: (B, C, H, W), any floating dtype; computed in single precision, where the smoothing is not zero.
        mask: (B, H, W) int64, 0 to C - 1.

    Returns:
        A scalar, 0 to 1.
    """
    chances = logits.float().softmax(dim=1)
    wanted = functional.one_hot(mask, logits.shape[1]).movedim(-1, 1).to(chances.dtype)
    pixels = (0, 2, 3)
    both = (chances * wanted).sum(pixels)
    total = chances.sum(pixels) + wanted.sum(pixels)
    return 1 - ((2 * both + smoothing) / (total + smoothing)).mean()


def dice_ce_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """`dice_loss` plus cross-entropy, averaged over pixels; arguments as there."""
    return dice_loss(logits, mask) + functional.cross_entropy(logits.float(), mask)


def upsample(logits: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """SegFormer's logits (B, C, h, w), a quarter of the input's side, at the input's size (B, C, H, W), bilinear."""
    return functional.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
