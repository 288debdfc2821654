"""What is wrong with a run, before it is started."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from core.errors import ConfigError, WorkspaceError
from core.runs.plan import model_of, plan_run
from core.runs.registry import RunStatus, write_status
from core.runs.settings import read_settings
from core.storage.workspace import Workspace

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
QUICK = {"model": "b0", "image_size": 64, "epochs": 2}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def dataset(tmp_path: Path, write_pairs) -> Path:
    folder = tmp_path / "pairs"
    write_pairs(folder / "train", ["case1_day0_slice_0001", "case1_day0_slice_0002"])
    write_pairs(folder / "valid", ["case2_day0_slice_0001"])
    return folder


def test_a_run_with_nothing_wrong(workspace: Workspace, dataset: Path) -> None:
    plan = plan_run(workspace, "r1", dataset, RECIPES / "quick.yaml", QUICK)
    assert (plan.problems, plan.warnings) == ((), ())
    assert plan.leak.text == "patient-clean"
    assert plan.settings is not None
    assert (plan.settings.training.model, plan.settings.training.epochs) == ("b0", 2)
    # Eight copies of 3.7 million float32 weights, and three cached slices of 64×64 pixels with their labels.
    assert plan.disk_bytes == 8 * 4 * 3_700_000 + 3 * 64 * 64 * 2


def test_everything_that_is_wrong_at_once(workspace: Workspace, tmp_path: Path) -> None:
    write_status(workspace.run("r1"), RunStatus("finished"))
    plan = plan_run(workspace, "r1", tmp_path / "nowhere", None, {"batch_size": 0, "epochs": -1})
    settings, name, data = plan.problems
    assert "batch_size 0" in settings
    assert "epochs -1" in settings
    assert name == "There is a run of this name already: r1; choose another name."
    assert str(tmp_path / "nowhere") in data
    assert (plan.settings, plan.leak.text) == (None, "unknown")


def test_a_name_that_leaves_the_folder(workspace: Workspace, dataset: Path) -> None:
    assert plan_run(workspace, "../r1", dataset, None, QUICK).problems[0].startswith("This is no run: ../r1; ")


def test_patients_on_both_sides_are_told(workspace: Workspace, dataset: Path, write_pairs) -> None:
    write_pairs(dataset / "valid", ["case1_day9_slice_0001"])
    plan = plan_run(workspace, "r1", dataset, None, QUICK)
    sentence = "The scores will carry the badge leaked (1 of 2 patients): patients of the training split are validated on."
    assert (plan.problems, plan.warnings) == ((), (sentence,))


def test_no_validation_split(workspace: Workspace, dataset: Path) -> None:
    shutil.rmtree(dataset / "valid")
    problems = plan_run(workspace, "r1", dataset, None, QUICK).problems
    assert len(problems) == 1
    assert "valid" in problems[0]


def test_a_full_disk(workspace: Workspace, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 500_000_000))
    (problem,) = plan_run(workspace, "r1", dataset, None, QUICK).problems
    assert problem.startswith("The disk is too full: 0.1 GB needed, 0.5 GB free in ")


def test_a_large_model_without_a_gpu_and_a_tracker_without_a_key(
    workspace: Workspace, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    slow, offline = plan_run(workspace, "r1", dataset, None, QUICK | {"model": "b4", "tracker": "wandb"}).warnings
    assert slow == "There is no GPU here, and b4 takes seconds a slice on a processor; b0 is the quickest."
    assert offline.startswith("WANDB_API_KEY is not set: ")


def test_weights_of_another_run(workspace: Workspace, dataset: Path) -> None:
    paths = workspace.run("first")
    write_status(paths, RunStatus("finished"))
    with pytest.raises(WorkspaceError, match=r"^The run has no model to start from: first; choose a finished one\.$"):
        model_of(workspace, "first")
    gone = QUICK | {"model": str(paths.model)}
    assert plan_run(workspace, "r1", dataset, None, gone).problems[0].startswith("The model's folder has no model.safetensors: ")
    paths.model.mkdir()
    (paths.model / "model.safetensors").write_bytes(bytes(1000))
    assert model_of(workspace, "first") == str(paths.model)
    assert plan_run(workspace, "r1", dataset, None, gone).disk_bytes == 8 * 1000 + 3 * 64 * 64 * 2


def test_settings_are_those_of_fit() -> None:
    settings = read_settings(RECIPES / "course.yaml", {"epochs": 7})
    assert (settings.training.epochs, settings.training.cache, settings.input_recipe.image_size) == (7, False, 288)
    with pytest.raises(ConfigError, match="nowhere"):
        read_settings(Path("/nowhere/recipe.yaml"), {})
