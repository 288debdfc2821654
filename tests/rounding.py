"""What rounding may change in a prediction, so that two that differ in nothing else can be compared on any processor.

A processor adds up in an order of its own, and a library chooses among kernels by processor, threads and batch size. Where
the two most probable classes of a pixel are closer than that changes a probability, either may win: a tie. A tolerance that
was found by trying holds for the ties of one machine. Here they are counted: the same network is run in double precision,
whose rounding is 2**29 times finer, and single precision is compared with it.
"""

from copy import deepcopy
from dataclasses import dataclass
from operator import attrgetter

import cv2
import numpy as np
import torch
from torch import nn

from core.config import InputRecipe
from core.metrics.confidence import MIRRORS

both = attrgetter("labels", "certain")
"""The two volumes of a scan's prediction."""
OTHER_ORDERS = 8
"""The largest error of a logit in another order of the same sums, to the largest of torch's here. Each error is a sum of many
roundings, as good as normal: the largest of 10**5 such is 4.4 standard deviations, and 8 times that is not to be met."""
EXP_ERROR = 7e-6
"""Largest relative error of OpenCV's ``exp`` in single precision, as its documentation states; torch's is smaller."""
PROBABILITY_ERROR = 2 * EXP_ERROR
"""By the exponentials alone: one of them in the numerator of a probability, and their sum in its denominator."""


@dataclass(frozen=True)
class Rounding:
    """Of one network's prediction of N slices."""

    probability: float
    """How far any engine's probability of a class may be from the true one."""
    tied: np.ndarray
    """(4, N, S, S) bool: pixels where either of two classes may win, in the slice and its three mirror images (as in
    `core.metrics.confidence.MIRRORS`, mirrored back)."""
    tied_mean: np.ndarray
    """(N, S, S) bool: the same of the mean over the four."""

    def at(self, size: tuple[int, int], *, flips: bool = False) -> np.ndarray:
        """Tied pixels at the slices' own size (H, W), as labels get there: (N, H, W) bool."""
        planes = (self.tied_mean if flips else self.tied[0]).astype(np.uint8)
        return np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT) for plane in planes]).astype(bool)


def rounding_of(network: nn.Module, recipe: InputRecipe, planes: np.ndarray) -> Rounding:
    """Find it for slices as the network is shown them, (N, C, S, S) uint8, see `core.model.predictor.Predictor.network_input`."""
    exact = deepcopy(network).double().eval()
    error, views = 0.0, []
    with torch.inference_mode():
        for axes in MIRRORS:
            single, double = (_logits(each, recipe, planes, axes) for each in (network.eval(), exact))
            error = max(error, float((single.double() - double).abs().max()))
            large = nn.functional.interpolate(double, size=planes.shape[2:], mode="bilinear", align_corners=False)
            views.append(large.softmax(dim=1).flip(axes))
    # If no logit is off by more than e, no softmax is by more than e / 2: its derivative is p (1 - p), 1/4 at most, for the
    # class's own logit, and as much for the others' together.
    probability = OTHER_ORDERS * error / 2 + PROBABILITY_ERROR
    shares = torch.stack(views)
    return Rounding(probability, _tied(shares, probability), _tied(shares.mean(dim=0)[None], probability)[0])


def _logits(network: nn.Module, recipe: InputRecipe, planes: np.ndarray, axes: tuple[int, ...]) -> torch.Tensor:
    kind = next(network.parameters()).dtype
    mean, std = (torch.tensor(values, dtype=kind).view(1, 3, 1, 1) for values in (recipe.mean, recipe.std))
    pixels = (torch.from_numpy(planes).to(kind).div(255) - mean) / std
    found: torch.Tensor = network(pixel_values=pixels.flip(axes)).logits
    return found


def _tied(shares: torch.Tensor, probability: float) -> np.ndarray:
    """Where the best two of (V, N, 4, S, S) are closer than an error of each, one up and one down, can bridge."""
    best = shares.topk(2, dim=2).values
    found: np.ndarray = (best[:, :, 0] - best[:, :, 1] <= 2 * probability).numpy()
    return found
