"""Prediction: repeatable, at the slice's own size, and the same however it is batched."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from transformers import SegformerForSemanticSegmentation

from core.config import InferenceConfig, InputRecipe
from core.data.images import FULL_8BIT, Window, volume_window
from core.errors import ConfigError, ModelError
from core.model.context import neighbours
from core.model.predictor import Predictor
from core.model.segformer import architecture, checkpoint_content, save_model, weights_hash
from core.model.torch_engine import choose_device
from tests.rounding import Rounding, both, rounding_of

RECIPE = InputRecipe(64, (0.2, 0.3, 0.4), (0.5, 0.6, 0.7))
CPU = InferenceConfig(device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def model() -> SegformerForSemanticSegmentation:
    torch.manual_seed(0)
    model = SegformerForSemanticSegmentation(architecture("b0")).eval()
    torch.nn.init.normal_(model.decode_head.classifier.weight, std=1.0)  # so that all classes are predicted
    return model


@pytest.fixture(scope="module")
def predictor(model: SegformerForSemanticSegmentation) -> Predictor:
    return Predictor(model, RECIPE, CPU)


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    smooth = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(53, 71, 5)), (0, 0), 5)
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return np.ascontiguousarray((scaled * 255).astype(np.uint8).transpose(2, 0, 1))


def rounding_in(predictor: Predictor, volume: np.ndarray, window: Window = FULL_8BIT) -> Rounding:
    """What may differ between kernels: few pixels, and less than one in 255 of a probability."""
    shown = predictor.network_input(volume, window, neighbours(range(len(volume)), predictor.recipe.context_stride))
    found = rounding_of(predictor.engine.model, predictor.recipe, shown)
    assert found.tied.mean() < 0.01
    assert 255 * 2 * found.probability < 1
    return found


@pytest.fixture(scope="module")
def clear(predictor: Predictor, volume: np.ndarray) -> np.ndarray:
    """Pixels of the volume whose class no rounding decides, (Z, H, W) bool; see `tests.rounding`."""
    return ~rounding_in(predictor, volume).at(volume.shape[1:])


def test_odd_sizes_are_kept(predictor: Predictor, volume: np.ndarray) -> None:
    labels, confidence = both(predictor.predict_scan(volume))
    assert labels.shape == confidence.shape == (5, 53, 71)
    assert labels.dtype == confidence.dtype == np.uint8


def test_only_known_classes_and_more_than_one(predictor: Predictor, volume: np.ndarray) -> None:
    labels = predictor.predict_scan(volume).labels
    assert {0, 1, 2, 3} >= set(np.unique(labels).tolist())
    assert len(np.unique(labels)) > 1


def test_confidence_is_that_of_the_best_of_four(predictor: Predictor, volume: np.ndarray) -> None:
    confidence = predictor.predict_scan(volume).certain
    assert confidence.min() >= 63
    assert confidence.max() > confidence.min()


def test_the_same_input_gives_the_same_result(predictor: Predictor, volume: np.ndarray) -> None:
    first, again = both(predictor.predict_scan(volume)), both(predictor.predict_scan(volume.copy()))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_the_batch_size_does_not_change_the_result(
    model, predictor: Predictor, volume: np.ndarray, clear: np.ndarray, batch_size: int
) -> None:
    other = Predictor(model, RECIPE, InferenceConfig(device="cpu", batch_size=batch_size))
    labels, confidence = both(other.predict_scan(volume))
    expected_labels, expected_confidence = both(predictor.predict_scan(volume))
    np.testing.assert_array_equal(labels[clear], expected_labels[clear])
    # A probability that is off by less than 1 of 255 is rounded to the same number or the next, and means of such, rounded
    # again, differ by 1 at most.
    np.testing.assert_allclose(confidence.astype(int), expected_confidence.astype(int), rtol=0, atol=1)


def test_a_slice_alone_is_the_slice_of_the_volume(predictor: Predictor, volume: np.ndarray, clear: np.ndarray) -> None:
    labels, confidence = predictor.predict_slice(volume[2])
    expected, expected_confidence = both(predictor.predict_scan(volume))
    np.testing.assert_array_equal(labels[clear[2]], expected[2][clear[2]])
    np.testing.assert_allclose(confidence.astype(int), expected_confidence[2].astype(int), rtol=0, atol=1)


def test_the_steps_recoded(model, predictor: Predictor, volume: np.ndarray, clear: np.ndarray) -> None:
    """Resize, scale, normalise each channel, predict, upsample, best class, nearest: written out once more."""
    plane = cv2.resize(volume[0], (64, 64), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    channels = np.stack([(plane - mean) / std for mean, std in zip(RECIPE.mean, RECIPE.std, strict=True)])
    with torch.inference_mode():
        logits = model(pixel_values=torch.from_numpy(channels)[None]).logits
    large = torch.nn.functional.interpolate(logits, size=(64, 64), mode="bilinear", align_corners=False)[0]
    best = large.argmax(0).numpy()
    rows, columns = (np.arange(side) for side in (53, 71))
    # The pixel that the centre lies in; centres on an edge between two pixels (no rounding rule) are left out.
    rows, columns = rows[(2 * rows + 1) * 64 % 106 > 0], columns[(2 * columns + 1) * 64 % 142 > 0]
    expected = best[np.ix_((2 * rows + 1) * 64 // 106, (2 * columns + 1) * 64 // 142)]
    labels, _ = predictor.predict_slice(volume[0])
    chosen = np.ix_(rows, columns)
    np.testing.assert_array_equal(labels[chosen][clear[0][chosen]], expected[clear[0][chosen]])


def test_16_bit_scans_are_seen_under_the_window_of_the_whole_scan(predictor: Predictor, volume: np.ndarray) -> None:
    deep = volume.astype(np.uint16) * 13 + 40
    labels, confidence = both(predictor.predict_scan(deep))
    windowed = both(predictor.predict_scan(volume_window(deep).apply(deep)))
    np.testing.assert_array_equal(labels, windowed[0])
    np.testing.assert_array_equal(confidence, windowed[1])


def test_8_bit_scans_are_windowed_where_the_recipe_says_so(model, predictor: Predictor, volume: np.ndarray) -> None:
    """A volume by its own percentiles, and a single picture by the picture's."""
    dark = volume // 3
    windowing = Predictor(model, replace(RECIPE, window="scan"), CPU)
    bright = volume_window(dark).apply(dark)
    assert bright.max() > 2 * dark.max()
    np.testing.assert_array_equal(windowing.predict_scan(dark).labels, predictor.predict_scan(bright).labels)
    alone = volume_window(dark[1]).apply(dark[1])
    assert not np.array_equal(alone, bright[1])
    np.testing.assert_array_equal(windowing.predict_slice(dark[1])[0], predictor.predict_slice(alone)[0])


