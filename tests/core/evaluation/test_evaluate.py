"""Evaluation end to end on two patients: tables, masks and summary agree with a direct recomputation."""

import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import SegformerForSemanticSegmentation

from core.config import InferenceConfig, InputRecipe, ScoringConfig, SplitConfig
from core.data.images import write_png
from core.data.index import DatasetIndex, load_index
from core.data.masks import read_label_volume
from core.data.prepare.pairs import prepare_pairs
from core.data.scan import Scan
from core.errors import ImageError, MaskError, WorkspaceError
from core.evaluation.evaluate import evaluate, predicted, scans_taken_over
from core.imaging.scan_payload import scan_payload
from core.labels import ORGANS
from core.metrics.geometry import NO_SPACING
from core.model.predictor import Predictor
from core.model.segformer import architecture, save_model
from core.runs.registry import Evaluation, Run, open_run
from core.storage.files import sha256_of_array, write_json
from core.storage.partial import PartialOutput
from core.storage.workspace import Workspace
from tests.core.metrics.references import by_scipy
from tests.patience import WAIT_S
from tests.rounding import both

ROOT = Path(__file__).parents[3]
STEMS = [f"case{patient}_day{day}_slice_{number:04d}" for patient, day in ((1, 0), (2, 0), (2, 4)) for number in (9, 10, 11)]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    model = SegformerForSemanticSegmentation(architecture("b0"))
    torch.nn.init.normal_(model.decode_head.classifier.weight, std=1.0)
    return Predictor(model, InputRecipe(image_size=64), InferenceConfig(device="cpu"))


@pytest.fixture
def index(tmp_path: Path, write_pairs) -> DatasetIndex:
    source = write_pairs(tmp_path / "source", STEMS, shape=(41, 57))
    split = SplitConfig(valid_patients=("case2",))
    return load_index(prepare_pairs(source, tmp_path / "tiny", split=split, spacing_mm=(3.0, 1.5, 1.5)).root)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    paths = workspace.run("r1")
    write_json(paths.manifest, {"splits": {"train": {"patients": ["case1"]}}})
    return open_run(paths.root)


@pytest.fixture
def evaluation(run: Run, predictor: Predictor, index: DatasetIndex) -> Evaluation:
    return evaluate(run, predictor, index, "valid")


def direct_dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else math.nan


def test_the_scan_table_agrees_with_a_direct_recomputation(evaluation: Evaluation, index: DatasetIndex) -> None:
    table = evaluation.scans().set_index(["scan", "organ"])
    assert set(table.index) == {(scan, organ.name) for scan in ("case2_day0", "case2_day4") for organ in ORGANS}
    for scan in index.scans("valid"):
        prediction, reference = read_label_volume(evaluation.paths.mask(scan.id)), scan.read_labels()
        for organ in ORGANS:
            row = table.loc[(scan.id, organ.name)]
            a, b = reference == organ.id, prediction == organ.id
            assert row["dice"] == pytest.approx(direct_dice(a, b), nan_ok=True)
            assert (row["reference_voxels"], row["prediction_voxels"]) == (a.sum(), b.sum())
            assert row["patient"] == "case2"
            if a.any() and b.any():
                expected = by_scipy(a, b, (3.0, 1.5, 1.5))
                assert row["hd95_mm"] == pytest.approx(expected.hd95, abs=1e-9)
                assert (row["nsd_1_5mm"], row["nsd_3mm"]) == pytest.approx(expected.nsd)
                assert row["mean_surface_distance_mm"] == pytest.approx(expected.mean, abs=1e-9)
            assert row["volume_error_ml"] == pytest.approx((int(b.sum()) - int(a.sum())) * 0.00675, nan_ok=True)


def test_the_slice_table_agrees_with_a_direct_recomputation(
    evaluation: Evaluation, index: DatasetIndex, predictor: Predictor
) -> None:
    table = evaluation.slices()
    assert len(table) == 2 * 3 * 3
    scan = index.scan("valid", "case2_day4")
    prediction, confidence = both(predictor.predict_scan(scan.read_image()))
    reference = scan.read_labels()
    for row in table[table["scan"] == scan.id].itertuples():
        organ = next(organ for organ in ORGANS if organ.name == row.organ)
        drawn = prediction[row.position] == organ.id
        assert row.dice == pytest.approx(direct_dice(reference[row.position] == organ.id, drawn), nan_ok=True)
        expected = confidence[row.position][drawn].mean() / 255 if drawn.any() else math.nan
        assert row.confidence == pytest.approx(expected, nan_ok=True)
        assert row.slice == row.position + 9
        assert row.name == f"case2_day4_slice_{row.slice:04d}"


