"""Options: flags and YAML mean the same, and every mistake is one sentence."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from core.cli.options import Parser, spacing_of, words_of
from core.config import InputRecipe, TrainingConfig, pick
from core.errors import ConfigError
from training.commands import evaluate, predict, prepare, show
from training.run.arguments import parser

RECIPES = sorted((Path(__file__).parents[3] / "training" / "recipes").glob("*.yaml"))
DATA = ["--data", "somewhere"]


def test_flag_and_file_mean_the_same(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 7\nimage_size: 96\ndata: somewhere\nmean: [0.1, 0.2, 0.3]\n")
    by_file = parser().read(["--config", str(file)])
    by_flag = parser().read([*DATA, "--epochs", "7", "--image-size=96", "--mean", "[0.1,0.2,0.3]"])
    assert pick(TrainingConfig, by_file) == pick(TrainingConfig, by_flag)
    assert pick(InputRecipe, by_file) == pick(InputRecipe, by_flag) == InputRecipe(96, (0.1, 0.2, 0.3))


def test_flag_wins_over_the_file_before_it(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 7\n")
    assert parser().read([*DATA, "--config", str(file), "--epochs", "3"])["epochs"] == 3


def test_defaults_are_those_of_the_dataclasses():
    options = parser().read(DATA)
    assert pick(TrainingConfig, options) == TrainingConfig()
    assert pick(InputRecipe, options) == InputRecipe()


def test_dashes_are_underscores_in_names_but_not_in_values():
    assert parser().read([*DATA, "--batch-size", "4", "--run", "a-b"])["run"] == "a-b"
    assert parser().read([*DATA, "--run=--a-b"])["run"] == "--a-b"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--bogus", "1"], "Unrecognized arguments: --bogus 1"),
        (["--epoch", "1"], "Unrecognized arguments: --epoch 1"),
        (["--epochs", "x"], "--epochs wants a whole number, not 'x'"),
        (["--max_steps", "x"], "--max_steps wants a whole number, not 'x'"),
        (["--learning_rate", "fast"], "--learning_rate wants a number, not 'fast'"),
        (["--schedule", "steep"], "--schedule wants one of none, multistep, cosine, not 'steep'"),
        (["--milestones", "3"], "--milestones wants a list such as"),
        (["--mean", "1"], "--mean wants a list such as"),
        (["--epochs"], "Argument --epochs: expected one argument"),
        (["--config", "nowhere.yaml"], "--config: File does not exist"),
    ],
)
def test_mistake_is_one_sentence(words: list[str], sentence: str):
    with pytest.raises(ConfigError) as caught:
        parser().read([*DATA, *words])
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith("see python -m training fit --help.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["bogus: 1\n", "epochs: three\n", "epochs: [3\n", "- 1\n"])
def test_mistake_in_a_file_is_one_sentence(tmp_path: Path, text: str):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"^[^\n]*see python -m training fit --help\.$"):
        parser().read([*DATA, "--config", str(file)])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"root:x:0:0:SECRET:/root:/bin/bash\nbin:x:1\n", "The file holds no settings: odd"),
        (b"SECRET words only", "The file holds no settings: odd"),
        (b"- SECRET\n", "The file holds no settings: odd"),
        (b"\x00\x01SECRET\xff", "The file cannot be read as text: odd"),
        (b"epochs: 5\nmodel: [1, SECRET\n", "The file is no YAML (line 3): odd"),
        (b"epochs: 5\nSECRET: 1\n", "Line 2 of the file is no option: odd"),
        (b"epochs: SECRET\n", "--epochs wants a whole number: odd"),
        (b"schedule: SECRET\n", "--schedule wants one of none, multistep, cosine: odd"),
        (b"mean: SECRET\n", "--mean wants a list such as [0.1,0.2,0.3]: odd"),
        (b"balanced: SECRET\n", "--balanced wants bool: odd"),
        (b"model: &a [SECRET]\nstrategy: *a\n", "The file has YAML aliases: odd"),
        (b"[" * 60_000, "The file is no settings: too many brackets: odd"),
        (b"#" * 70_000, "The file is too large for settings: odd"),
        (b"config: /etc/hostname\n", ""),
    ],
)
def test_what_a_file_holds_is_never_said(tmp_path: Path, content: bytes, sentence: str):
    """``--config`` may name any file, and a run's message is shown to everybody."""
    file = tmp_path / "odd"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        parser().read([*DATA, "--config", str(file)])
    assert str(caught.value).startswith(sentence)
    assert "SECRET" not in str(caught.value)
    assert Path("/etc/hostname").read_text().strip() not in str(caught.value)
    cause = caught.value.__cause__
    assert "SECRET" not in str(cause)


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="Something is missing: --data; see"):
        parser().read([])


