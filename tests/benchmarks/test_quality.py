"""The Dice to expect, for real: the embedded demo's model on 60 phantom patients that it never saw, 30 to fit and 30 to check.

Minutes on two cores; run by ``make bench``. Other evaluations are checked by ``figures``.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import InferenceConfig, PhantomConfig, SplitConfig
from core.data.index import load_index
from core.data.prepare.phantoms import prepare_phantom
from core.evaluation.evaluate import evaluate
from core.evaluation.expected_dice import KEYS, fit_quality
from core.model.onnx_export import export_onnx
from core.model.predictor import Predictor
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import CARRIED_RUN, Workspace
from tests.estimates import estimates

PHANTOMS = PhantomConfig(patients=60, first_patient=201, slices=36)
"""The demo's model was trained on patients 101 to 124."""


def figures(fit: Evaluation, check: Evaluation) -> pd.DataFrame:
    """Of a model fitted on one evaluation, its errors on another of other patients: a row for each organ."""
    known, slices = fit.scans(), check.slices()
    fitted = fit_quality(fit.slices(), known)
    assert fitted is not None, "too few patients"
    assert not set(known["patient"]) & set(slices["patient"])
    found = estimates(fitted[0], slices).merge(check.scans()[[*KEYS, "dice"]], on=KEYS).dropna(subset=["dice", "expected_dice"])
    means = found["organ"].map(known.groupby("organ")["dice"].mean())
    found["off"], found["off_by_mean"] = (found["expected_dice"] - found["dice"]).abs(), (means - found["dice"]).abs()
    found["inside"] = found["dice"].between(found["expected_dice_low"], found["expected_dice_high"])
    groups = found.groupby("organ", sort=False)
    table = groups[["dice", "off", "off_by_mean", "inside"]].mean()
    table["correlation"] = [np.corrcoef(rows["expected_dice"], rows["dice"])[0, 1] for _, rows in groups]
    table["scans"] = groups.size()
    return table


@pytest.mark.benchmark
def test_the_estimate_on_patients_it_was_not_fitted_on(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    split = SplitConfig(valid_fraction=0.5)
    prepare_phantom(workspace.dataset("many"), config=PHANTOMS, split=split, progress=lambda *_: None)
    run = open_run(Path(shutil.copytree(CARRIED_RUN, workspace.run("demo").root)))
    export_onnx(run.paths.model)
    predictor, index = Predictor.load(run.paths.model, InferenceConfig(device="cpu")), load_index(workspace.dataset("many"))
    fit, check = (evaluate(run, predictor, index, split) for split in ("train", "valid"))
    table = figures(fit, check)
    left_out = {key: value for key, value in fit.summary["expected_dice"].items() if key not in ("method", "weights")}
    print(f"\nleft out inside one evaluation: {left_out}\non the other 30 patients:\n{table.round(3).to_string()}")
    assert table["off"].mean() < table["off_by_mean"].mean()
    assert table["inside"].mean() > 0.8
