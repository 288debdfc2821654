"""The settings of a run: parsed once from a recipe and what was changed in it, and carried as one object from then on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.config import InputRecipe, TrainingConfig, pick


@dataclass(frozen=True)
class RunSettings:
    """How a run is trained and what its network is shown."""

    training: TrainingConfig = field(default_factory=TrainingConfig)
    input_recipe: InputRecipe = field(default_factory=InputRecipe)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "RunSettings":
        """The settings among options by name, as parsed or as JSON and YAML have them; what is missing has its default.

        Raises:
            ConfigError: a value out of range. TypeError: one of another kind.
        """
        known = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        return cls(pick(TrainingConfig, known), pick(InputRecipe, known))

    def plain(self) -> dict[str, Any]:
        """Every setting by name, as JSON and YAML have them."""
        settings = asdict(self.training) | asdict(self.input_recipe)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def read_settings(recipe: Path | None, changes: Mapping[str, object]) -> RunSettings:
    """The settings of a recipe with some of them changed, as ``fit --config RECIPE --KEY=VALUE`` reads them.

    Raises:
        ConfigError: the file is missing, or has an unknown key or a value out of range.
    """
    from core.cli.options import Parser  # a waiting run's process has no use for a parser

    parser = Parser("python -m training fit", "Settings of a run.")
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(TrainingConfig)
    parser.add_class_arguments(InputRecipe)
    argv = ["--config", str(recipe)] if recipe else []
    return RunSettings.of(parser.read([*argv, *(f"--{key}={value}" for key, value in changes.items())]))
