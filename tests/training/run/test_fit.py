"""A run from start to end: what it leaves on disk, how it stops, how it fails."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import training.run.fit as module
from core.config import InferenceConfig, InputRecipe, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.errors import BusyError, ConfigError, DatasetError, ModelError, WorkspaceError
from core.evaluation.evaluate import evaluate
from core.labels import ORGANS
from core.model.predictor import Predictor
from core.model.segformer import load_checkpoint, load_model, weights_hash
from core.runs.registry import Run, RunStatus, open_run, read_status, write_status
from core.storage.files import read_json
from core.storage.locks import locked
from core.storage.workspace import RunPaths, Workspace
from tests.rounding import rounding_of
from training.run.callbacks import COLUMNS
from training.run.checkpoints import RunCheckpoint
from training.run.fit import fit
from training.run.record import RunLog
from training.run.trainer import build_trainer, optional_callbacks


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return Workspace(tmp_path / "workspace").run("new")


def test_finished_run_has_every_file(tiny_run: Run):
    assert tiny_run.problem == ""
    assert tiny_run.has_model
    assert tiny_run.status is not None
    assert (tiny_run.status.state, tiny_run.status.epoch, tiny_run.status.step) == ("finished", 2, 6)
    assert tiny_run.status.pid == os.getpid()
    names = {path.name for path in tiny_run.paths.root.iterdir()} - {"evaluations"}
    files = {"config.yaml", "manifest.json", "status.json", "metrics.csv", "train.log"}
    assert names == files | {"checkpoints", "learning", "model", "tracker"}


def test_metrics_have_a_row_an_epoch(tiny_run: Run):
    table = tiny_run.metrics()
    assert tuple(table.columns) == COLUMNS
    assert table["epoch"].tolist() == [1, 2]
    assert table["train_loss"].between(0, 5).all()
    organs = table[["valid_dice_stomach", "valid_dice_small_bowel", "valid_dice_large_bowel"]]
    # Each of the four numbers, from 0 to 1, was rounded to single precision.
    assert np.allclose(organs.mean(axis=1), table["valid_f1_organs"], rtol=0, atol=2 * 2**-24)


def test_manifest_tells_what_the_run_saw(tiny_run: Run, tiny_index: DatasetIndex):
    manifest = tiny_run.manifest()
    assert manifest is not None
    assert manifest["dataset"]["name"] == "tiny"
    train, valid = manifest["splits"]["train"], manifest["splits"]["valid"]
    assert (len(train["patients"]), train["slices"], len(train["files"])) == (3, 18, 36)
    assert set(train["patients"]).isdisjoint(valid["patients"])
    assert train["files"] == tiny_index.file_hashes("train")
    assert {"python", "torch", "transformers"} <= manifest["versions"].keys()


def test_hashes_are_made_where_the_data_set_states_none(
    own_dataset: Path, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    stated = read_json(own_dataset / "dataset.json")["files"]
    (own_dataset / "dataset.json").unlink()
    fit(load_index(own_dataset), paths, replace(tiny_training, max_steps=1), recipe)
    splits = read_json(paths.manifest)["splits"]
    assert splits["train"]["files"] | splits["valid"]["files"] == stated


def test_settings_can_be_read_back(tiny_run: Run, tiny_index: DatasetIndex):
    settings = yaml.safe_load(tiny_run.paths.config.read_text())
    assert settings["data"] == str(tiny_index.root.resolve())
    assert (settings["model"], settings["epochs"], settings["image_size"]) == ("b0", 2, 64)


def test_best_checkpoint_is_what_is_exported(tiny_run: Run):
    table = tiny_run.metrics()
    best = next(path for path in tiny_run.paths.checkpoints.glob("epoch=*.ckpt"))
    row = table.loc[table["valid_f1_organs"].idxmax()]
    assert best.stem == f"epoch={row['epoch'] - 1:03.0f}-loss={row['valid_loss']:.4f}-f1={row['valid_f1_organs']:.4f}"
    assert weights_hash(load_model(tiny_run.paths.model)[0]) == weights_hash(load_checkpoint(best)[0])


def test_log_names_no_patient(tiny_run: Run):
    text = tiny_run.paths.log.read_text()
    assert "Epoch 2/2" in text
    assert "Weights: random" in text
    assert "case" not in text


def test_pooled_score_agrees_with_the_evaluation(tiny_run: Run, tiny_index: DatasetIndex, tmp_path: Path):
    """One validation scan, at the network's own size: pooling over pixels and scoring the scan are then the same."""
    run = Run("copy", RunPaths(tmp_path / "copy"), None)
    done = evaluate(run, Predictor.load(tiny_run.paths.model), tiny_index, "valid")
    best = tiny_run.metrics()["valid_f1_organs"].max()
    network, recipe = load_model(tiny_run.paths.model)
    scan = tiny_index.scans("valid")[0]
    tied = rounding_of(network, recipe, scan.read_image()[:, None]).tied[0]
    assert tied.mean() < 0.01
    # Batches of other sizes may turn what is tied: a pixel more or less of an organ moves its Dice, 2 hits / (reference +
    # prediction), by 2 / reference at most; and the number was rounded to single precision.
    moves = [2 * tied.sum() / np.count_nonzero(scan.read_labels() == organ.id) for organ in ORGANS]
    assert done.summary["all_organs"]["dice"] == pytest.approx(best, abs=np.mean(moves) + 2**-24)


