"""SegFormer: published sizes, weights that are whole, and files that could run code."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SegformerForSemanticSegmentation

from core.config import InputRecipe, InputWindow
from core.errors import ConfigError, ModelError
from core.labels import CLASSES
from core.model.segformer import (
    architecture,
    build_model,
    checkpoint_content,
    load_checkpoint,
    load_model,
    read_checkpoint,
    save_model,
    weights_hash,
)

RECIPE = InputRecipe(64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
PARAMETERS = {"b0": 3_715_172, "b1": 13_678_276, "b2": 27_349_700, "b3": 47_225_540, "b4": 63_996_100, "b5": 84_596_420}


@pytest.fixture(scope="module")
def model() -> SegformerForSemanticSegmentation:
    torch.manual_seed(0)
    return SegformerForSemanticSegmentation(architecture("b0")).eval()


@pytest.fixture(scope="module")
def saved(model: SegformerForSemanticSegmentation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(model, folder, RECIPE)
    return folder


@pytest.fixture
def own(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "own"))


def write_checkpoint(path: Path, model: SegformerForSemanticSegmentation, **changes: Any) -> Path:
    state = {f"network.{key}": value for key, value in model.state_dict().items()} | {"loss.weight": torch.ones(4)}
    content = {"state_dict": state, "hyper_parameters": checkpoint_content(model, RECIPE), "epoch": 1}
    torch.save(content | changes, path)
    return path


def logits(model: SegformerForSemanticSegmentation) -> torch.Tensor:
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model(pixel_values=pixels).logits


@pytest.mark.parametrize("size", PARAMETERS)
def test_parameters_of_the_published_sizes(size: str) -> None:
    with torch.device("meta"):
        made = SegformerForSemanticSegmentation(architecture(size))
    assert sum(weight.numel() for weight in made.parameters()) == PARAMETERS[size]


def test_one_output_a_class(model: SegformerForSemanticSegmentation) -> None:
    assert model.config.id2label == {c.id: c.name for c in CLASSES}
    assert logits(model).shape == (1, 4, 16, 16)


def test_an_unknown_size() -> None:
    with pytest.raises(ConfigError, match=r"^There is no such SegFormer size: b9; use b0 to b5\.$"):
        architecture("b9")


@pytest.mark.parametrize("name", ["b0", "nvidia/mit-b0", "nvidia/segformer-b0-finetuned-ade-512-512"])
def test_without_a_network_the_published_size_is_built_and_said(name: str) -> None:
    notes: list[str] = []
    made = build_model(name, notify=notes.append)
    assert sum(weight.numel() for weight in made.parameters()) == PARAMETERS["b0"]
    assert notes == [f"Weights: random. No pretrained weights of {name} here and no network; built b0 from its published sizes."]


def test_a_local_folder(saved: Path, model: SegformerForSemanticSegmentation) -> None:
    notes: list[str] = []
    assert weights_hash(build_model(str(saved), notify=notes.append)) == weights_hash(model)
    assert notes == [f"Weights: from the folder {saved}."]


@pytest.mark.parametrize("name", ["b9", "someone/thing", "x" * 300])
def test_a_name_that_is_nowhere(name: str) -> None:
    sentence = (
        rf"^The model is neither here nor can it be fetched: {name}; use b0 to b5, a local folder, or connect to the network\.$"
    )
    with pytest.raises(ModelError, match=sentence):
        build_model(name)


@pytest.mark.parametrize("name", ["./nothing", "/no/folder", "~/model", "a/b/c"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(ModelError, match=rf"^The model's folder does not exist: {name}; check the path, or use b0 to b5\.$"):
        build_model(name)


def test_save_and_load(saved: Path, model: SegformerForSemanticSegmentation) -> None:
    again, recipe = load_model(saved)
    assert recipe == RECIPE
    assert not again.training
    assert weights_hash(again) == weights_hash(model)
    assert again.config.to_dict() | {"_name_or_path": ""} == model.config.to_dict() | {"_name_or_path": ""}
    assert logits(again).shape == logits(model).shape
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors", "preprocessor_config.json"]


def test_half_precision_halves_the_file_and_loads_as_single(
    saved: Path, model: SegformerForSemanticSegmentation, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "half", RECIPE, half=True)
    again, _ = load_model(tmp_path / "half")
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "half", saved)]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.01)
    assert {weight.dtype for weight in again.parameters()} == {torch.float32}
    # Half precision keeps 11 bits, rounded to the nearest: half a unit of the last one; below 2**-14 its steps are of 2**-24.
    for stored, weight in zip(again.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(stored, weight, rtol=2**-11, atol=2**-25)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_the_preprocessor_config_is_the_one_that_transformers_knows(saved: Path) -> None:
    content = json.loads((saved / "preprocessor_config.json").read_text())
    assert content["size"] == {"height": 64, "width": 64}
    assert content["image_mean"] == [0.1, 0.2, 0.3]
    assert content["rescale_factor"] == pytest.approx(1 / 255)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(own: Path, name: str) -> None:
    (own / name).unlink()
    sentence = (
        rf"^The model's {name} is missing: {own}; give a folder with config\.json and model\.safetensors, or train first\.$"
    )
    with pytest.raises(ModelError, match=sentence):
        load_model(own)


def cut(own: Path) -> None:
    weights = own / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def other_shape(own: Path) -> None:
    weights = load_file(own / "model.safetensors") | {"decode_head.classifier.bias": torch.zeros(7)}
    save_file(weights, own / "model.safetensors", {"format": "pt"})


def change_config(**changes: Any) -> Callable[[Path], None]:
    def change(own: Path) -> None:
        path = own / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        other_shape,
        lambda own: (own / "model.safetensors").write_bytes(b""),
        lambda own: (own / "config.json").write_text("{"),
        lambda own: (own / "config.json").write_text("[]"),
        change_config(hidden_sizes="abc"),
        change_config(hidden_sizes=[64, 128, 320, 512]),
    ],
    ids=["cut", "other shape", "empty", "broken json", "a list", "no numbers", "other size"],
)
def test_damaged_files(own: Path, damage: Callable[[Path], Any]) -> None:
    damage(own)
    sentence = rf"^The model cannot be loaded: {own}; export the model again; only safetensors are loaded\.$"
    with pytest.raises(ModelError, match=sentence):
        load_model(own)


def test_missing_weights_are_never_filled_with_random_ones(own: Path) -> None:
    weights = load_file(own / "model.safetensors")
    del weights["decode_head.classifier.weight"]
    save_file(weights, own / "model.safetensors", {"format": "pt"})
    sentence = rf"^The model lacks 1 of its weights, such as decode_head\.classifier\.weight: {own}; export or copy it again\.$"
    with pytest.raises(ModelError, match=sentence):
        load_model(own)


def test_a_model_of_other_classes(tmp_path: Path) -> None:
    config = architecture("b0")
    config.num_labels = 7
    save_model(SegformerForSemanticSegmentation(config), tmp_path / "other", RECIPE)
    with pytest.raises(ModelError, match=r"^The model has 7 classes: .*/other; use one with the 4 classes of this project\.$"):
        load_model(tmp_path / "other")


def test_without_a_recipe_the_default(own: Path) -> None:
    (own / "preprocessor_config.json").unlink()
    assert load_model(own)[1] == InputRecipe()


@pytest.mark.parametrize("content", ["{", "{}", '{"size": {"height": 100}, "image_mean": [0,0,0], "image_std": [1,1,1]}', "[]"])
def test_a_damaged_recipe(own: Path, content: str) -> None:
    (own / "preprocessor_config.json").write_text(content)
    sentence = (
        r"^The model's preprocessor_config\.json is not as expected: .*/preprocessor_config\.json; export the model again\.$"
    )
    with pytest.raises(ModelError, match=sentence):
        load_model(own)


def test_checkpoint_round_trip(model: SegformerForSemanticSegmentation, tmp_path: Path) -> None:
    again, recipe = load_checkpoint(write_checkpoint(tmp_path / "last.ckpt", model))
    assert recipe == RECIPE
    assert weights_hash(again) == weights_hash(model)
    assert not again.training


class Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def test_a_pickle_is_refused_and_its_code_is_never_run(model: SegformerForSemanticSegmentation, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    plain = tmp_path / "plain.ckpt"
    plain.write_bytes(pickle.dumps({"state_dict": Trap(trap)}))
    zipped = write_checkpoint(tmp_path / "zipped.ckpt", model, callbacks=Trap(trap))
    sentence = (
        r"^The checkpoint is damaged or a pickle, and is not loaded: .*; use a checkpoint that `python -m training fit` wrote; "
    )
    for path in (plain, zipped):
        with pytest.raises(ModelError, match=sentence):
            load_checkpoint(path)
    assert not trap.exists()
    pickle.loads(plain.read_bytes())["state_dict"].close()  # noqa: S301 - shows that the trap works
    assert trap.exists()


def test_a_pickle_in_the_model_folder_is_not_looked_at(own: Path, tmp_path: Path) -> None:
    (own / "model.safetensors").rename(tmp_path / "aside")
    trap = tmp_path / "sprung"
    torch.save({"x": Trap(trap)}, own / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"^The model's model\.safetensors is missing"):
        load_model(own)
    assert not trap.exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_a_damaged_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(ModelError, match=r"^The checkpoint is damaged or a pickle, and is not loaded: .*/a\.ckpt; "):
        read_checkpoint(tmp_path / "a.ckpt")


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^The checkpoint does not exist: .*/a\.ckpt; check the path, or train first\.$"):
        load_checkpoint(tmp_path / "a.ckpt")


def test_a_checkpoint_without_weights(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "a.ckpt")
    with pytest.raises(ModelError, match=r"^The checkpoint holds no weights: .*/a\.ckpt; use one that `fit` wrote\.$"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    "changes",
    [
        {"hyper_parameters": {}},
        {"state_dict": {}},
        {"state_dict": {"network.x": torch.ones(1)}},
        {"hyper_parameters": {"recipe": {"image_size": 100, "mean": [0, 0, 0], "std": [1, 1, 1]}, "architecture": {}}},
        {"hyper_parameters": {"recipe": {"image_size": "x", "mean": [], "std": []}, "architecture": {}}},
        {"hyper_parameters": 3},
    ],
)
def test_a_checkpoint_of_another_project(
    model: SegformerForSemanticSegmentation, tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", model, **changes)
    sentence = r"^The checkpoint is not one of this project: .*/a\.ckpt; use a checkpoint that `python -m training fit` wrote\.$"
    with pytest.raises(ModelError, match=sentence):
        load_checkpoint(path)


def test_the_weights_hash_changes_with_any_weight(model: SegformerForSemanticSegmentation, saved: Path) -> None:
    other, _ = load_model(saved)
    assert weights_hash(other) == weights_hash(model)
    with torch.no_grad():
        other.decode_head.classifier.bias[0] += 1e-3
    assert weights_hash(other) != weights_hash(model)


@pytest.mark.parametrize(("stride", "window"), [(0, "none"), (2, "none"), (0, "scan")])
def test_the_input_recipe_goes_with_the_model(
    model: SegformerForSemanticSegmentation, tmp_path: Path, stride: int, window: InputWindow
) -> None:
    recipe = replace(RECIPE, context_stride=stride, window=window)
    save_model(model, tmp_path / "model", recipe)
    assert load_model(tmp_path / "model")[1] == recipe
    stated = checkpoint_content(model, recipe)
    path = write_checkpoint(tmp_path / "a.ckpt", model, hyper_parameters=stated)
    assert load_checkpoint(path)[1] == recipe


def test_a_model_from_before_there_was_a_choice(own: Path) -> None:
    path = own / "preprocessor_config.json"
    content = json.loads(path.read_text())
    del content["context_stride"], content["window"]
    path.write_text(json.dumps(content))
    assert load_model(own)[1] == RECIPE


def test_a_window_that_is_not_known(own: Path) -> None:
    path = own / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"window": "slice"}))
    with pytest.raises(ModelError, match=r"^The model's preprocessor_config\.json is not as expected"):
        load_model(own)