def test_value_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"epochs 0 is not positive"):
        pick(TrainingConfig, parser().read([*DATA, "--epochs", "0"]))


def test_message_of_another_kind_stays():
    with pytest.raises(ConfigError, match=r"^Something, odd; see python -m x --help\.$"):
        Parser("python -m x", "Nothing.").error("something\n  odd.")


def test_lists():
    assert words_of(" a, b,,c ") == ("a", "b", "c")
    assert spacing_of("3,1.5,1.5") == (3, 1.5, 1.5)
    assert spacing_of("") is None
    for bad in ("3,1", "3,1,x", "3,1,0", "3,1,nan", "3,1,inf"):
        with pytest.raises(ConfigError, match="--spacing_mm wants 3 positive numbers"):
            spacing_of(bad)


@pytest.mark.parametrize(
    "made",
    [parser(), evaluate.parser(), predict.parser(), show.parser(), *map(prepare.parser, prepare.SOURCES)],
    ids=lambda made: made.command,
)
def test_every_option_is_explained(made: Parser):
    unexplained = [action.dest for action in made._actions if not action.help]
    assert unexplained == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_have_no_unknown_key_and_no_impossible_value(recipe: Path):
    # An unknown key is an error of the parser, a value out of range one of the dataclass.
    options = parser().read([*DATA, "--config", str(recipe)])
    stated = yaml.safe_load(recipe.read_text())
    training, data = pick(TrainingConfig, options), pick(InputRecipe, options)
    for key, value in stated.items():
        found = getattr(training if hasattr(training, key) else data, key)
        assert (list(found) if isinstance(found, tuple) else found) == value


def test_there_are_recipes():
    assert [path.stem for path in RECIPES] == ["baseline", "course", "demo", "quick"]


COURSE = {
    "image_size": 288,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "model": "nvidia/segformer-b4-finetuned-ade-512-512",
    "batch_size": 8,
    "epochs": 100,
    "learning_rate": 3e-4,
    "weight_decay": 1e-4,
    "schedule": "multistep",
    "milestones": (50, 75),
    "seed": 42,
    "accelerator": "auto",
    "strategy": "auto",
    "tracker": "wandb",
    "holes_clear_mask": True,
    "context_stride": 0,
    "window": "none",
}
"""The numbers of the course's description; what it does not use is off."""
OFF = {"cache": False, "balanced": False, "quick": False, "accumulate": 1, "warmup_epochs": 0, "num_nodes": 1}
OFF |= dict.fromkeys(("ema_decay", "clip_norm", "patience", "max_minutes", "max_steps"))
OURS = {"onnx", "workers", "threads", "devices"}
"""How the machine is used, and the export that the course does not have."""


def test_course_is_exactly_the_course():
    recipe = next(path for path in RECIPES if path.stem == "course")
    options = parser().read([*DATA, "--config", str(recipe)])
    settings = asdict(pick(TrainingConfig, options)) | asdict(pick(InputRecipe, options))
    assert {key: value for key, value in settings.items() if key not in OURS} == COURSE | OFF
    # Nothing is left to a default that may change one day.
    assert set(yaml.safe_load(recipe.read_text())) >= set(COURSE | OFF)


def test_baseline_has_what_we_recommend():
    recipe = next(path for path in RECIPES if path.stem == "baseline")
    training = pick(TrainingConfig, parser().read([*DATA, "--config", str(recipe)]))
    assert (training.schedule, training.balanced, training.clip_norm) == ("cosine", True, 1.0)
    assert training.ema_decay is not None


def test_demo_is_what_its_weights_were_trained_with():
    recipe = next(path for path in RECIPES if path.stem == "demo")
    training = pick(TrainingConfig, parser().read([*DATA, "--config", str(recipe)]))
    assert (training.model, training.batch_size, training.learning_rate, training.epochs) == ("b0", 8, 6e-4, 16)
