"""A run trained on the course's split says so: its scores carry the badge, wherever they are shown."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import InferenceConfig, InputRecipe, SplitConfig, TrainingConfig
from core.data.index import load_index
from core.data.prepare.pairs import prepare_pairs
from core.evaluation.evaluate import evaluate
from core.model.predictor import Predictor
from core.model.segformer import load_model
from core.runs.registry import open_run
from core.storage.workspace import Workspace
from training.run.fit import fit


@pytest.mark.slow
def test_a_run_on_shuffled_slices_is_called_leaked(pairs_source: Path, tmp_path: Path, tiny_training: TrainingConfig):
    """On the way, what else goes with a run: its context into the exported model, the mirror images into the evaluation."""
    split = SplitConfig(split_by="slice", valid_fraction=0.34)
    made = prepare_pairs(pairs_source, tmp_path / "set", split=split)
    assert made.patients == {"train": 4, "valid": 4}
    assert "patients are on both sides" in json.loads((made.root / "dataset.json").read_text())["split"]
    index, recipe = load_index(made.root), InputRecipe(image_size=64, context_stride=1)
    result = fit(index, Workspace(tmp_path / "w").run("leaky"), replace(tiny_training, max_steps=1), recipe)
    run = open_run(result.paths.root)
    assert load_model(run.paths.model)[1] == recipe
    predictor = Predictor.load(run.paths.model, InferenceConfig(device="cpu", flips=True))
    done = evaluate(run, predictor, index, "valid")
    assert done.badge.text == "leaked (4 of 4 patients)"
    assert done.summary["inference"] == {
        "engine": "torch",
        "flips": True,
        "flip_agreement": False,
        "context_stride": 1,
        "window": "none",
    }
    assert run.manifest()["dataset"]["split"] == made.manifest.split
