"""``evaluate masks`` and ``compare`` as a person runs them: exit code, one sentence, what is printed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.cli.command import run_command
from core.data.images import write_png
from core.data.index import DatasetIndex
from core.data.masks import read_mask
from core.data.readers.label_png import read_label_png
from core.labels import PALETTE
from training.__main__ import main

Runner = Callable[..., tuple[int, str, str]]
NUMBERS = range(1, 7)


@pytest.fixture
def run_words(capsys: pytest.CaptureFixture[str]) -> Runner:
    """Runs a command in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        code = run_command(lambda: main([str(word) for word in words]))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``truth``, ``images`` and two predictions of three patients: ``same`` as the truth, and ``off`` by five columns."""
    for folder in ("truth", "same", "off", "images"):
        (tmp_path / folder).mkdir()
    for patient in (1, 2, 3):
        for number in NUMBERS:
            mask = np.zeros((32, 32), np.uint8)
            mask[8:20, 4:16], mask[24:28, 4:30] = 6, 20
            name = f"case{patient}_day0_slice_{number:04d}.png"
            write_png(tmp_path / "truth" / name, mask)
            write_png(tmp_path / "same" / name, mask)
            write_png(tmp_path / "off" / name, np.roll(mask, 5, axis=1))
            write_png(tmp_path / "images" / name, mask * 10)
    return tmp_path


@pytest.fixture
def masks(run_words: Runner, folders: Path) -> Runner:
    """``evaluate masks`` on the folders, for one of the predictions."""

    def run(prediction: str, *words: object) -> tuple[int, str, str]:
        paths = ["--truth", folders / "truth", "--prediction", folders / prediction, "--workspace", folders / "workspace"]
        return run_words("evaluate", "masks", *paths, "--map", "6=stomach,20=large_bowel", *words)

    return run


def test_masks_print_a_table(masks: Runner, folders: Path) -> None:
    code, out, err = masks("off", "--spacing-mm", "3,1.5,1.5")
    assert (code, err) == (0, "")
    # Seven of twelve columns agree.
    for words in ("off on off, split valid: 3 scans of 3 patients", "0.583", "Leak: unknown", "No images were given"):
        assert words in out
    assert f"Evaluation: {folders}/workspace/runs/off/evaluations/off-valid" in out


def test_masks_print_one_json_object(masks: Runner, folders: Path) -> None:
    code, out, _ = masks("same", "--json", "--images", folders / "images", "--name", "perfect")
    content = json.loads(out)
    assert code == 0
    assert (content["run"], content["all_organs"]["dice"], content["leak"]["text"]) == ("perfect", 1.0, "unknown")
    assert content["external"]["images"]
    assert content["without_distances"] == {"the data set states no spacing": ["case1_day0", "case2_day0", "case3_day0"]}
    assert (folders / "workspace/datasets/perfect/valid/images/case3_day0_slice_0006.png").is_file()


def test_masks_of_a_table_in_colours(run_words: Runner, folders: Path) -> None:
    """Truth by label, the prediction in the course's colours: blue where the stomach is, red where the large bowel is."""
    (folders / "colours").mkdir()
    rows = ["scan,reference,prediction"]
    for path in sorted((folders / "truth").glob("*.png")):
        labels = read_label_png(path)
        write_png(folders / "colours" / path.name, PALETTE[np.select([labels == 6, labels == 20], [1, 3], 0)])
        rows.append(f"{path.stem.split('_slice')[0]},truth/{path.name},colours/{path.name}")
    (folders / "all.csv").write_text("\n".join(rows))
    words = ["--table", folders / "all.csv", "--workspace", folders / "workspace", "--json"]
    words += ["--map", "uw-madison-course", "--map_truth", "6=stomach,20=large_bowel"]
    code, out, err = run_words("evaluate", "masks", *words)
    content = json.loads(out)
    assert (code, err, content["run"], content["all_organs"]["dice"]) == (0, "", "all", 1.0)
    assert content["external"]["prediction_labels"] == {"#0000ff": 1, "#00ff00": 2, "#ff0000": 3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--table", "no.csv"], "The table does not exist: no.csv; check the path."),
        (["--table", "no.csv", "--truth", "t"], "--table and folders are given together: no.csv; give one of them."),
        (["--truth", "t"], "No --prediction is given; give --truth and --prediction, or --table."),
    ],
)
def test_masks_without_files_to_score(run_words: Runner, tmp_path: Path, words: list[str], sentence: str) -> None:
    code, out, err = run_words("evaluate", "masks", *words, "--name", "a", "--workspace", tmp_path)
    assert (code, out, err) == (2, "", f"{sentence}\n")