def test_the_summary_agrees_with_the_tables(evaluation: Evaluation) -> None:
    table = evaluation.scans()
    means = {organ.name: table[table["organ"] == organ.name]["dice"].mean() for organ in ORGANS}
    stated = {name: math.nan if organ["dice"] is None else organ["dice"] for name, organ in evaluation.summary["organs"].items()}
    assert stated == pytest.approx(means, nan_ok=True)
    of_scans = table.groupby("scan")["dice"].mean()
    assert evaluation.summary["all_organs"]["dice"] == pytest.approx(of_scans.mean())
    assert [evaluation.summary[key] for key in ("scan_count", "patient_count", "slice_count")] == [2, 1, 6]


def test_the_summary_says_what_the_numbers_rest_on(evaluation: Evaluation, index: DatasetIndex, predictor: Predictor) -> None:
    summary = evaluation.summary
    assert summary["weights_sha256"] == predictor.weights_hash
    assert "torch" in summary["versions"]
    assert summary["conventions"]["background"] == "left out"
    assert evaluation.dataset_root == index.root.resolve()
    assert evaluation.split == "valid"


def test_every_score_on_disk_stands_beside_the_badge(evaluation: Evaluation) -> None:
    for table in (evaluation.scans(), evaluation.slices()):
        assert set(table["leak"]) == {"patient-clean"}
    assert evaluation.summary["leak"]["text"] == evaluation.summary["competition"]["leak"] == "patient-clean"


