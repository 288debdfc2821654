"""Settings: defaults that are possible, and refusals that name every mistake at once."""

import dataclasses

import pytest

from core.config import InferenceConfig, InputRecipe, PhantomConfig, SplitConfig, TrainingConfig, default_workers
from core.errors import ConfigError

ALL = [InputRecipe, TrainingConfig, InferenceConfig, SplitConfig, PhantomConfig]


@pytest.mark.parametrize("config", ALL)
def test_defaults_are_possible_and_frozen(config: type) -> None:
    made = config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, None)


@pytest.mark.parametrize("size", [0, 31, 100, -32])
def test_image_size_must_be_a_multiple_of_32(size: int) -> None:
    sentence = rf"^A setting is not possible: image_size {size} is not a positive multiple of 32; correct the InputRecipe\.$"
    with pytest.raises(ConfigError, match=sentence):
        InputRecipe(image_size=size)


def test_std_must_be_positive() -> None:
    with pytest.raises(ConfigError, match=r"std \(0\.0, 1\.0, 1\.0\) holds a value that is not positive"):
        InputRecipe(std=(0.0, 1.0, 1.0))


def test_all_mistakes_are_named_at_once() -> None:
    sentence = (
        r"^Some settings are not possible: batch_size 0 is not positive; epochs -1 is not positive; "
        r"max_steps 0 is not positive; weight_decay -0\.1 is negative; workers -1 is negative; correct the TrainingConfig\.$"
    )
    with pytest.raises(ConfigError, match=sentence):
        TrainingConfig(batch_size=0, epochs=-1, max_steps=0, weight_decay=-0.1, workers=-1)


def test_a_learning_rate_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="learning_rate nan is not positive"):
        TrainingConfig(learning_rate=float("nan"))


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_opacity_is_a_share(opacity: float) -> None:
    with pytest.raises(ConfigError, match=rf"opacity {opacity} is outside 0 to 1"):
        InferenceConfig(opacity=opacity)


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_both_ends_of_the_opacity_are_possible(opacity: float) -> None:
    assert InferenceConfig(opacity=opacity).opacity == opacity


@pytest.mark.parametrize("fraction", [0.0, 1.1, -0.2, float("nan")])
def test_the_share_for_validation_is_some_or_all(fraction: float) -> None:
    with pytest.raises(ConfigError, match=rf"valid_fraction {fraction} is not above 0 and at most 1"):
        SplitConfig(valid_fraction=fraction)


def test_a_phantom_set_needs_two_patients() -> None:
    with pytest.raises(ConfigError, match=r"patients 1 is below 2; size 40 is below 48; correct the PhantomConfig\.$"):
        PhantomConfig(patients=1, size=40)


def test_windows_loads_in_the_training_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Windows")
    assert default_workers() == 0


def test_elsewhere_one_loader_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert default_workers() == 6


def test_impossible_ways_to_train_are_refused_together() -> None:
    sentence = (
        r"^Some settings are not possible: accumulate 0 is not positive; clip_norm -1\.0 is not positive; "
        r"ema_decay 1\.0 is not between 0 and 1; warmup_epochs -1\.0 is negative; "
        r"milestones \[75, 50\] do not rise from 1 or later; correct the TrainingConfig\.$"
    )
    with pytest.raises(ConfigError, match=sentence):
        TrainingConfig(accumulate=0, clip_norm=-1.0, ema_decay=1.0, warmup_epochs=-1.0, milestones=(75, 50))
