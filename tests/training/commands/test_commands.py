"""The commands as a person runs them: exit code, one sentence, what is on disk."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from core.cli.command import run_command
from core.data.images import read_image, write_png
from core.data.index import DatasetIndex, load_index
from core.data.masks import read_mask
from core.model.predictor import Predictor
from core.runs.registry import Run, read_status
from core.storage.workspace import RunPaths
from tests.file_server import serving
from tests.patience import outcome, wait_until
from training.__main__ import COMMANDS, main
from training.commands.predict import find_model
from training.run.arguments import find_dataset, new_run
from training.run.ranks import RUN_VARIABLE

ROOT = Path(__file__).parents[3]
TINY_FIT = ["--model", "b0", "--image_size", "64", "--workers", "0", "--accelerator", "cpu", "--onnx=false"]


@pytest.fixture
def run_words(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        code = run_command(lambda: main([str(word) for word in words]))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


Runner = Callable[..., tuple[int, str, str]]


def _workspace(run: Run) -> Path:
    return run.paths.root.parents[1]


# prepare


def test_prepare_pairs(run_words: Runner, pairs_source: Path, tmp_path: Path):
    words = ["--spacing-mm", "3,1.5,1.5", "--valid_patients", "case2"]
    code, out, err = run_words("prepare", "pairs", pairs_source, "--out", tmp_path / "made", *words)
    assert (code, err) == (0, "")
    assert f"Data set: {tmp_path / 'made'}" in out
    index = load_index(tmp_path / "made")
    assert index.patients("valid") == {"case2"}
    assert index.scans("valid")[0].info.spacing_mm == (3, 1.5, 1.5)
    assert out.endswith(f"Next: python -m training fit --data {tmp_path / 'made'}\n")


def test_the_next_command_names_the_workspace(run_words: Runner, pairs_source: Path, tmp_path: Path):
    made = tmp_path / "of ours" / "datasets" / "made"
    _, out, _ = run_words("prepare", "pairs", pairs_source, "--out", made)
    assert out.endswith(f"Next: python -m training fit --data '{made}' --workspace '{tmp_path / 'of ours'}'\n")


def test_prepare_prints_one_json_object(run_words: Runner, pairs_source: Path, tmp_path: Path):
    code, out, _ = run_words("prepare", "pairs", pairs_source, "--out", tmp_path / "made", "--json")
    assert code == 0
    assert json.loads(out)["splits"]["train"] == {"patients": 3, "slices": 18}


def test_prepare_phantom(run_words: Runner, tmp_path: Path):
    size = ["--patients", "2", "--slices", "8", "--size", "48"]
    code, out, _ = run_words("prepare", "phantom", "--out", tmp_path / "made", *size, "--json")
    assert code == 0
    assert {name: part["patients"] for name, part in json.loads(out)["splits"].items()} == {"train": 1, "valid": 1}


def test_prepare_as_the_course_divides(run_words: Runner, pairs_source: Path, tmp_path: Path):
    code, out, err = run_words("prepare", "pairs", pairs_source, "--out", tmp_path / "made", "--split-by", "slice")
    assert (code, err) == (0, "")
    assert "divided by slice, shuffled inside each patient as the course does" in out
    assert "train: 4 patients" in out
    assert "valid: 4 patients" in out


def test_prepare_uw_madison_from_a_zip(run_words: Runner, own_dataset: Path, tmp_path: Path):
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", own_dataset)
    words = ["prepare", "uw-madison", "--archive", archive, "--out", tmp_path / "made", "--json"]
    for _ in range(2):  # the second time it stands already
        code, out, err = run_words(*words)
        assert (code, err) == (0, "")
        assert json.loads(out)["split"] == "as it came"
    code, _, err = run_words("prepare", "uw-madison", "--out", tmp_path / "other")
    assert code == 2
    assert err.startswith("There is no address to fetch the data set from; give --address")


# fit


def test_fit_says_where_everything_is(run_words: Runner, tiny_index: DatasetIndex, tmp_path: Path):
    words = ["--data", tiny_index.root, "--run", "first", "--workspace", tmp_path, "--epochs", "1", *TINY_FIT]
    code, out, err = run_words("fit", *words)
    assert (code, err) == (0, "")
    assert out.count("Weights: ") == 1
    for line in ("Epoch 1/1: loss", f"Model: {tmp_path}/runs/first/model", "Next: python -m training evaluate --run first"):
        assert line in out


def test_fit_fetches_the_data_set_where_it_is_not_there_yet(run_words: Runner, own_dataset: Path, tmp_path: Path):
    """One command on a fresh machine; the connection is cut on the way, and a second run fetches nothing."""
    content = Path(shutil.make_archive(str(tmp_path / "set"), "zip", own_dataset)).read_bytes()
    with serving() as (address, behaviour):
        behaviour.content, behaviour.cut_after = content, [len(content) // 2]
        words = ["--data", "uwm", "--address", address, "--workspace", tmp_path / "w", "--epochs", "1", *TINY_FIT]
        for run in ("first", "second"):
            code, out, err = run_words("fit", *words, "--run", run, "--evaluate")
            assert (code, err) == (0, "")
            assert "patient-clean" in out
        assert behaviour.asked == [None, f"bytes={len(content) // 2}-"]
    assert load_index(tmp_path / "w" / "datasets" / "uwm").manifest.split == "as it came"


def test_fit_that_cannot_fetch_leaves_nothing(run_words: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = ["--data", "uwm", "--workspace", tmp_path / "w", "--run", "first", *TINY_FIT]
    code, _, err = run_words("fit", *words)
    assert (code, err.startswith("There is no such data set: uwm; ")) == (2, True)
    with serving() as (address, behaviour):
        behaviour.content = b"no archive"
        code, _, err = run_words("fit", *words, "--address", address)
        assert (code, err.count("\n"), len(behaviour.asked)) == (2, 1, 1)
        assert err.startswith("What came from the address is no zip: http://127.0.0.1:")
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.delenv(RUN_VARIABLE)
        code, _, err = run_words("fit", *words, "--address", address)
        assert (code, len(behaviour.asked)) == (2, 1)
        assert err.startswith("Processes that start together need a data set that is there: uwm; ")
    assert not [path for path in (tmp_path / "w").rglob("*") if path.is_file() or path.name in ("uwm", "first")]


def test_new_runs_have_names_of_their_own(tiny_run: Run, monkeypatch: pytest.MonkeyPatch):
    from core.storage.workspace import Workspace

    workspace = Workspace(_workspace(tiny_run))
    assert new_run(workspace, "nvidia/segformer-b4-finetuned-ade-512-512").root.name.startswith("b4-20")
    assert new_run(workspace, "/some/model").root.name.startswith("run-20")
    taken = {new_run(workspace, "b0").root}
    monkeypatch.setattr(Path, "exists", lambda path: path in taken)
    assert new_run(workspace, "b0").root not in taken


# evaluate


def test_evaluate_prints_a_table(run_words: Runner, tiny_run: Run, tiny_index: DatasetIndex):
    code, out, err = run_words("evaluate", "--run", "tiny", "--workspace", _workspace(tiny_run), "--data", tiny_index.root)
    assert (code, err) == (0, "")
    for words in (
        "Small bowel",
        "All organs",
        "false alarms",
        "Leak: patient-clean",
        "Means over scans, 3D",
        "evaluations/tiny-valid",
    ):
        assert words in out


def test_evaluate_prints_one_json_object(run_words: Runner, tiny_run: Run, tiny_index: DatasetIndex):
    words = ["--run", tiny_run.paths.root, "--data", tiny_index.root, "--split", "train", "--json"]
    code, out, _ = run_words("evaluate", *words)
    content = json.loads(out)
    assert code == 0
    assert content["leak"]["text"] == "leaked (3 of 3 patients)"
    assert content["scan_count"] == 3


def test_damaged_slice_keeps_the_earlier_evaluation(
    run_words: Runner, tiny_run: Run, own_dataset: Path, damage: Callable[[Path], Path]
):
    words = ["evaluate", "--run", tiny_run.paths.root, "--data", own_dataset, "--json"]
    assert run_words(*words)[0] == 0
    folder = tiny_run.paths.evaluation("own-valid").root
    before = (folder / "evaluation.json").read_bytes()
    path = damage(load_index(own_dataset).scans("valid")[0].slices[3].image)
    code, out, err = run_words(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert path.name in err
    assert (folder / "evaluation.json").read_bytes() == before
    assert [each.name for each in folder.parent.iterdir() if each.name.startswith(".")] == []


# predict


@pytest.mark.parametrize("kind", ["name", "run folder", "model folder", "checkpoint"])
def test_predict_takes_a_run_in_every_form(run_words: Runner, tiny_run: Run, tiny_index: DatasetIndex, tmp_path: Path, kind: str):
    paths = tiny_run.paths
    run = {"name": "tiny", "run folder": paths.root, "model folder": paths.model, "checkpoint": paths.checkpoints / "last.ckpt"}
    picture = tiny_index.scans("valid")[0].slices[0].image
    words = ["--run", run[kind], "--workspace", _workspace(tiny_run), "--input", picture, "--out", tmp_path / "out"]
    code, out, err = run_words("predict", *words)
    assert (code, err) == (0, "")
    assert f"Output: {tmp_path / 'out'}" in out
    assert read_mask(tmp_path / "out" / f"{picture.stem}_mask.png", shape=(64, 64)).max() <= 3
    assert (tmp_path / "out" / f"{picture.stem}_overlay.png").is_file()


def test_predict_keeps_the_size_of_the_picture(run_words: Runner, tiny_run: Run, tmp_path: Path):
    (tmp_path / "in").mkdir()
    random = np.random.default_rng(0)
    write_png(tmp_path / "in" / "deep.png", random.integers(0, 20_000, (50, 71)).astype(np.uint16))
    write_png(tmp_path / "in" / "colour.png", random.integers(0, 255, (40, 33, 3)).astype(np.uint8))
    words = ["--run", tiny_run.paths.model, "--input", tmp_path / "in", "--out", tmp_path / "out", "--json"]
    code, out, _ = run_words("predict", *words)
    assert code == 0
    assert [Path(each["input"]).name for each in json.loads(out)["pictures"]] == ["colour.png", "deep.png"]
    assert read_image(tmp_path / "out" / "deep_mask.png").shape == (50, 71)
    assert read_image(tmp_path / "out" / "colour_overlay.png").shape == (40, 33)


def test_predict_answers_in_kind(run_words: Runner, tiny_run: Run, tiny_index: DatasetIndex, tmp_path: Path):
    """A volume is predicted as a scan of the same slices is; a split by the data set's name, zipped files as they are."""
    scan = tiny_index.scans("valid")[0]
    voxels = scan.read_image(check=False)
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in" / "a.png", voxels[0])
    affine = np.diag([-1.5, -1.5, -3.0, 1.0])
    nib.Nifti1Image(voxels.transpose(2, 1, 0), affine).to_filename(tmp_path / "in" / "scan.nii.gz")
    words = ["predict", "--run", tiny_run.paths.model, "--out", tmp_path / "out", "--json", "--input"]
    code, out, err = run_words(*words, tmp_path / "in")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert [each["mask"] for each in (*answer["pictures"], *answer["volumes"])] == ["a_mask.png", "scan.nii.gz"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_mask.png", "a_overlay.png", "scan.nii.gz"]
    mask = nib.load(tmp_path / "out" / "scan.nii.gz")
    expected = Predictor.load(tiny_run.paths.model).predict_scan(voxels).labels
    np.testing.assert_array_equal(np.asarray(mask.dataobj).transpose(2, 1, 0), expected)
    np.testing.assert_allclose(mask.affine, affine)
    assert answer["volumes"][0]["classes"][1]["ml"] == pytest.approx((expected == 1).sum() * 1.5 * 1.5 * 3 / 1000)
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "in")
    words[4] = tmp_path / "out2"
    assert json.loads(run_words(*words, tmp_path / "zipped.zip")[1])["volumes"] == answer["volumes"]
    words[4] = tmp_path / "out3"
    split = json.loads(run_words(*words, tiny_index.root, "--split", "valid")[1])
    assert len(split["pictures"]) == sum(len(scan.slices) for scan in tiny_index.scans("valid"))


