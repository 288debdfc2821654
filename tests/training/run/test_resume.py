"""Taking up a run again: it ends where it would have ended, whatever cut it off."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from core.cli.command import run_command
from core.config import InputRecipe, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.errors import ConfigError, DatasetError, ModelError, WorkspaceError
from core.model.segformer import load_checkpoint, weights_hash
from core.runs.registry import Run, RunStatus, read_status, write_status
from core.storage.files import read_json
from core.storage.workspace import RunPaths, Workspace
from tests.patience import outcome, wait_until
from training.__main__ import main
from training.model.module import MedicalSegmentationModel
from training.run.callbacks import RunRecorder
from training.run.fit import fit
from training.run.resume import check_resumable, read_config, read_last

ROOT = Path(__file__).parents[3]
NUMBERS = ["step", "learning_rate", "train_loss", "valid_loss", "valid_f1_organs", "valid_f1_with_background", "valid_slices"]


@pytest.fixture(scope="module")
def long(tiny_training: TrainingConfig) -> TrainingConfig:
    """Three epochs with everything that has a state of its own."""
    return replace(
        tiny_training, epochs=3, schedule="cosine", warmup_epochs=1.0, ema_decay=0.9, balanced=True, clip_norm=1.0, accumulate=2
    )


@pytest.fixture(scope="module")
def whole(
    tiny_index: DatasetIndex, long: TrainingConfig, recipe: InputRecipe, tmp_path_factory: pytest.TempPathFactory
) -> RunPaths:
    """That run, uninterrupted."""
    paths = Workspace(tmp_path_factory.mktemp("whole")).run("run")
    fit(tiny_index, paths, long, recipe)
    return paths


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return Workspace(tmp_path / "workspace").run("run")


def assert_same_end(resumed: RunPaths, whole: RunPaths) -> None:
    """Same steps, scores and weights, to the last digit: on one machine and by as many threads, nothing is in another order.

    A tolerance would not do: where a gradient is nearly nothing, AdamW's step follows its sign, and a last digit that is
    rounded otherwise becomes a whole step.
    """
    first, second = pd.read_csv(whole.metrics), pd.read_csv(resumed.metrics)
    assert second["epoch"].tolist() == first["epoch"].tolist()
    pd.testing.assert_frame_equal(first[NUMBERS], second[NUMBERS], check_exact=True)
    before, after = (torch.load(p.checkpoints / "last.ckpt", weights_only=True)["state_dict"] for p in (whole, resumed))
    assert [key for key in before if not torch.equal(before[key], after[key])] == []
    assert {p.name for p in resumed.checkpoints.iterdir()} == {p.name for p in whole.checkpoints.iterdir()}
    assert read_status(resumed).state == "finished"
    assert read_status(resumed).step == read_status(whole).step


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Breaks a training off before the step whose number, counted over everything, is put in the list."""
    step, plan = MedicalSegmentationModel.training_step, []
    done = 0

    def training_step(self: MedicalSegmentationModel, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        nonlocal done
        if done in plan:
            plan.clear()
            raise KeyboardInterrupt
        done += 1
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MedicalSegmentationModel, "training_step", training_step)
    return plan


@pytest.mark.parametrize("step", [0, 4])
def test_run_that_was_cut_off_ends_as_if_nothing_had_been(
    step: int,
    cut: list[int],
    tiny_index: DatasetIndex,
    paths: RunPaths,
    long: TrainingConfig,
    recipe: InputRecipe,
    whole: RunPaths,
):
    cut.append(step)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_index, paths, long, recipe)
    fit(tiny_index, paths, long, recipe, resume=True)
    assert_same_end(paths, whole)
    assert read_json(paths.manifest)["resumed"][0]["epoch"] == step // 3


