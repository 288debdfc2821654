"""nnU-Net v2's summary.json: its schema and its own arithmetic."""

import json
import math
from pathlib import Path

import numpy as np

from core.evaluation.nnunet_summary import Case, summary, write_summary
from core.metrics.overlap import confusion_per_slice

KEYS = {"Dice", "IoU", "FP", "TP", "FN", "TN", "n_pred", "n_ref"}


def case(reference: list[int], prediction: list[int]) -> Case:
    volumes = {"reference": np.array([[reference]], np.uint8), "prediction": np.array([[prediction]], np.uint8)}
    return Case("masks/a", "a.npy.zst", confusion_per_slice(**volumes).sum(axis=0))


def test_one_case_by_hand() -> None:
    content = summary([case([1, 1, 1, 0, 2], [1, 1, 0, 1, 0])], leak="unknown")
    (found,) = content["metric_per_case"]
    assert found["metrics"]["1"] == {
        "Dice": 4 / 6, "IoU": 2 / 4, "TP": 2, "FP": 1, "FN": 1, "TN": 1, "n_pred": 3, "n_ref": 3,
    }  # fmt: skip
    assert (found["reference_file"], found["prediction_file"]) == ("masks/a", "a.npy.zst")
    assert content["leak"] == "unknown"


def test_means_leave_out_cases_without_the_label_as_nnunet_does() -> None:
    content = summary([case([1, 2], [1, 0]), case([0, 2], [0, 2])], leak="unknown")
    assert content["mean"]["1"]["Dice"] == 1
    assert content["mean"]["1"]["TP"] == 0.5
    assert content["mean"]["2"]["Dice"] == 0.5
    assert math.isnan(content["mean"]["3"]["Dice"])
    assert math.isnan(content["foreground_mean"]["Dice"]), "numpy's mean over labels, as in nnU-Net"
    assert content["foreground_mean"]["TP"] == (0.5 + 0.5 + 0) / 3


def test_the_file_is_what_nnunet_s_reader_expects(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", summary([case([1, 2, 3], [1, 2, 0])], leak="patient-clean"))
    content = json.loads((tmp_path / "summary.json").read_text())
    assert {"metric_per_case", "mean", "foreground_mean"} <= content.keys()
    assert [int(label) for label in content["mean"]] == [1, 2, 3]
    for metrics in (content["foreground_mean"], *content["mean"].values(), *content["metric_per_case"][0]["metrics"].values()):
        assert metrics.keys() == KEYS