def test_one_bad_picture_stops_before_anything_is_written(
    run_words: Runner, tiny_run: Run, tiny_index: DatasetIndex, tmp_path: Path, damage: Callable[[Path], Path]
):
    source = tmp_path / "in"
    shutil.copytree(tiny_index.root / "valid" / "images", source)
    first, second, *_ = sorted(source.iterdir())
    damage(first)
    second.write_text("no picture")
    words = ["predict", "--run", tiny_run.paths.model, "--input", source, "--out", tmp_path / "out"]
    code, out, err = run_words(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("2 inputs cannot be used: ")
    assert first.name in err
    assert second.name in err
    assert not (tmp_path / "out").exists()
    code, out, _ = run_words(*words, "--skip-bad")
    assert code == 0
    assert out.count("Skipped") == 2
    assert len(list((tmp_path / "out").iterdir())) == 2 * 4


# Mistakes


def _mistakes(index: DatasetIndex, run: Run, folder: Path) -> dict[str, tuple[list[object], str]]:
    data, pictures, out = index.root, index.root / "valid" / "images", folder / "out"
    fit = ["fit", "--workspace", folder, *TINY_FIT]
    predict = ["predict", "--workspace", folder, "--out", out, "--input"]
    return {
        "command": (["bogus"], "There is no such command: bogus"),
        "source": (["prepare", "bogus"], "There is no such source of data: bogus"),
        "missing folder": (["prepare", "pairs", folder / "none", "--out", out], "A folder is missing"),
        "spacing": (["prepare", "pairs", data, "--out", out, "--spacing_mm", "3"], "--spacing_mm wants 3 positive numbers: 3"),
        "data": ([*fit, "--data", folder / "none"], "There is no such data set"),
        "data name": ([*fit, "--data", "none"], "There is no such data set: none"),
        "no data set": ([*fit, "--data", pictures], "The folder holds no data set"),
        "option": ([*fit, "--data", data, "--bogus", "1"], "Unrecognized arguments: --bogus 1"),
        "model": ([*fit, "--data", data, "--model", "./none"], "The model's folder does not exist: ./none"),
        "run name": ([*fit, "--data", data, "--run", "../out"], "This is no run: ../out"),
        "run": (["evaluate", "--run", "none", "--data", data, "--workspace", folder], "There is no such run: none"),
        "split": (
            ["evaluate", "--run", run.paths.root, "--data", data, "--split", "test"],
            "The data set has no slices in split",
        ),
        "input": ([*predict, folder / "none", "--run", run.paths.model], "The picture, volume or folder does not exist"),
        "no pictures": ([*predict, index.root, "--run", run.paths.model], "There are no pictures and no volumes"),
        "pickle": ([*predict, pictures, "--run", folder / "evil.ckpt"], "The checkpoint is damaged or a pickle"),
        "output": ([*predict, pictures, "--run", run.paths.model, "--out", data], "The output folder already holds something"),
    }


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    "case",
    [
        "command", "source", "missing folder", "spacing", "data", "data name", "no data set", "option", "model", "run name",
        "run", "split", "input", "no pictures", "pickle", "output",
    ],
)  # fmt: skip
def test_mistake_is_one_sentence_and_leaves_nothing(
    case: str, run_words: Runner, tiny_index: DatasetIndex, tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps({"state_dict": _Evil()}))
    words, sentence = _mistakes(tiny_index, tiny_run, tmp_path)[case]
    code, out, err = run_words(*words)
    assert (code, out) == (2, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["evil.ckpt"]


def test_data_set_by_name(tmp_path: Path):
    from core.errors import DatasetError
    from core.storage.workspace import Workspace

    workspace = Workspace(tmp_path)
    (workspace.datasets / "mine").mkdir(parents=True)
    assert find_dataset(workspace, "mine") == workspace.datasets / "mine"
    with pytest.raises(DatasetError, match="use a folder, or one of mine"):
        find_dataset(workspace, "other")


def test_run_without_model_is_refused(tmp_path: Path):
    from core.errors import ModelError
    from core.storage.workspace import Workspace

    Workspace(tmp_path).run("empty").root.mkdir(parents=True)
    with pytest.raises(ModelError, match="The run has no model"):
        find_model("empty", Workspace(tmp_path))


def test_usage_lists_every_command(run_words: Runner):
    code, out, _ = run_words("--help")
    assert code == 0
    assert all(f"  {name}" in out for name in COMMANDS)


# As processes of their own


def _start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "training", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_after_the_step(number: signal.Signals, tiny_index: DatasetIndex, tmp_path: Path):
    words = ["--data", tiny_index.root, "--run", "long", "--workspace", tmp_path, "--epochs", "5000", *TINY_FIT, "--workers", "1"]
    process = _start("fit", *words)
    paths = RunPaths(tmp_path / "runs" / "long")
    wait_until(lambda: paths.metrics.exists() or process.poll() is not None)
    process.send_signal(number)
    out, err = outcome(process)
    assert (process.returncode, err) == (130, "Stopped.\n")
    assert "Stopping after this step" in out
    assert read_status(paths).state == "stopped"
    assert (paths.model / "model.safetensors").is_file()


@pytest.mark.slow
def test_mistake_as_a_process(tmp_path: Path):
    process = _start("fit", "--data", tmp_path / "none")
    out, err = outcome(process)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
