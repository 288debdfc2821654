"""Prediction by ONNX Runtime: the same classes as torch, only ever with the weights it was made from, and without torch."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from core.config import InferenceConfig, InputRecipe
from core.data.images import FULL_8BIT
from core.errors import ConfigError, ModelError
from core.labels import ORGANS
from core.model import onnx_export
from core.model.context import neighbours
from core.model.folder import ONNX, RECIPE, WEIGHTS
from core.model.onnx_engine import OnnxEngine, best_class, probabilities
from core.model.onnx_export import DeployedSegformer, export_onnx, sample_planes
from core.model.predictor import Predictor, may_use_gpu
from core.model.segformer import load_model, save_model, weights_hash
from core.model.torch_engine import TorchEngine
from core.onnx_export import main
from tests.patience import WAIT_S
from tests.rounding import OTHER_ORDERS, PROBABILITY_ERROR, Rounding, both, rounding_of

CPU = InferenceConfig(device="cpu", batch_size=4)
ROOT = Path(__file__).parents[3]
INPUT = InputRecipe(64, (0.2, 0.3, 0.4), (0.5, 0.6, 0.7), context_stride=1)


def small_network() -> SegformerForSemanticSegmentation:
    """One block a level and a few channels, with a batch norm that has seen something, and all classes predicted."""
    torch.manual_seed(0)
    config = SegformerConfig(hidden_sizes=[8, 16, 20, 32], depths=[1, 1, 1, 1], decoder_hidden_size=16, num_labels=4)
    network = SegformerForSemanticSegmentation(config).eval()
    norm = network.decode_head.batch_norm
    for tensor in (norm.running_mean, norm.bias.data):
        torch.nn.init.normal_(tensor)
    for tensor in (norm.running_var, norm.weight.data):
        torch.nn.init.uniform_(tensor, 0.5, 2.0)
    classifier = network.decode_head.classifier
    torch.nn.init.normal_(classifier.weight, std=10.0)
    with torch.inference_mode():
        logits = DeployedSegformer(network, INPUT)(torch.from_numpy(sample_planes(INPUT)))
    classifier.bias.data -= logits.mean(dim=(0, 2, 3))
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder with its model.onnx; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    save_model(small_network(), folder, INPUT)
    assert export_onnx(folder) == folder / ONNX
    return folder


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    """The same, for a test that changes it."""
    return Path(shutil.copytree(exported, tmp_path / "model"))


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    smooth = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(53, 71, 7)), (0, 0), 5)
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return np.ascontiguousarray((scaled * 255).astype(np.uint8).transpose(2, 0, 1))


@pytest.fixture(scope="module")
def rounding(exported: Path, volume: np.ndarray) -> Rounding:
    """What may differ between two engines: few pixels, and less than one in 255 of a probability."""
    shown = Predictor.load(exported, CPU).network_input(volume, FULL_8BIT, neighbours(range(len(volume)), INPUT.context_stride))
    found = rounding_of(load_model(exported)[0], INPUT, shown)
    assert found.tied.mean() < 0.01
    assert 255 * 2 * found.probability < 1
    return found


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_same_classes_as_torch(exported: Path, volume: np.ndarray, rounding: Rounding, flips: bool, batch_size: int) -> None:
    config = replace(CPU, flips=flips, batch_size=batch_size)
    ours, theirs = (Predictor.load(exported, replace(config, engine=engine)) for engine in ("onnx", "torch"))
    assert (ours.engine.name, theirs.engine.name) == ("onnx", "torch")
    labels, confidence = both(ours.predict_scan(volume))
    expected, expected_confidence = both(theirs.predict_scan(volume))
    assert len(np.unique(labels)) > 2
    clear = ~rounding.at(volume.shape[1:], flips=flips)
    np.testing.assert_array_equal(labels[clear], expected[clear])
    # The best probability is off by less than 1 of 255 also where there is a tie, so that it is rounded to the same number or
    # the next; means of such numbers, rounded again, differ by 1 at most.
    np.testing.assert_allclose(confidence.astype(int), expected_confidence.astype(int), rtol=0, atol=1)


def test_slices_on_threads_of_their_own_find_the_very_same(exported: Path, volume: np.ndarray) -> None:
    one, two = (Predictor.load(exported, replace(CPU, threads=threads)) for threads in (1, 2))
    two.predict_slice(volume[0])
    assert two.engine.lanes == 1, "a single slice is divided between the threads"
    expected, found = one.predict_scan(volume), two.predict_scan(volume)
    assert (one.engine.lanes, two.engine.lanes) == (1, 2)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.certain, expected.certain)
    np.testing.assert_array_equal(found.confidence.absent, expected.confidence.absent)


def test_a_file_that_was_replaced_meanwhile_is_not_mixed_in(model: Path, volume: np.ndarray) -> None:
    predictor = Predictor.load(model, replace(CPU, threads=2))
    expected, _ = predictor.predict_slice(volume[2], between=(volume[1], volume[3]))
    (model / ONNX).write_bytes(b"something else")
    found = predictor.predict_scan(volume).labels
    (model / ONNX).unlink()
    again = predictor.predict_scan(volume).labels
    assert predictor.engine.lanes == 1
    np.testing.assert_array_equal(found[2], expected)
    np.testing.assert_array_equal(again, found)


def test_the_same_confidence_as_torch(exported: Path, volume: np.ndarray, rounding: Rounding) -> None:
    """Mirror images agree as well, and the best place of an organ that is not drawn is as probable."""
    config = replace(CPU, flip_agreement=True)
    ours, theirs = (Predictor.load(exported, replace(config, engine=engine)).predict_scan(volume) for engine in ("onnx", "torch"))
    # A pixel is one pair of classes with each of three mirror images. Where it is tied in the slice or in that image, it may
    # leave a cell of the table for another: two counts.
    may_turn = rounding.tied[0] | rounding.tied[1:]
    assert np.abs(ours.confidence.mirrored - theirs.confidence.mirrored).sum() <= 2 * may_turn.sum()
    # Means over the pixels of a class: of those drawn by both, each differs by 1 of 255 at most (see above); those in ties
    # may be in the one mean alone, and a mean over n numbers in [0, 1] moves by 1 / n with each.
    tied = rounding.at(volume.shape[1:]).sum(axis=(1, 2))
    for organ in ORGANS:
        drawn = np.minimum(*(np.sum(each.labels == organ.id, axis=(1, 2)) for each in (ours, theirs)))
        known = drawn > tied
        assert known.any(), organ.name
        differs = np.abs(ours.confidence.drawn - theirs.confidence.drawn)[:, organ.id - 1]
        assert (differs[known] <= 1 / 255 + tied[known] / drawn[known]).all()
    # Where neither draws the organ: the highest of probabilities that are each off by so much, in the one and in the other.
    absent = np.abs(ours.confidence.absent - theirs.confidence.absent)
    assert np.nanmax(absent, initial=0) <= 2 * rounding.probability
    plain = Predictor.load(exported, CPU).predict_scan(volume)
    np.testing.assert_array_equal(plain.labels, ours.labels)
    assert plain.confidence.mirrored is None
    total = ours.confidence.mirrored.sum(axis=(0, 2, 3))
    assert total.tolist() == [volume.shape[0] * 64 * 64] * 3


def test_it_says_whose_weights_it_has(exported: Path) -> None:
    network, recipe = load_model(exported)
    predictor = Predictor.load(exported, CPU)
    assert (predictor.engine.name, predictor.recipe) == ("onnx", recipe)
    assert predictor.weights_hash == weights_hash(network)


def test_the_rearranged_head_is_the_same_function() -> None:
    network = small_network()
    planes = torch.from_numpy(sample_planes(INPUT))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (INPUT.mean, INPUT.std))
    with torch.inference_mode():
        expected = network(pixel_values=(planes / 255 - mean) / std).logits
        single = DeployedSegformer(network, INPUT)(planes)
        exact = network.double()(pixel_values=(planes.double() / 255 - mean.double()) / std.double()).logits
    # Each is off by what its own order of single precision's roundings makes of the sums, see `tests.rounding`.
    error = float((expected.double() - exact).abs().max())
    assert error < 1e-4 * float(exact.abs().max())
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=OTHER_ORDERS * error)


@pytest.mark.parametrize("changed", [WEIGHTS, RECIPE])
def test_a_file_of_other_weights_or_another_recipe_is_never_used(model: Path, changed: str) -> None:
    network, recipe = load_model(model)
    if changed == WEIGHTS:
        network.decode_head.classifier.bias.data += 1
    save_model(network, model, recipe if changed == WEIGHTS else replace(recipe, mean=(0.0, 0.0, 0.0)))
    predictor = Predictor.load(model, CPU)
    assert predictor.engine.name == "torch"
    assert predictor.weights_hash == weights_hash(network)
    with pytest.raises(ModelError, match=r"^There is no model\.onnx of these weights: .*; run: python -m core\.onnx_export"):
        Predictor.load(model, replace(CPU, engine="onnx"))


def test_a_damaged_file_is_not_used(model: Path, damage: Callable[[Path], Path]) -> None:
    damage(model / ONNX)
    assert OnnxEngine.open(model, CPU) is None
    assert Predictor.load(model, CPU).engine.name == "torch"


def test_what_disagrees_with_torch_is_not_kept(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (model / ONNX).read_bytes()
    monkeypatch.setattr(onnx_export, "_written", lambda *_: before)
    network, recipe = load_model(model)
    network.decode_head.classifier.weight.data *= -1
    save_model(network, model, recipe)
    (model / ONNX).unlink()
    with pytest.raises(ModelError, match=r"^ONNX Runtime disagrees with torch in \d+\.\d+% of the pixels"):
        export_onnx(model)
    assert not (model / ONNX).exists()


def test_a_network_that_prefers_no_class_agrees_with_torch(tmp_path: Path) -> None:
    """Every pixel is a tie there, and which class wins is a matter of the last digit alone."""
    network, folder = small_network(), tmp_path / "model"
    network.decode_head.classifier.weight.data *= 1e-7
    network.decode_head.classifier.bias.data.mul_(1e-7).add_(1.0)
    save_model(network, folder, INPUT)
    assert export_onnx(folder).is_file()
    engines = OnnxEngine.open(folder, CPU), TorchEngine(network, INPUT, CPU)
    ours, theirs = (engine.best(sample_planes(INPUT)) for engine in engines)
    assert (ours.labels != theirs.labels).sum() > 4


def test_torch_is_not_imported(exported: Path) -> None:
    program = f"""
