"""The four-panel figure: what stands in each panel, and which slices it shows."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from core.cli.command import run_command
from core.config import InputRecipe, TrainingConfig
from core.data.images import FULL_8BIT
from core.data.index import DatasetIndex
from core.errors import DatasetError, ModelError
from core.imaging.overlay import blend, num_to_rgb
from core.model.predictor import Predictor
from core.runs.registry import Run
from core.storage.workspace import RunPaths
from training.__main__ import main
from training.model.module import MedicalSegmentationModel
from training.run.panels import GAP, HEAD, choose_slices, inference_and_visualize, load_best, panel_side

SIDE = panel_side(64)

CPU = torch.device("cpu")


def _panels(figure: np.ndarray, row: int) -> list[np.ndarray]:
    """The four panels of a row, at the network's 64 pixels."""
    top = row * (HEAD + SIDE + GAP) + HEAD
    lefts = [place * (SIDE + GAP) for place in range(4)]
    return [cv2.resize(figure[top : top + SIDE, left : left + SIDE], (64, 64), interpolation=cv2.INTER_NEAREST) for left in lefts]


def test_panels_are_image_reference_prediction_and_overlay(tiny_run: Run, tiny_index: DatasetIndex):
    scan = tiny_index.scans("valid")[0]
    names = [scan.slices[4].image.stem, scan.slices[1].image.stem]
    figure = inference_and_visualize(load_best(tiny_run.paths.root, CPU), tiny_index, names, opacity=0.3, batch_size=1)
    assert figure.shape == (2 * (HEAD + SIDE + GAP) + HEAD, 4 * (SIDE + GAP), 3)
    labels = Predictor.load(tiny_run.paths.model).predict_scan(scan.read_image(), FULL_8BIT).labels
    for row, place in enumerate((4, 1)):
        image, reference, prediction, overlay = _panels(figure, row)
        pixels, mask = scan.slices[place].read()
        assert np.array_equal(image, np.dstack([pixels] * 3))
        assert np.array_equal(reference, num_to_rgb(mask))
        assert (prediction != num_to_rgb(labels[place])).any(axis=-1).mean() < 0.001
        predicted = np.argmax((prediction[:, :, None] == num_to_rgb(np.arange(4, dtype=np.uint8))).all(axis=-1), axis=-1)
        assert np.array_equal(overlay, blend(pixels, predicted.astype(np.uint8), opacity=0.3))


def test_overlay_is_the_weighted_addition_of_opencv(tiny_index: DatasetIndex):
    pixels, mask = tiny_index.scans("valid")[0].slices[0].read()
    mixed = cv2.addWeighted(np.dstack([pixels] * 3), 0.7, num_to_rgb(mask), 0.3, 0)
    ours = blend(pixels, mask, opacity=0.3)
    assert np.abs(ours.astype(int) - mixed)[mask > 0].max() <= 1
    assert np.array_equal(ours[mask == 0], np.dstack([pixels] * 3)[mask == 0])


def test_panels_are_large_enough_to_see():
    assert [panel_side(size) for size in (32, 64, 192, 288, 512)] == [288, 320, 384, 288, 512]


def test_draw_is_seeded(tiny_index: DatasetIndex):
    first = choose_slices(tiny_index, "train", count=5, seed=1)
    assert first == choose_slices(tiny_index, "train", count=5, seed=1)
    assert first != choose_slices(tiny_index, "train", count=5, seed=2)
    assert len(set(first)) == 5
    assert len(choose_slices(tiny_index, "valid", count=100)) == 6


def test_unknown_slice_is_named(tiny_index: DatasetIndex):
    with pytest.raises(DatasetError, match=r"Split 'valid' has no such slice: nothing; names look like case"):
        choose_slices(tiny_index, "valid", names=["nothing"])


def test_context_of_the_model_is_used(tiny_index: DatasetIndex):
    from transformers import SegformerForSemanticSegmentation

    from core.model.segformer import architecture

    torch.manual_seed(0)
    network = SegformerForSemanticSegmentation(architecture("b0"))
    recipe = InputRecipe(image_size=64, context_stride=2)
    model = MedicalSegmentationModel.of(network, recipe=recipe, training=TrainingConfig()).eval()
    scan = tiny_index.scans("valid")[0]
    figure = inference_and_visualize(model, tiny_index, [scan.slices[3].image.stem])
    assert np.array_equal(_panels(figure, 0)[0][..., 0], scan.slices[3].read()[0])


def test_run_without_checkpoint_is_refused(tiny_run: Run, tmp_path: Path):
    shutil.copytree(tiny_run.paths.root, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(ModelError, match="The run has no checkpoint"):
        load_best(tmp_path / "run", CPU)
    (RunPaths(tmp_path / "run").checkpoints).mkdir()
    (RunPaths(tmp_path / "run").checkpoints / "epoch=000.ckpt").write_bytes(b"PK")
    with pytest.raises(ModelError, match="The checkpoint cannot be loaded"):
        load_best(tmp_path / "run", CPU)


def test_command_writes_the_picture(tiny_run: Run, tiny_index: DatasetIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["show", "--run", tiny_run.paths.root, "--data", tiny_index.root, "--out"]

    def run(*more: object) -> int:
        return run_command(lambda: main([str(word) for word in [*words, *more]]))

    assert run(tmp_path / "a.png", "--count", "2") == 0
    assert f"Picture: {tmp_path / 'a.png'}" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "a.png")).shape == (2 * (HEAD + SIDE + GAP) + HEAD, 4 * (SIDE + GAP), 3)
    best = next(tiny_run.paths.checkpoints.glob("epoch=*.ckpt"))
    name = tiny_index.scans("train")[0].slices[0].image.stem
    assert run(tmp_path / "b.png", "--slices", name, "--split", "train", "--run", best) == 0
    assert f"Slices: {name}\n" in capsys.readouterr().out
    for more, sentence in [
        ([tmp_path / "c.jpg"], "The picture is to be a PNG file"),
        ([tmp_path / "c.png", "--count", "0"], "There is nothing to show: --count 0"),
        ([tmp_path / "c.png", "--run", "none.ckpt"], "The checkpoint does not exist: none.ckpt"),
    ]:
        assert run(*more) == 2
        assert capsys.readouterr().err.startswith(sentence)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