def test_a_window_of_one_s_own(predictor: Predictor, volume: np.ndarray) -> None:
    window = Window(20, 200)
    windowed = predictor.predict_scan(window.apply(volume)).labels
    np.testing.assert_array_equal(predictor.predict_scan(volume, window).labels, windowed)


def test_loads_a_model_folder_and_a_checkpoint(
    model, predictor: Predictor, volume: np.ndarray, clear: np.ndarray, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model", RECIPE)
    state = {f"network.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": checkpoint_content(model, RECIPE)}, tmp_path / "last.ckpt")
    expected = predictor.predict_scan(volume[:1]).labels
    for source in (tmp_path / "model", tmp_path / "last.ckpt"):
        loaded = Predictor.load(source, CPU)
        assert loaded.recipe == RECIPE
        assert loaded.weights_hash == weights_hash(model)
        # Weights that lie elsewhere in memory may be summed in another order.
        np.testing.assert_array_equal(loaded.predict_scan(volume[:1]).labels[clear[:1]], expected[clear[:1]])


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^The model's config\.json is missing"):
        Predictor.load(tmp_path)


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["tpu", "", "cuda:0" if not torch.cuda.is_available() else "xpu"])
def test_a_device_that_is_not_here(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^There is no such device on this machine: {name}; use one of: auto, cpu"):
        choose_device(name)


def test_context_shows_the_neighbours(model, volume: np.ndarray) -> None:
    """Three channels, recoded for one slice in the middle; numbers with a gap pick others."""
    recipe = InputRecipe(64, RECIPE.mean, RECIPE.std, context_stride=2)
    predictor = Predictor(model, recipe, CPU)
    channels = np.asarray([[0, 2, 4]])
    shown = predictor.network_input(volume, FULL_8BIT, channels)
    assert shown.shape == (1, 3, 64, 64)
    for channel, z in enumerate((0, 2, 4)):
        np.testing.assert_array_equal(shown[0, channel], cv2.resize(volume[z], (64, 64), interpolation=cv2.INTER_LINEAR))
    labels = predictor.predict_scan(volume).labels
    between, _ = predictor.predict_slice(volume[2], between=(volume[0], volume[4]))
    clear = ~rounding_in(predictor, volume).at(volume.shape[1:])[2]
    np.testing.assert_array_equal(labels[2][clear], between[clear])
    # By their numbers the third has no neighbours: it stands alone.
    apart = predictor.predict_scan(volume, numbers=[1, 2, 30, 50, 51]).labels
    alone, _ = predictor.predict_slice(volume[2])
    stands_alone = np.stack([volume[2]] * 5)
    clear_alone = ~rounding_in(predictor, stands_alone).at(volume.shape[1:])[2]
    np.testing.assert_array_equal(apart[2][clear_alone], alone[clear_alone])
    # Also where no rounding decides, the neighbours do.
    assert (labels[2] != alone)[clear & clear_alone].any()


class LeftIsStomach(torch.nn.Module):
    """Calls the left half stomach (probability 0.7) and the right half background, whatever it is shown, but surely
    colon (0.9) wherever the picture is bright."""

    def forward(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        chances = torch.zeros(len(pixel_values), 4, *pixel_values.shape[2:])
        half = pixel_values.shape[3] // 2
        chances[:, 1, :, :half], chances[:, 0, :, :half] = 0.7, 0.3
        chances[:, 0, :, half:], chances[:, 1, :, half:] = 0.8, 0.2
        bright = pixel_values[:, 0] > 0.9
        sure = torch.tensor([0.05, 0.05, 0.0, 0.9])
        chances = torch.where(bright[:, None], sure[None, :, None, None], chances)
        return SimpleNamespace(logits=chances.clamp_min(1e-9).log())


def test_flips_average_the_mirror_images() -> None:
    """By hand: the halves' 0.7 and 0.2 for stomach average to 0.45, below background's 0.55; what follows the picture stays."""
    recipe, image = InputRecipe(64, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), np.zeros((64, 64), np.uint8)
    image[10:20, 5:25] = 255
    model = LeftIsStomach()
    plain, _ = Predictor(model, recipe, CPU).predict_slice(image)
    labels, confidence = Predictor(model, recipe, replace(CPU, flips=True)).predict_slice(image)
    colon = image == 255
    assert (plain[:, :32][~colon[:, :32]] == 1).all()
    assert (labels == np.where(colon, 3, 0)).all()
    np.testing.assert_array_equal(np.unique(confidence[~colon]), [round(0.55 * 255)])
    np.testing.assert_array_equal(np.unique(confidence[colon]), [round(0.9 * 255)])