import sys, numpy
from pathlib import Path
from core.config import InferenceConfig
from core.model.predictor import Predictor
predictor = Predictor.load(Path({str(exported)!r}), InferenceConfig(device="cpu"))
predictor.predict_scan(numpy.zeros((3, 40, 50), numpy.uint8))
print(predictor.engine.name, len(predictor.weights_hash), "torch" in sys.modules)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert (done.stdout.strip(), done.stderr) == ("onnx 64 False", "")


def test_probabilities_are_torch_s() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32) * 4
    large = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], size=64, mode="bilinear", align_corners=False)
    # Enlarging weighs four logits, of 20 at most, in single precision: roundings of 20 * 2**-24 each; and the exponentials'.
    assert np.abs(logits).max() < 20
    np.testing.assert_allclose(
        probabilities(logits, 64), large[0].softmax(0).numpy(), rtol=0, atol=8 * 20 * 2**-24 + PROBABILITY_ERROR
    )


def test_of_equal_classes_the_first_wins() -> None:
    shares = np.array([[0.1, 0.2], [0.1, 0.4], [0.4, 0.0], [0.4, 0.4]], np.float32)[:, None]
    labels, certain = best_class(shares)
    assert (labels.tolist(), certain.tolist()) == ([[2, 1]], [[102, 102]])


def test_a_checkpoint_has_no_onnx(exported: Path) -> None:
    with pytest.raises(ModelError, match=r"^There is no model\.onnx of these weights"):
        Predictor.load(exported / "last.ckpt", replace(CPU, engine="onnx"))


def test_onnx_is_for_a_cpu() -> None:
    with pytest.raises(ConfigError, match="engine onnx predicts on a cpu, but device says cuda"):
        InferenceConfig(engine="onnx", device="cuda")


def test_a_gpu_that_is_asked_for_is_used() -> None:
    assert (may_use_gpu("cpu"), may_use_gpu("cuda:1"), may_use_gpu("mps")) == (False, True, True)
    assert may_use_gpu("auto") >= torch.cuda.is_available()


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "export_onnx", lambda folder: folder / ONNX)
    main(["some/model"])
    assert capsys.readouterr().out == "Written: some/model/model.onnx\n"
    with pytest.raises(ConfigError, match=r"^Something is missing: model; see python -m core\.onnx_export --help\.$"):
        main([])
