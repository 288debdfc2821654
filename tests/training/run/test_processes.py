"""Several processes: signals to the whole group, and training on two of them at once."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import training.run.fit
from core.cli.command import run_command
from core.config import InputRecipe, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.data.prepare.pairs import prepare_pairs
from core.errors import ConfigError, WorkspaceError
from core.runs.registry import Run, RunStatus, read_status, write_status
from core.runs.status import stored_status
from core.storage.processes import ProcessIdentity
from core.storage.workspace import RunPaths, Workspace
from tests.conftest import write_pairs
from tests.patience import outcome, wait_until
from training.__main__ import main
from training.data.datamodule import MedicalSegmentationDataModule
from training.data.dataset import collate
from training.data.order import SeededSampler
from training.model.module import MedicalSegmentationModel
from training.run.arguments import choose_run
from training.run.ranks import RANKS, RUN_VARIABLE, is_first, rank
from training.run.resume import read_config
from training.run.trainer import quiet

ROOT = Path(__file__).parents[3]
TINY_FIT = ["--model", "b0", "--image_size", "64", "--accelerator", "cpu", "--tracker", "none", "--onnx=false", "--threads", "1"]


def _start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "training", "fit", *map(str, words)]
    environment = {key: value for key, value in os.environ.items() if key not in (*RANKS, RUN_VARIABLE)}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait_for(paths: RunPaths, process: subprocess.Popen[str], epoch: int) -> None:
    wait_until(lambda: process.poll() is not None or (paths.status.exists() and read_status(paths).epoch >= epoch), str(paths))


@pytest.mark.slow
def test_sigterm_to_the_whole_group_is_an_orderly_stop(tiny_index: DatasetIndex, tmp_path: Path):
    words = ["--data", tiny_index.root, "--run", "long", "--workspace", tmp_path, "--epochs", "5000", "--workers", "2"]
    process, paths = _start(*words, *TINY_FIT), RunPaths(tmp_path / "runs" / "long")
    _wait_for(paths, process, 1)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = outcome(process)
    assert (process.returncode, err) == (130, "Stopped.\n")
    assert "Stopping after this step" in out
    assert read_status(paths).state == "stopped"
    assert (paths.model / "model.safetensors").is_file()


def test_rank_is_what_the_launcher_says(monkeypatch: pytest.MonkeyPatch):
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    assert (rank(), is_first()) == (0, True)
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert (rank(), is_first()) == (3, False)
    monkeypatch.setenv("RANK", "0")
    assert is_first()


def test_processes_agree_on_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    workspace = Workspace(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"need a name for their run; add --run NAME\."):
        choose_run(workspace, None, "b0")
    monkeypatch.delenv("WORLD_SIZE")
    first = choose_run(workspace, None, "b0")
    first.root.mkdir(parents=True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert choose_run(workspace, None, "b0") == first


def test_strategy_that_copies_the_model_is_refused():
    with pytest.raises(ConfigError, match=r"ddp_spawn copies a model that cannot be copied to another process \(use ddp\)"):
        TrainingConfig(strategy="ddp_spawn")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    """21 slices to train on and 7 to validate on: neither can be halved."""
    folder = tmp_path_factory.mktemp("uneven")
    prepare_pairs(write_pairs(folder / "source", slices=7), folder / "set", spacing_mm=(3.0, 1.5, 1.5), split=_split())
    return load_index(folder / "set")


def _split():
    from core.config import SplitConfig

    return SplitConfig(valid_fraction=0.25)


@pytest.mark.slow
def test_two_processes_make_the_steps_and_the_score_of_one(uneven: DatasetIndex, tmp_path: Path):
    """21 slices shared out to two are 11 each, 6 batches of 2: 3 steps an epoch at 2 batches a step."""
    words = ["--data", uneven.root, "--workspace", tmp_path, "--run", "two", "--devices", "2", "--workers", "0"]
    words += ["--epochs", "2", "--batch_size", "2", "--accumulate", "2", "--ema_decay", "0.5", "--balanced", "true"]
    process, paths = _start(*words, *TINY_FIT), RunPaths(tmp_path / "runs" / "two")
    out, err = outcome(process)
    assert (process.returncode, err) == (0, "")
    assert out.count("Epoch 2/2") == out.count("Best checkpoint") == 1
    table = pd.read_csv(paths.metrics)
    assert table["step"].tolist() == [3, 6]
    assert table["valid_slices"].tolist() == [7, 7]
    assert paths.log.read_text().count("Finished.") == 1

    settings = read_config(paths)
    training, recipe = settings.training, settings.input_recipe
    model = MedicalSegmentationModel.load_from_checkpoint(paths.checkpoints / "last.ckpt", map_location="cpu", weights_only=True)
    alone = _validate(model, uneven, training, recipe)
    last = table.iloc[-1]
    # The very batches that the two made, so that the same kernels find the same classes; scores are then the same counts'. Of
    # single precision, a number and a sum of four losses keep 2**-24 with each step.
    for name in ("valid_f1_organs", "valid_f1_with_background", "valid_dice_small_bowel", "valid_slices", "valid_loss"):
        assert alone[name] == pytest.approx(last[name], rel=8 * 2**-24), name


@pytest.mark.slow
def test_started_by_torchrun(uneven: DatasetIndex, tmp_path: Path):
    """As docs/training.md says: torchrun takes ``--run`` for an option of its own unless ``--`` stands before ours."""
    words = ["--data", uneven.root, "--workspace", tmp_path, "--run", "two", "--devices", "2", "--workers", "0"]
    words += ["--epochs", "1", "--batch_size", "2", *TINY_FIT]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    environment = {key: value for key, value in os.environ.items() if key not in (*RANKS, RUN_VARIABLE)}
    command = [*launcher, "training", "fit", *map(str, words)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    out, err = outcome(process)
    assert process.returncode == 0, err
    assert out.count("Epoch 1/1") == out.count("Best checkpoint") == 1
    paths = RunPaths(tmp_path / "runs" / "two")
    assert read_status(paths).state == "finished"
    assert pd.read_csv(paths.metrics)[["step", "valid_slices"]].to_numpy().tolist() == [[6, 7]]


class _SharesOfTwo(MedicalSegmentationDataModule):
    """Validation batches as two processes make them, one's after the other's: a batch's Dice loss depends on what is in it."""

    def val_dataloader(self) -> DataLoader[Any]:
        count, size = len(self.datasets["valid"]), self.training.batch_size
        shares = [list(SeededSampler(count, seed=0, shuffle=False, rank=rank, world=2, even=False)) for rank in (0, 1)]
        batches = [share[start : start + size] for share in shares for start in range(0, len(share), size)]
        return DataLoader(self.datasets["valid"], batch_sampler=batches, collate_fn=collate)