def test_masks_against_a_data_set(run_words: Runner, tiny_index: DatasetIndex, tmp_path: Path) -> None:
    truth = tiny_index.root / "valid" / "masks"
    (tmp_path / "drawn").mkdir()
    for path in truth.glob("*.png"):
        write_png(tmp_path / "drawn" / path.name, read_mask(path))
    words = ["--truth", truth, "--prediction", tmp_path / "drawn", "--workspace", tmp_path, "--json"]
    code, out, _ = run_words("evaluate", "masks", *words)
    content = json.loads(out)
    assert (code, content["all_organs"]["dice"], content["dataset"]["name"]) == (0, 1.0, "tiny")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--map", "6=liver"], "The label map has an entry that cannot be used: 6=liver; write LABEL=CLASS"),
        (["--map", ""], "Labels 6, 20 have no class: "),
        (["--spacing_mm", "3"], "--spacing_mm wants 3 positive numbers: 3; "),
        (["--images", "nowhere"], "The folder does not exist: nowhere; check the path."),
        (["--name", "../out"], "This is no name for the result: ../out; "),
        (["--frobnicate"], "frobnicate"),
    ],
)
def test_masks_that_cannot_be_scored(masks: Runner, folders: Path, words: list[str], sentence: str) -> None:
    code, out, err = masks("off", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
    assert not (folders / "workspace").exists() or not any((folders / "workspace").rglob("*.parquet"))


def test_one_folder_on_both_sides(masks: Runner) -> None:
    code, _, err = masks("truth")
    assert (code, "one folder" in err) == (2, True)


@pytest.fixture
def compared(masks: Runner, run_words: Runner, folders: Path) -> Runner:
    for prediction in ("same", "off"):
        assert masks(prediction, "--spacing_mm", "3,1.5,1.5")[0] == 0

    def run(*words: object) -> tuple[int, str, str]:
        return run_words("compare", "--workspace", folders / "workspace", *words)

    return run


def test_compare_prints_tables(compared: Runner) -> None:
    code, out, err = compared("--run", "same", "--run-b", "off")
    assert (code, err) == (0, "")
    for words in ("A: same · same-valid, leak: unknown", "B: off · off-valid, leak: unknown", "3 scans of 3 patients, paired"):
        assert words in out
    (stomach,) = [line.split() for line in out.splitlines() if line.startswith("dice") and "Stomach" in line]
    assert stomach[2:] == ["1.000", "0.583", "-0.417", "-0.417", "to", "-0.417", "3", "–", "–"]
    assert "hd95_mm" in out
    assert "Worse in B (mean Dice of the organs)" in out
    assert "Better in B" not in out


def test_compare_prints_one_json_object(compared: Runner) -> None:
    code, out, _ = compared("--run", "off", "--run-b", "same", "--json", "--count", "2")
    content = json.loads(out)
    assert (code, content["scans"], content["left_out"]) == (0, 3, {})
    assert len(content["better"]) == 2
    assert content["worse"] == []
    assert [each["organ"] for each in content["differences"][:4]] == ["stomach", "small_bowel", "large_bowel", "all"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--run", "same"], "Something is missing: --run_b"),
        (["--run", "same", "--run_b", "none"], "There is no such run: none; "),
        (["--run", "same", "--run_b", "off", "--evaluation", "x"], "Run same has no such evaluation: x; "),
        (["--run", "same", "--run_b", "off", "--count", "-1"], "--count is negative: -1; "),
    ],
)
def test_compare_what_is_not_there(compared: Runner, words: list[str], sentence: str) -> None:
    code, out, err = compared(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_compare_different_data(compared: Runner, masks: Runner, folders: Path) -> None:
    for path in (folders / "truth").glob("*.png"):
        write_png(path, np.zeros((32, 32), np.uint8))
    assert masks("off", "--name", "redrawn")[0] == 0
    code, _, err = compared("--run", "same", "--run_b", "redrawn")
    assert code == 2
    assert err.startswith("The evaluations cannot be compared because their references differ: same · same-valid and redrawn")


def test_both_are_listed(run_words: Runner) -> None:
    _, out, _ = run_words("--help")
    assert "compare" in out
    assert "evaluate masks" in out
    for words in (["evaluate", "masks"], ["compare"]):
        with pytest.raises(SystemExit, match="0"):
            run_words(*words, "--help")