def test_predicted_ahead_by_others(
    run: Run, predictor: Predictor, index: DatasetIndex, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share only the folder; what they leave out is predicted here, and the result is that of one process."""
    before = {path.name: path.read_bytes() for path in (evaluation.paths.root / "masks").iterdir()}
    here: list[str] = []

    def ahead(kept: PartialOutput, scans: Sequence[Scan]) -> None:
        for scan in scans[1:]:
            predicted(PartialOutput(kept.folder), scan, scan.read_image(), predictor)
        real = Predictor.predict_scan
        monkeypatch.setattr(Predictor, "predict_scan", lambda self, image, **rest: here.append("") or real(self, image, **rest))

    again = evaluate(run, predictor, index, evaluation.split, ahead=ahead)
    assert len(before) > 1
    assert len(here) == 1
    assert {path.name: path.read_bytes() for path in (again.paths.root / "masks").iterdir()} == before
    assert again.summary | {"created_at": ""} == evaluation.summary | {"created_at": ""}


def test_the_confusion_matrix_counts_every_pixel(evaluation: Evaluation) -> None:
    assert np.sum(evaluation.summary["confusion"]["pixels"]) == 6 * 41 * 57


def test_other_tolerances_and_nnunet_s_summary(run: Run, predictor: Predictor, index: DatasetIndex) -> None:
    done = evaluate(run, predictor, index, "valid", scoring=ScoringConfig(tolerances_mm=(2.0,), nnunet=True))
    assert done.summary["tolerances_mm"] == [2.0]
    assert "nsd_2mm" in done.scans()
    content = json.loads((done.paths.root / "summary.json").read_text())
    table = done.scans()
    for organ in ORGANS:
        theirs = content["mean"][str(organ.id)]["Dice"]
        assert theirs == pytest.approx(table[table["organ"] == organ.name]["dice"].mean(), nan_ok=True)
    assert content["leak"] == "patient-clean"
    assert Path(content["metric_per_case"][0]["prediction_file"]).is_file()


def test_without_spacing_the_evaluation_says_so(run: Run, predictor: Predictor, tmp_path: Path, write_dataset) -> None:
    stems = STEMS[:3]
    root = write_dataset(tmp_path / "bare", train=[], valid=stems, shape=(41, 57))
    done = evaluate(run, predictor, load_index(root), "valid")
    assert done.summary["without_distances"] == {NO_SPACING: ["case1_day0"]}
    assert done.scans()["hd95_mm"].isna().all()
    assert done.summary["organs"]["stomach"]["dice"] is not None


def test_facts_of_a_scan(evaluation: Evaluation, index: DatasetIndex) -> None:
    scan = index.scan("valid", "case2_day0")
    facts = evaluation.scan_facts("case2_day0")
    assert facts["slice_numbers"] == [9, 10, 11]
    assert facts["size"] == [41, 57]
    assert tuple(facts["spacing_mm"]) == (3.0, 1.5, 1.5)
    assert facts["image_sha256"] == sha256_of_array(scan.read_image())
    assert facts["reference_sha256"] == sha256_of_array(scan.read_labels())
    assert facts["prediction_sha256"] == sha256_of_array(read_label_volume(evaluation.paths.mask("case2_day0")))


def test_masks_are_at_the_slices_own_size(evaluation: Evaluation) -> None:
    assert read_label_volume(evaluation.paths.mask("case2_day0")).shape == (3, 41, 57)


def test_what_comes_back_is_what_is_on_disk(evaluation: Evaluation, run: Run) -> None:
    (found,) = run.evaluations()
    assert found.name == evaluation.name == "tiny-valid"
    assert found.summary["organs"] == evaluation.summary["organs"]
    assert found.badge == evaluation.badge


@pytest.mark.parametrize(
    ("trained_on", "text"),
    [(["case1"], "patient-clean"), (["case1", "case2"], "leaked (1 of 1 patients)"), (None, "unknown")],
)
def test_the_badge_goes_by_the_run_s_manifest(
    run: Run, predictor: Predictor, index: DatasetIndex, trained_on: list[str] | None, text: str
) -> None:
    run.paths.manifest.unlink()
    if trained_on is not None:
        write_json(run.paths.manifest, {"splits": {"train": {"patients": trained_on}}})
    assert evaluate(run, predictor, index, "valid").summary["leak"]["text"] == text


def test_a_data_set_that_came_leaked(run: Run, predictor: Predictor, index: DatasetIndex) -> None:
    assert evaluate(run, predictor, index, "train").badge.text == "leaked (1 of 1 patients)"


def test_progress_names_each_scan(run: Run, predictor: Predictor, index: DatasetIndex) -> None:
    calls: list[tuple[int, int, str]] = []
    evaluate(run, predictor, index, "valid", progress=lambda *call: calls.append(call))
    assert calls == [(0, 2, "case2_day0"), (1, 2, "case2_day4"), (2, 2, "written")]


def test_a_second_evaluation_replaces_the_first_whole(
    evaluation: Evaluation, run: Run, predictor: Predictor, index: DatasetIndex
) -> None:
    (evaluation.paths.root / "stale").touch()
    again = evaluate(run, predictor, index, "valid")
    assert again.summary["organs"] == evaluation.summary["organs"]
    assert sorted(path.name for path in again.paths.root.iterdir()) == [
        "errors.parquet",
        "evaluation.json",
        "masks",
        "scans.parquet",
        "slices.parquet",
    ]
    assert [path.name for path in run.paths.evaluations.iterdir()] == ["tiny-valid"]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_failure_midway_keeps_the_old_evaluation(
    evaluation: Evaluation, run: Run, predictor: Predictor, index: DatasetIndex
) -> None:
    before = files_of(evaluation.paths.root)
    index.scan("valid", "case2_day4").slices[1].image.write_bytes(b"")
    with pytest.raises(ImageError, match="The picture is empty"):
        evaluate(run, predictor, index, "valid")
    assert files_of(evaluation.paths.root) == before
    assert [found.name for found in run.evaluations()] == ["tiny-valid"]


class Counting(Predictor):
    """Notes how many slices each scan has that it predicts."""

    def __init__(self, other: Predictor, config: InferenceConfig | None = None) -> None:
        self.recipe, self.config, self.engine = other.recipe, config or other.config, other.engine
        self.asked: list[int] = []

    def predict_scan(self, volume, window=None, *, numbers=None):
        self.asked.append(len(volume))
        return super().predict_scan(volume, window, numbers=numbers)


def without_time(files: dict[str, bytes]) -> dict[str, bytes]:
    summary = re.sub(rb'"created_at": "[^"]*"', b"", files["evaluation.json"])
    return files | {"evaluation.json": summary}


def test_after_a_failure_only_what_is_missing_is_predicted(run: Run, predictor: Predictor, index: DatasetIndex) -> None:
    whole = files_of(evaluate(run, predictor, index, "valid").paths.root)
    spoilt, counting = index.scan("valid", "case2_day4").slices[1].image, Counting(predictor)
    sound = spoilt.read_bytes()
    spoilt.write_bytes(b"")
    with pytest.raises(ImageError):
        evaluate(run, counting, index, "valid")
    spoilt.write_bytes(sound)
    assert (counting.asked, scans_taken_over(run, predictor, index, "valid")) == ([3], 1)
    done = evaluate(run, counting, index, "valid")
    assert counting.asked == [3, 3]
    assert without_time(files_of(done.paths.root)) == without_time(whole)
    assert scans_taken_over(run, predictor, index, "valid") == 0


@pytest.mark.parametrize("change", ["image", "mask file", "flips", "weights"])
def test_what_changed_is_predicted_again(run: Run, predictor: Predictor, index: DatasetIndex, change: str) -> None:
    last = index.scan("valid", "case2_day4").slices[1].mask
    sound = last.read_bytes()
    last.write_bytes(b"")
    with pytest.raises(MaskError):
        evaluate(run, predictor, index, "valid")
    last.write_bytes(sound)
    counting = Counting(predictor, InferenceConfig(device="cpu", flips=True) if change == "flips" else None)
    if change == "image":
        write_png(index.scan("valid", "case2_day0").slices[0].image, np.zeros((41, 57), np.uint8))
    if change == "mask file":
        (kept,) = run.paths.evaluations.glob(".tiny-valid.*/masks/case2_day0.npy.zst")
        kept.write_bytes(kept.read_bytes()[:-9])
    if change == "weights":
        other = deepcopy(predictor.engine.model)
        other.decode_head.classifier.bias.data += 1
        counting.engine = Predictor(other, predictor.recipe, predictor.config).engine
    evaluate(run, counting, index, "valid")
    assert counting.asked == [3, 3]
    assert [path.name for path in run.paths.evaluations.iterdir()] == ["tiny-valid"]


KILLED = """
import os, signal, sys
from pathlib import Path
from core.config import InferenceConfig
from core.data.index import load_index
from core.evaluation.evaluate import evaluate, predicted, scans_taken_over
from core.model.predictor import Predictor
from core.runs.registry import open_run

def progress(done, total, what):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

run, index = open_run(Path(sys.argv[1])), load_index(Path(sys.argv[2]))
config = InferenceConfig(device="cpu", threads=1)
evaluate(run, Predictor.load(run.paths.model, config), index, "valid", progress=progress)
"""


def test_after_a_kill_the_result_is_that_of_one_go(run: Run, predictor: Predictor, index: DatasetIndex) -> None:
    """A real process, killed when it has predicted one of two scans; what it left is taken over by another process."""
    save_model(predictor.engine.model, run.paths.model, predictor.recipe)
    words = [sys.executable, "-c", KILLED, str(run.paths.root), str(index.root)]
    killed = subprocess.run([*words, "1"], cwd=ROOT, capture_output=True, timeout=WAIT_S)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not run.evaluations()
    # As many threads as there: sums in another order may turn a tie.
    counting = Counting(Predictor.load(run.paths.model, InferenceConfig(device="cpu", threads=1)))
    assert scans_taken_over(run, counting, index, "valid") == 1
    resumed = files_of(evaluate(run, counting, index, "valid").paths.root)
    assert counting.asked == [3]
    again = files_of(evaluate(run, counting, index, "valid").paths.root)
    assert counting.asked == [3, 3, 3]
    assert without_time(resumed) == without_time(again)
    assert [path.name for path in run.paths.evaluations.iterdir()] == ["tiny-valid"]


def test_flip_agreement_is_stored_where_it_is_asked_for(
    evaluation: Evaluation, run: Run, predictor: Predictor, index: DatasetIndex
) -> None:
    assert evaluation.scans()["flip_agreement"].isna().all()
    plain = evaluation.scans().drop(columns="flip_agreement")
    config = InferenceConfig(device="cpu", flip_agreement=True)
    done = evaluate(run, Predictor(predictor.engine.model, predictor.recipe, config), index, "valid")
    assert done.summary["inference"]["flip_agreement"]
    assert done.scans()["flip_agreement"].between(0, 1).any()
    assert done.slices()["flip_agreement"].between(0, 1).any()
    pd.testing.assert_frame_equal(done.scans().drop(columns="flip_agreement"), plain)


def test_a_mask_of_another_size_than_its_image(run: Run, predictor: Predictor, index: DatasetIndex) -> None:
    for each in index.scan("valid", "case2_day0").slices:
        write_png(each.mask, np.zeros((40, 50), np.uint8))
    with pytest.raises(MaskError, match=r"^A mask has another size than its image \(mask 50×40, image 57×41\)"):
        evaluate(run, predictor, index, "valid")
    assert not run.paths.evaluations.exists() or not any(run.paths.evaluations.glob("[!.]*"))


def test_what_is_shown_must_be_what_was_scored(evaluation: Evaluation, index: DatasetIndex) -> None:
    scan_payload(evaluation, "case2_day0")
    write_png(index.scan("valid", "case2_day0").slices[0].mask, np.zeros((41, 57), np.uint8))
    sentence = r"^Scan case2_day0 has changed since it was evaluated: .*/tiny; evaluate the run again\.$"
    with pytest.raises(WorkspaceError, match=sentence):
        scan_payload(evaluation, "case2_day0")