def _validate(
    model: MedicalSegmentationModel, index: DatasetIndex, training: TrainingConfig, recipe: InputRecipe
) -> dict[str, float]:
    data = _SharesOfTwo(index, training=training, recipe=recipe)
    torch.set_num_threads(training.threads or 1)
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
            use_distributed_sampler=False, enable_model_summary=False,
        )  # fmt: skip
        return trainer.validate(model, datamodule=data, verbose=False)[0]  # type: ignore[no-any-return]


def test_impossible_devices_are_one_sentence(tiny_index: DatasetIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["fit", "--data", tiny_index.root, "--workspace", tmp_path, *TINY_FIT, "--devices", "0"]
    assert run_command(lambda: main([str(word) for word in words])) == 2
    assert capsys.readouterr().err.startswith("This machine has no such accelerator: cpu, 0; use one of")


@pytest.mark.parametrize("resume", [False, True])
def test_of_two_who_begin_the_same_run_the_later_leaves_it_alone(
    tiny_index: DatasetIndex, tiny_run: Run, tiny_training: TrainingConfig, recipe: InputRecipe, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, resume: bool,
):  # fmt: skip
    """The other one begins while this one's network is being built."""
    paths = RunPaths(tmp_path / "runs" / "same")
    if resume:
        shutil.copytree(tiny_run.paths.root, paths.root)
        write_status(paths, RunStatus("stopped"))
        settings = read_config(paths)
        tiny_training, recipe = settings.training, settings.input_recipe
    others = RunStatus("running", message="the other's").of_process(ProcessIdentity.of(os.getppid()))
    build = training.run.fit._build

    def slow_build(*words: object, **options: object) -> object:
        write_status(paths, others)
        return build(*words, **options)

    monkeypatch.setattr(training.run.fit, "_build", slow_build)
    monkeypatch.setattr(os, "getppid", lambda: 1)  # whoever queued this process may be the one at work
    with pytest.raises(WorkspaceError, match="The run is still going" if resume else "There is a run of that name already"):
        training.run.fit.fit(tiny_index, paths, tiny_training, recipe, resume=resume)
    assert (stored_status(paths).message, stored_status(paths).state) == ("the other's", "running")
