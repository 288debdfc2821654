"""The embedded demo's run: small, in half precision, and with nothing of the machine that made it."""

from pathlib import Path

import pytest

from core.config import InputRecipe, PhantomConfig
from core.model.segformer import load_model
from core.runs.registry import open_run
from core.runs.settings import read_settings
from training.tools import demo_weights
from training.tools.demo_weights import RECIPE


def test_recipe_parses():
    settings = read_settings(RECIPE, {})
    training, recipe = settings.training, settings.input_recipe
    assert (training.model, recipe) == ("b0", InputRecipe(image_size=192))
    assert training.max_minutes is None  # a slower machine makes the same weights
    assert not training.onnx


@pytest.mark.slow
def test_demo_run_is_complete_and_anonymous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_weights, "PATIENTS", PhantomConfig(first_patient=101, patients=2, slices=8, size=64))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: b0\nimage_size: 64\nmax_steps: 1\nworkers: 0\naccelerator: cpu\nonnx: false\n")
    out = tmp_path / "demo_run"
    demo_weights.main(["--out", str(out), "--config", str(recipe), "--patients", "2"])
    run = open_run(out)
    assert run.status is not None
    assert (run.status.state, run.has_model, len(run.metrics())) == ("finished", True, 1)
    assert load_model(run.paths.model)[1] == InputRecipe(image_size=64)
    assert sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) < demo_weights.MAX_BYTES
    for path in (run.paths.config, run.paths.manifest, run.paths.status, run.paths.model / "config.json"):
        assert "/" not in path.read_text().replace("gutcheck-run/1", "")