def test_same_seed_same_numbers(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe, tiny_run: Run
):
    fit(tiny_index, paths, tiny_training, recipe)
    # On one machine, by as many threads: nothing is in another order, and so nothing is rounded otherwise.
    again, first = pd.read_csv(paths.metrics).iloc[0], tiny_run.metrics().iloc[0]
    assert again["train_loss"] == first["train_loss"]


def test_stop_request_ends_after_the_present_step(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    write_status(paths, RunStatus("queued"))
    paths.stop_request.touch()
    # Early stopping, as the baseline has it, has no score to look at yet, which is no reason to fail.
    result = fit(tiny_index, paths, replace(tiny_training, epochs=50, patience=3), recipe)
    status = read_status(paths)
    assert (result.state, result.checkpoint) == ("stopped", None)
    assert (status.state, status.step) == ("stopped", 1)
    assert not paths.stop_request.exists()


def test_step_limit_still_validates(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    result = fit(tiny_index, paths, replace(tiny_training, epochs=50, max_steps=2), recipe)
    assert result.state == "finished"
    assert result.checkpoint is not None
    assert read_status(paths).step == 2


def test_time_limit_ends_after_the_epoch(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    fit(tiny_index, paths, replace(tiny_training, epochs=50, max_minutes=1e-6), recipe)
    assert len(pd.read_csv(paths.metrics)) == 1
    assert read_status(paths).state == "finished"


def test_damaged_data_leaves_no_run(
    own_dataset: Path,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    damage: Callable[[Path], Path],
):
    index = load_index(own_dataset)
    path = damage(index.scans("valid")[0].slices[2].image)
    with pytest.raises(DatasetError, match=path.name):
        fit(index, paths, tiny_training, recipe)
    assert not paths.root.exists()


def test_queued_run_is_told_why_it_failed(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    write_status(paths, RunStatus("queued"))
    with pytest.raises(ModelError, match="neither here nor can it be fetched"):
        fit(tiny_index, paths, replace(tiny_training, model="nonsense"), recipe)
    status = read_status(paths)
    assert status.state == "failed"
    assert "nonsense" in status.message


def test_unknown_class_fails_the_run_and_stays_out_of_the_log(
    own_dataset: Path, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    from core.data.images import write_png

    index = load_index(own_dataset)
    mask = index.scans("train")[0].slices[0].mask
    write_png(mask, np.full((64, 64), 7, np.uint8))
    with pytest.raises(DatasetError, match="unknown class 7"):
        fit(index, paths, replace(tiny_training, cache=False), recipe)
    status = read_status(paths)
    assert (status.state, mask.name in status.message) == ("failed", True)
    assert "case" not in paths.log.read_text()


def test_surprise_is_recorded_with_its_traceback(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("by nobody")

    monkeypatch.setattr("training.model.module.MedicalSegmentationModel.training_step", break_down)
    with pytest.raises(ZeroDivisionError, match="by nobody"):
        fit(tiny_index, paths, tiny_training, recipe)
    assert read_status(paths).state == "failed"
    assert "Traceback" in paths.log.read_text()


def test_interrupt_is_recorded_as_stopped(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.model.module.MedicalSegmentationModel.training_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_index, paths, tiny_training, recipe)
    assert read_status(paths).state == "stopped"


def test_run_of_that_name_is_not_touched(
    tiny_index: DatasetIndex, tiny_training: TrainingConfig, recipe: InputRecipe, tiny_run: Run
):
    before = tiny_run.paths.status.read_bytes()
    with pytest.raises(WorkspaceError, match="There is a run of that name already"):
        fit(tiny_index, tiny_run.paths, tiny_training, recipe)
    assert tiny_run.paths.status.read_bytes() == before


def test_a_lock_that_is_not_got_changes_nobody_s_status(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    """Two begin with one name at once: the first has the lock and its folder, the second has waited for too long."""
    monkeypatch.setattr(module, "runs_locked", lambda runs: locked(runs / ".runs.lock", patience_s=0.1))
    log, status = RunLog(), module.StatusFile(paths, epochs=1)
    with locked(paths.root.parent / ".runs.lock"):
        write_status(paths, RunStatus("running", message="The first one's.").of_this_process())
        before = paths.status.read_bytes()
        with pytest.raises(BusyError), module._recorded(status, log):
            module.begin(status, log, tiny_index, tiny_training, recipe)
    assert paths.status.read_bytes() == before


def test_unknown_accelerator_is_refused(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    with pytest.raises(ConfigError, match="no such accelerator: abacus"):
        fit(tiny_index, paths, replace(tiny_training, accelerator="abacus"), recipe)
    assert not paths.root.exists()


def test_continuing_from_an_exported_model(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe, tiny_run: Run
):
    start = replace(tiny_training, model=str(tiny_run.paths.model))
    fit(tiny_index, paths, start, recipe)
    assert open_run(paths.root).metrics()["train_loss"][0] < tiny_run.metrics()["train_loss"][0]


@pytest.mark.slow
def test_a_finished_run_has_an_onnx_file_of_its_weights(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    fit(tiny_index, paths, replace(tiny_training, max_steps=1, onnx=True), recipe)
    predictor = Predictor.load(paths.model, InferenceConfig(device="cpu", engine="onnx"))
    assert predictor.weights_hash == weights_hash(load_model(paths.model)[0])
    assert read_status(paths).state == "finished"


def test_an_export_that_fails_does_not_fail_the_run(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("core.model.onnx_export.load_model", lambda folder: 1 / 0)
    fit(tiny_index, paths, replace(tiny_training, max_steps=1, onnx=True), recipe)
    assert read_status(paths).state == "finished"
    assert "There is no model.onnx (ZeroDivisionError); prediction uses torch." in paths.log.read_text()
    assert Predictor.load(paths.model).engine.name == "torch"


def test_log_keeps_what_was_said_before_it_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = RunLog()
    log.say("early")
    log.open(tmp_path / "train.log")
    log.say("late")
    log.close()
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["early", "late"]
    assert capsys.readouterr().out == "early\nlate\n"


def test_status_is_json_without_nan(tiny_run: Run):
    assert json.loads(tiny_run.paths.status.read_text())["remaining_s"] is None


def test_learning_rate_and_count_stand_in_the_metrics(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    training = replace(tiny_training, epochs=3, schedule="multistep", milestones=(1, 2), tracker="none")
    fit(tiny_index, paths, training, recipe)
    table = pd.read_csv(paths.metrics)
    assert table["learning_rate"].tolist() == pytest.approx([1e-3, 1e-4, 1e-5])
    assert table["valid_slices"].tolist() == [6, 6, 6]


def test_exported_model_is_the_average(
    tiny_index: DatasetIndex, paths: RunPaths, tiny_training: TrainingConfig, recipe: InputRecipe
):
    fit(tiny_index, paths, replace(tiny_training, ema_decay=0.9, tracker="none"), recipe)
    content = torch.load(paths.checkpoints / "last.ckpt", weights_only=True)
    name = "network.decode_head.classifier.weight"
    averaged, current = content["state_dict"][name], content["current_model_state"][name]
    exported = load_model(paths.model)[0].state_dict()[name.removeprefix("network.")]
    assert torch.equal(exported, averaged)
    assert not torch.equal(exported, current)


def test_run_ends_when_nothing_gets_better(
    tiny_index: DatasetIndex,
    paths: RunPaths,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    monkeypatch: pytest.MonkeyPatch,
):
    scores = dict.fromkeys(["valid_f1_organs", "valid_dice_stomach", "valid_dice_small_bowel", "valid_dice_large_bowel"], 0.5)
    monkeypatch.setattr("training.model.module.organ_scores", lambda counts: scores)
    fit(tiny_index, paths, replace(tiny_training, epochs=50, patience=2, tracker="none"), recipe)
    assert len(pd.read_csv(paths.metrics)) == 3
    assert read_status(paths).state == "finished"


def test_trainer_takes_the_settings(paths: RunPaths, tiny_training: TrainingConfig):
    training = replace(tiny_training, accumulate=4, clip_norm=0.5, quick=True, epochs=100, patience=3, ema_decay=0.9)
    trainer = build_trainer(training, paths, [])
    assert (trainer.accumulate_grad_batches, trainer.gradient_clip_val, trainer.max_epochs) == (4, 0.5, 5)
    assert (trainer.precision, trainer.log_every_n_steps, trainer.num_devices) == ("32-true", 10, 1)
    names = [type(each).__name__ for each in optional_callbacks(training)]
    assert names == ["MovingAverage", "EarlyStopping", "LearningRateMonitor"]
    assert optional_callbacks(replace(TrainingConfig(), tracker="none")) == []


def test_mixed_precision_is_for_a_gpu_alone(paths: RunPaths, tiny_training: TrainingConfig, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr("training.run.trainer.pl.Trainer", lambda **options: asked.append(options["precision"]))
    for there in (True, False):
        monkeypatch.setattr("torch.cuda.is_available", partial(bool, there))
        for accelerator in ("auto", "gpu", "cpu"):
            build_trainer(replace(tiny_training, accelerator=accelerator), paths, [])
    assert asked == ["16-mixed", "16-mixed", "32-true"] + ["32-true"] * 3


def test_best_checkpoint_is_by_validation_score_and_named_after_it(paths: RunPaths):
    best = RunCheckpoint(paths)
    assert (best.monitor, best.mode, best.save_top_k, best.save_last) == ("valid_f1_organs", "max", 1, True)
    values = {"epoch": torch.tensor(3), "valid_loss": torch.tensor(0.5), "valid_f1_organs": torch.tensor(0.25)}
    assert Path(best.format_checkpoint_name(values)).name == "epoch=003-loss=0.5000-f1=0.2500.ckpt"


def test_quick_run_makes_five_epochs_at_most():
    assert TrainingConfig(quick=True).planned_epochs == 5
    assert TrainingConfig(quick=True, epochs=2).planned_epochs == 2
    assert TrainingConfig().planned_epochs == 100