def test_kill_between_the_best_checkpoint_and_the_last_loses_nothing(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    long: TrainingConfig,
    recipe: InputRecipe,
    whole: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
):
    from training.run.checkpoints import RunCheckpoint

    save_last = RunCheckpoint._save_last_checkpoint

    def cut_off(self: RunCheckpoint, trainer: object, candidates: dict[str, torch.Tensor]) -> None:
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        save_last(self, trainer, candidates)

    monkeypatch.setattr(RunCheckpoint, "_save_last_checkpoint", cut_off)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_index, paths, long, recipe)
    best = read_last(paths, RunStatus("stopped")).best
    assert len(pd.read_csv(paths.metrics)) == 2
    assert {path.name for path in paths.checkpoints.iterdir()} >= {best, "last.ckpt"}
    monkeypatch.undo()
    fit(tiny_index, paths, long, recipe, resume=True)
    assert_same_end(paths, whole)


def test_kill_after_the_last_epoch_leaves_only_the_export(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    limited = replace(tiny_training, max_steps=2)
    monkeypatch.setattr("training.run.fit.export", cut_off)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_index, paths, limited, recipe)
    monkeypatch.undo()
    assert not paths.model.exists()
    result = fit(tiny_index, paths, limited, recipe, resume=True)
    status = read_status(paths)
    assert (result.state, status.step, len(pd.read_csv(paths.metrics))) == ("finished", 2, 1)
    assert result.checkpoint is not None
    assert result.score is not None
    assert weights_hash(load_checkpoint(result.checkpoint)[0]) == weights_hash(
        load_checkpoint(paths.checkpoints / "last.ckpt")[0]
    )


def test_run_that_moved_is_taken_up(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    cut: list[int],
    tmp_path: Path,
):
    training = replace(tiny_training, epochs=2)
    cut.append(3)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_index, paths, training, recipe)
    moved = RunPaths(paths.root.rename(tmp_path / "elsewhere"))
    result = fit(tiny_index, moved, training, recipe, resume=True)
    assert result.checkpoint is not None
    assert result.checkpoint.parent == moved.checkpoints
    assert len(list(moved.checkpoints.iterdir())) == 2


def test_checkpoint_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from training.run.checkpoints import WholeFiles

    path = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"epoch": 1}, path)

    def cut_off(content: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr("torch.save", cut_off)
    with pytest.raises(KeyboardInterrupt):
        WholeFiles().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}


# What is refused


@pytest.fixture
def stopped(tiny_run: Run, tmp_path: Path) -> RunPaths:
    """A copy of a finished run that says it was stopped."""
    import shutil

    shutil.copytree(tiny_run.paths.root, tmp_path / "runs" / "tiny")
    copy = RunPaths(tmp_path / "runs" / "tiny")
    write_status(copy, RunStatus("stopped", epoch=2, epochs=2, step=6))
    return copy


def test_finished_run_says_so(tiny_run: Run):
    with pytest.raises(WorkspaceError, match="The run has finished already"):
        check_resumable(tiny_run.paths)


def test_run_that_is_going_is_left_alone(stopped: RunPaths):
    # The first process of the machine: alive, and neither this one nor the one that started it.
    write_status(stopped, RunStatus("running", pid=1))
    with pytest.raises(WorkspaceError, match=r"The run is still going.*process"):
        check_resumable(stopped)


def test_no_run_no_resumption(tmp_path: Path):
    with pytest.raises(WorkspaceError, match="There is no run to resume"):
        check_resumable(RunPaths(tmp_path))


def test_other_data_are_refused(stopped: RunPaths, own_dataset: Path):
    settings = read_config(stopped)
    training, recipe = settings.training, settings.input_recipe
    (own_dataset / "dataset.json").unlink()
    next((own_dataset / "train" / "masks").iterdir()).write_bytes(b"other")
    with pytest.raises(DatasetError, match="cannot be used"):
        fit(load_index(own_dataset), stopped, training, recipe, resume=True)


def test_changed_data_are_refused(stopped: RunPaths, own_dataset: Path):
    settings = read_config(stopped)
    training, recipe = settings.training, settings.input_recipe
    stem = next((own_dataset / "train" / "masks").iterdir()).stem
    for kind in ("images", "masks"):
        (own_dataset / "train" / kind / f"{stem}.png").unlink()
    before = stopped.status.read_bytes()
    with pytest.raises(DatasetError, match=r"not the one that the run began with \(split train\)"):
        fit(load_index(own_dataset), stopped, training, recipe, resume=True)
    assert stopped.status.read_bytes() == before


