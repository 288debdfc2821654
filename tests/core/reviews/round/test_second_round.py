"""A round taken out, trained on and taken up again: only the scans whose mask changed are asked for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config import InferenceConfig, InputRecipe, TrainingConfig
from core.data.index import DatasetIndex, load_index
from core.data.masks import read_label_volume
from core.errors import ConfigError
from core.reviews.__main__ import main
from core.reviews.corrections import save_correction, subject_of
from core.reviews.store.events import Verdict
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, Run, open_run
from core.storage.workspace import Workspace

RUN_1, RUN_2 = "first", "second"


def evaluated(workspace: Workspace, run: str, index: DatasetIndex) -> Evaluation:
    from core.evaluation.evaluate import evaluate
    from core.model.predictor import Predictor

    opened = open_run(workspace.run(run).root)
    return evaluate(opened, Predictor.load(opened.paths.model, InferenceConfig()), index, "train")


def least_dice(old: Evaluation, new: Evaluation, scan: str) -> float:
    """The smallest Dice of an organ between two predictions, counted on its own."""
    before, after = (read_label_volume(each.paths.mask(scan)) for each in (old, new))
    both = [(before == organ, after == organ) for organ in (1, 2, 3)]
    return min(2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in both if a.any() or b.any())


@pytest.mark.slow
def test_a_round_is_exported_trained_on_and_only_changed_scans_come_back(
    tiny_index: DatasetIndex,
    tiny_run: Run,
    tiny_training: TrainingConfig,
    recipe: InputRecipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from training.run.fit import fit

    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(tiny_run.paths.root, workspace.run(RUN_1).root)
    old = evaluated(workspace, RUN_1, tiny_index)
    scans = list(old.summary["scans"])
    store = ReviewStore.open(workspace.reviews_db)
    for scan in scans:
        store.add_verdict(subject_of(old, scan), reader="Dr A", verdict=Verdict.MINOR_EDITS)
    fixed = np.roll(tiny_index.scan("train", scans[0]).read_labels(), 3, axis=2)
    save_correction(workspace, store, old, scans[0], fixed, base="prediction", reader="Dr A", seconds=60)

    common = ["--workspace", str(workspace.root), "--run", RUN_1, "--evaluation", old.name]
    main(["export", *common, "--out", str(tmp_path / "out"), "--format", "csv,masks,rle"])
    corrected = load_index(tmp_path / "out" / "dataset")
    np.testing.assert_array_equal(corrected.scan("train", scans[0]).read_labels(), fixed)
    assert corrected.patients("valid") == tiny_index.patients("valid")
    assert {path.name for path in (tmp_path / "out").glob("*.csv")} >= {"verdicts.csv", "masks.csv"}

    fit(corrected, workspace.run(RUN_2), replace(tiny_training, model=str(workspace.run(RUN_1).model)), recipe)
    new = evaluated(workspace, RUN_2, tiny_index)
    changes = sorted((least_dice(old, new, scan), scan) for scan in scans)
    assert changes[0][0] < changes[1][0]
    amount = (changes[0][0] + changes[1][0]) / 2
    capsys.readouterr()
    main(["carry-over", *common, "--to_run", RUN_2, "--least_dice", str(amount), "--by", "Lead"])
    said = capsys.readouterr().out
    assert f"{len(scans) - 1} scans need no second look." in said
    assert f"1 scans to review, worst change first:\n  {changes[0][1]}: " in said
    reviews = store.reviews(run=RUN_2, evaluation=new.name)
    assert {scan for scan in scans if scan not in reviews or not reviews[scan].standing} == {changes[0][1]}
    store.close()

    main(["verify", "--workspace", str(workspace.root)])
    main(["agreement", *common])
    content = capsys.readouterr().out
    assert json.loads(content[content.index("{") :])["readers"] == ["Dr A"]
    main(["report", *common, "--out", str(tmp_path / "round.html")])
    main(["report", *common, "--scan", scans[0], "--out", str(tmp_path / "scan.html")])
    assert f"Scan {scans[0]}" in (tmp_path / "scan.html").read_text(encoding="utf-8")
    assert "Review of" in (tmp_path / "round.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("wanted", ["xml", "csv,xml", ""])
def test_an_unknown_format_is_one_sentence_and_writes_nothing(tmp_path: Path, wanted: str) -> None:
    words = ["--workspace", str(tmp_path), "--run", "r", "--evaluation", "e", "--out", str(tmp_path / "out")]
    with pytest.raises(ConfigError, match="This is no format to export to"):
        main(["export", *words, "--format", wanted])
    assert list(tmp_path.iterdir()) == []
