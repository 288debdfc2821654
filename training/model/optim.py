"""The learning rate over a run, and the moving average of the weights."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

from core.config import Schedule, TrainingConfig

DROP = 0.1
"""What `multistep` multiplies the learning rate by at a milestone."""


@dataclass(frozen=True)
class RatePlan:
    """The learning rate as a share of its setting, by optimiser step; plain numbers, so that a checkpoint can hold it."""

    schedule: Schedule
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    milestones: tuple[int, ...]
    """Epochs."""

    @classmethod
    def of(cls, training: TrainingConfig, *, slices: int, world: int) -> "RatePlan":
        """The plan of a run.

        Args:
            slices: drawn in an epoch, over all processes.
            world: number of training processes.
        """
        per_epoch = steps_per_epoch(training, slices=slices, world=world)
        total = per_epoch * training.planned_epochs
        return cls(
            training.schedule,
            per_epoch,
            min(total, training.max_steps or total),
            round(training.warmup_epochs * per_epoch),
            training.milestones,
        )

    @property
    def constant(self) -> bool:
        return self.schedule == "none" and not self.warmup_steps

    def share(self, step: int, end: int | None = None) -> float:
        """Share of the learning rate at a step, counted from 0.

        Args:
            end: steps after which the run is expected to end, where that is before the last one planned.

        The warm-up rises in a line and reaches 1 with its last step. The cosine (Loshchilov and Hutter 2017, without
        restarts) falls from 1 at the end of the warm-up to 0 after the last step.
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.schedule == "multistep":
            return DROP ** sum(step >= epoch * self.steps_per_epoch for epoch in self.milestones)
        if self.schedule == "cosine":
            total = min(self.total_steps, end or self.total_steps)
            done = (step - self.warmup_steps) / max(total - self.warmup_steps, 1)
            return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return 1.0


def steps_per_epoch(training: TrainingConfig, *, slices: int, world: int) -> int:
    """Optimiser steps of an epoch: every process takes an equal share, and what remains makes a smaller last batch."""
    batches = math.ceil(math.ceil(slices / world) / training.batch_size)
    return math.ceil(batches / training.accumulate)


def schedule_of(optimizer: torch.optim.Optimizer, share: Callable[[int], float]) -> dict[str, Any]:
    """Shares of the learning rate by step, as Lightning wants them, applied after every step."""
    return {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, share), "interval": "step"}


def epochs_in(limit_s: float, *, spent_s: float, epochs: int) -> int:
    """Epochs that a run makes until its time is up, at the pace of those complete; at least one more.

    Args:
        limit_s: the run ends after the epoch in which so many seconds have passed.
        spent_s: seconds that the complete epochs took.
        epochs: how many those are, 1 or more.
    """
    return max(math.ceil(limit_s * epochs / spent_s), epochs + 1)


class MovingAverage(WeightAveraging):  # type: ignore[misc]
    """Validates, saves and exports an exponential moving average of the weights, batch statistics included.

    The decay starts low, ``(1 + n) / (10 + n)`` after n steps as TensorFlow's ExponentialMovingAverage does it: otherwise
    the average of a short run would mostly be its first weights.
    """

    def __init__(self, decay: float) -> None:
        def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
            steps = float(count)
            weight = 1 - min(decay, (1 + steps) / (10 + steps))
            if averaged[0].is_floating_point():
                torch._foreach_lerp_(list(averaged), list(current), weight)
            else:
                # Counters, such as the number of batches that a normalisation has seen.
                for mean, value in zip(averaged, current, strict=True):
                    mean.copy_(value)

        super().__init__(use_buffers=True, multi_avg_fn=torch.no_grad()(update))