def test_damaged_checkpoint_is_refused(stopped: RunPaths):
    (stopped.checkpoints / "last.ckpt").write_bytes(b"PK half")
    with pytest.raises(ModelError, match="The checkpoint is damaged"):
        read_last(stopped, RunStatus("stopped"))


def test_settings_are_those_that_the_run_began_with(tiny_index: DatasetIndex, stopped: RunPaths):
    settings = read_config(stopped)
    training, recipe = settings.training, settings.input_recipe
    changed = replace(training, learning_rate=0.5, workers=1)
    with pytest.raises(ConfigError, match=r"own settings: learning_rate was 0\.001, not 0\.5; leave them out"):
        fit(tiny_index, stopped, changed, recipe, resume=True)


def test_command_takes_settings_from_the_run(stopped: RunPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["fit", "--resume", "tiny", "--workspace", str(tmp_path)]
    assert run_command(lambda: main([*words, "--epochs", "9", "--image-size", "32"])) == 2
    assert "epochs was 2, not 9; image_size was 64, not 32" in capsys.readouterr().err
    assert run_command(lambda: main([*words, "--run", "other"])) == 2
    assert "A resumed run keeps its name: --run other" in capsys.readouterr().err
    assert run_command(lambda: main([*words[:2], "none", *words[3:]])) == 2
    assert "There is no such run: none" in capsys.readouterr().err
    assert run_command(lambda: main([*words, "--workers", "0"])) == 0
    assert "Resuming after 2 of 2 epochs, step 6." in capsys.readouterr().out


# As processes of their own


def _start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "training", "fit", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


SETTINGS = """
model: b0
image_size: 64
workers: 1
accelerator: cpu
threads: 1
batch_size: 6
epochs: 5
ema_decay: 0.9
schedule: cosine
warmup_epochs: 1
balanced: true
onnx: false
"""


def test_a_cosine_that_ends_with_the_time_goes_on_where_it_was(
    cut: list[int],
    tiny_index: DatasetIndex,
    tmp_path: Path,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    """Three steps and 20 s an epoch: of 50 epochs a minute has room for 3, which is known from the second on."""
    whole, resumed = (Workspace(tmp_path / name).run("run") for name in ("whole", "resumed"))

    def spent_s(self: RunRecorder) -> float:
        return 20.0 * (len(pd.read_csv(self.metrics.path)) if self.metrics.path.exists() else 0)

    monkeypatch.setattr(RunRecorder, "_spent_s", spent_s)
    limited = replace(tiny_training, epochs=50, schedule="cosine", max_minutes=1)
    fit(tiny_index, whole, limited, recipe)
    rates = pd.read_csv(whole.metrics)["learning_rate"] / limited.learning_rate
    # The first step of an epoch has the rate that was chosen before the epoch's time was known.
    assert rates.tolist() == pytest.approx([1, cosine(3 / 150), cosine(6 / 9)])
    last = torch.load(whole.checkpoints / "last.ckpt", weights_only=True)
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(0)
    cut.append(16)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_index, resumed, limited, recipe)
    fit(tiny_index, resumed, limited, recipe, resume=True)
    assert_same_end(resumed, whole)


def cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


@pytest.mark.slow
def test_sigkill_in_the_middle_changes_nothing(tiny_index: DatasetIndex, tmp_path: Path):
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    common = ["--data", tiny_index.root, "--workspace", tmp_path, "--config", tmp_path / "settings.yaml"]
    whole, killed = (RunPaths(tmp_path / "runs" / name) for name in ("whole", "killed"))
    process = _start(*common, "--run", "killed")
    # After its second of five epochs, anywhere in what follows: no state is waited for, since any must do.
    wait_until(lambda: process.poll() is not None or (killed.metrics.exists() and len(pd.read_csv(killed.metrics)) >= 2))
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert read_status(killed).state == "failed"
    process = _start("--resume", "killed", "--workspace", tmp_path)
    assert run_command(lambda: main([str(word) for word in ["fit", *common, "--run", "whole"]])) == 0
    out, err = outcome(process)
    assert (process.returncode, err) == (0, ""), out
    assert_same_end(killed, whole)
    assert json.loads(killed.manifest.read_text())["resumed"][0]["epoch"] in (1, 2, 3, 4)
