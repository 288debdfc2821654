"""The learning rate by hand and against torch and transformers; the moving average of the weights by hand."""

from dataclasses import replace

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from core.config import TrainingConfig
from training.model.optim import MovingAverage, RatePlan, epochs_in, schedule_of, steps_per_epoch


def _plan(training: TrainingConfig, slices: int = 80) -> RatePlan:
    return RatePlan.of(training, slices=slices, world=1)


def _rates(plan: RatePlan, steps: int) -> list[float]:
    """The learning rates that an optimiser really gets, at a setting of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule_of(optimizer, plan.share)["scheduler"]
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("slices", "world", "batch_size", "accumulate", "steps"),
    [(80, 1, 8, 1, 10), (81, 1, 8, 1, 11), (81, 1, 8, 2, 6), (21, 2, 2, 1, 6), (80, 2, 8, 1, 5), (3, 2, 8, 4, 1)],
)
def test_steps_of_an_epoch(slices: int, world: int, batch_size: int, accumulate: int, steps: int):
    training = TrainingConfig(batch_size=batch_size, accumulate=accumulate)
    assert steps_per_epoch(training, slices=slices, world=world) == steps


def test_plan_counts_what_will_be_trained():
    assert _plan(TrainingConfig()).total_steps == 1000
    assert _plan(TrainingConfig(quick=True)).total_steps == 50
    assert _plan(TrainingConfig(epochs=3, quick=True)).total_steps == 30
    assert _plan(TrainingConfig(max_steps=7)).total_steps == 7
    assert _plan(TrainingConfig(warmup_epochs=0.5)).warmup_steps == 5


def test_without_a_schedule_the_rate_stays():
    plan = _plan(TrainingConfig())
    assert plan.constant
    assert {plan.share(step) for step in range(1000)} == {1.0}
    assert not replace(plan, warmup_steps=1).constant


def test_multistep_is_that_of_the_course():
    """Torch's MultiStepLR at 50 and 75, stepped once an epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    wanted = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[50, 75])
    rates = _rates(_plan(TrainingConfig(schedule="multistep")), 1000)
    for epoch in range(100):
        assert rates[10 * epoch : 10 * epoch + 10] == pytest.approx([optimizer.param_groups[0]["lr"]] * 10)
        optimizer.step()
        wanted.step()
    assert sorted({round(rate, 6) for rate in rates}) == [0.01, 0.1, 1.0]


def test_cosine_is_that_of_transformers_after_the_warm_up():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    wanted = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=10, num_training_steps=100)
    rates = _rates(_plan(TrainingConfig(schedule="cosine", epochs=10, warmup_epochs=1)), 101)
    for step, rate in enumerate(rates):
        if step >= 10:
            assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        wanted.step()
    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert rates[100] == pytest.approx(0)


def test_cosine_by_hand():
    plan = _plan(TrainingConfig(schedule="cosine", epochs=4), slices=8)
    assert [plan.share(step) for step in range(6)] == pytest.approx([1, 0.853553, 0.5, 0.146447, 0, 0], abs=1e-6)


def test_average_by_hand():
    """The first update copies; then the decay is (1 + n) / (10 + n) until the setting is lower."""
    model = torch.nn.BatchNorm1d(1)
    average = MovingAverage(0.25)
    averaged = torch.optim.swa_utils.AveragedModel(model, use_buffers=True, **average._kwargs)
    for value in (1.0, 2.0, 3.0):
        torch.nn.init.constant_(model.weight, value)
        model.running_mean.fill_(10 * value)
        model.num_batches_tracked.fill_(int(value))
        averaged.update_parameters(model)
    second = 1 * (2 / 11) + 2 * (9 / 11)
    third = second * 0.25 + 3 * 0.75
    assert averaged.module.weight.item() == pytest.approx(third)
    assert averaged.module.running_mean.item() == pytest.approx(10 * third)
    assert averaged.module.num_batches_tracked.item() == 3


@pytest.mark.parametrize(
    ("limit_s", "spent_s", "epochs", "expected"),
    # The run ends after the epoch in which the limit is reached; an estimate that has passed already is one epoch more.
    [(60, 10, 1, 6), (60, 25, 1, 3), (60, 50, 2, 3), (60, 59, 3, 4), (60, 60, 3, 4), (60, 600, 1, 2)],
)
def test_epochs_until_the_time_is_up(limit_s: float, spent_s: float, epochs: int, expected: int):
    assert epochs_in(limit_s, spent_s=spent_s, epochs=epochs) == expected


def test_cosine_ends_where_the_time_does():
    plan = _plan(TrainingConfig(schedule="cosine", epochs=4), slices=8)
    assert [plan.share(step, 2) for step in range(4)] == pytest.approx([1, 0.5, 0, 0])
    assert plan.share(2, 400) == plan.share(2)
