"""Trackers: losses every ten steps and scores every epoch go where the settings say, and nothing asks the network."""

import csv
import json
import os
import socket
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from core.config import InputRecipe, TrainingConfig
from core.data.index import DatasetIndex
from core.errors import ConfigError
from core.runs.registry import Run
from core.storage.workspace import RunPaths, Workspace
from training.run.fit import fit
from training.run.trackers import check_tracker, wandb_mode


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return Workspace(tmp_path / "workspace").run("new")


@pytest.fixture
def many_steps(tiny_training: TrainingConfig) -> TrainingConfig:
    """An epoch of 18 steps."""
    return replace(tiny_training, batch_size=1)


def test_csv_has_losses_every_ten_steps_and_scores_every_epoch(
    tiny_index: DatasetIndex, paths: RunPaths, many_steps: TrainingConfig, recipe: InputRecipe
):
    fit(tiny_index, paths, many_steps, recipe)
    with (paths.root / "tracker" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["step_loss"]] == [9]
    assert [int(row["step"]) for row in rows if row["valid_f1_organs"]] == [17]
    assert [float(row["lr-AdamW"]) for row in rows if row["lr-AdamW"]] == [1e-3]
    assert "Step 10: loss" in paths.log.read_text()


def test_tensorboard_gets_the_scores(tiny_index: DatasetIndex, paths: RunPaths, many_steps: TrainingConfig, recipe: InputRecipe):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(tiny_index, paths, replace(many_steps, tracker="tensorboard"), recipe)
    events = EventAccumulator(str(paths.root / "tracker" / "version_0")).Reload()
    assert [event.step for event in events.Scalars("step_loss")] == [9]
    assert len(events.Scalars("valid_f1_organs")) == 1


def test_no_tracker_leaves_no_folder(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    fit(tiny_index, paths, replace(tiny_training, tracker="none", max_steps=1), recipe)
    assert not (paths.root / "tracker").exists()
    assert paths.metrics.exists()


@pytest.mark.slow
def test_wandb_offline_has_the_validation_result_in_its_summary(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    import wandb

    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_ERROR_REPORTING", raising=False)
    looked_up = []
    look = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: (looked_up.append(host), look(host, *rest, **more))[1])
    summaries = []
    finish = wandb.finish
    monkeypatch.setattr("wandb.finish", lambda: (summaries.append(dict(wandb.run.summary)), finish()))
    result = fit(tiny_index, paths, replace(tiny_training, tracker="wandb"), recipe)
    (folder,) = (paths.root / "tracker" / "wandb").glob("offline-run-*")
    assert list(folder.glob("*.wandb"))
    assert summaries[0]["valid_f1_organs"] == pytest.approx(result.score, abs=1e-6)
    assert summaries[0]["valid_slices"] == 6
    assert [host for host in looked_up if host not in (None, "localhost", "127.0.0.1", "::1")] == []
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
    assert "Weights & Biases keeps the run offline" in paths.log.read_text()


def test_wandb_never_asks_for_a_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert wandb_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert wandb_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode() == "disabled"


@pytest.mark.parametrize("tracker", ["tensorboard", "wandb"])
def test_missing_library_is_one_sentence(tracker: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("training.run.trackers.find_spec", lambda name: None)
    sentence = rf"The tracker's library is not installed: {tracker}; pip install {tracker}, or choose another --tracker\.$"
    with pytest.raises(ConfigError, match=sentence):
        check_tracker(TrainingConfig(tracker=tracker))  # type: ignore[arg-type]


def test_settings_are_told_and_no_paths_of_data(tiny_run: Run, tiny_index: DatasetIndex):
    text = (tiny_run.paths.root / "tracker" / "version_0" / "hparams.yaml").read_text()
    assert set(asdict(TrainingConfig())) <= {line.split(":")[0] for line in text.splitlines()}
    assert str(tiny_index.root) not in text
    assert json.loads(tiny_run.paths.manifest.read_text())["seed"] == 42
