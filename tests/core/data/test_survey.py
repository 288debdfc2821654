"""The survey of a data set: what is seen, kept, outdated, cut off; and the counts made from it, by hand."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import pytest

from core.data import survey as module
from core.data.index import DatasetIndex, load_index
from core.data.manifest import DatasetManifest, ScanInfo
from core.data.statistics import (
    alike_scans,
    by_split,
    contested_scans,
    organs_per_slice,
    partial_scans,
    scan_overview,
    shared_patients,
    sizes_and_spacings,
    unreadable,
)
from core.data.survey import SurveyPaths, SurveyState, make_survey, read_survey, start_survey, survey_state
from core.errors import BusyError, DatasetError
from core.storage.locks import locked
from tests.patience import wait_until


@pytest.fixture
def dataset(tiny_index: DatasetIndex, tmp_path: Path) -> Path:
    """A copy: three patients to train on, one to validate on, six slices each with all organs."""
    return Path(shutil.copytree(tiny_index.root, tmp_path / "tiny"))


def made(root: Path):
    states: list[SurveyState] = []
    make_survey(root, states.append)
    (root / ".cache").mkdir(exist_ok=True)
    module._write(root, states[-1])
    return read_survey(root)


def test_what_is_seen_agrees_with_the_pictures(dataset: Path) -> None:
    table, alike = made(dataset)
    index = load_index(dataset)
    assert len(table) == sum(len(scan.slices) for scans in index.splits.values() for scan in scans)
    row = table[table["name"] == "case1_day0_slice_0003"].to_dict("records")[0]
    mask = cv2.imread(str(dataset / row["split"] / "masks" / "case1_day0_slice_0003.png"), cv2.IMREAD_GRAYSCALE)
    assert (row["patient"], row["scan"], row["slice"], row["width"], row["bits"]) == ("case1", "case1_day0", 3, 64, 8)
    assert (row["stomach"], row["large_bowel"]) == ((mask == 1).sum(), (mask == 3).sum())
    assert alike.empty
    assert survey_state(dataset).state == "ready"


def test_a_copy_under_another_patient_and_a_broken_picture_are_found(dataset: Path, damage: Callable[[Path], Path]) -> None:
    (valid,) = {scan.id for scan in load_index(dataset).scans("valid")}
    for kind in ("images", "masks"):
        source = dataset / "valid" / kind / f"{valid}_slice_0002.png"
        shutil.copy(source, dataset / "train" / kind / "case77_day0_slice_0009.png")
    damage(dataset / "valid" / "images" / f"{valid}_slice_0001.png")
    table, alike = made(dataset)
    (row,) = alike_scans(table, alike).to_dict("records")
    assert {row["first_scan"], row["second_scan"]} == {valid, "case77_day0"}
    assert (row["slices_alike"], row["bits"], row["across_splits"], row["across_patients"]) == (1, 0, True, True)
    (broken,) = unreadable(table).to_dict("records")
    assert broken["name"] == f"{valid}_slice_0001"
    assert "damaged" in broken["problem"]


def test_counts_by_hand(dataset: Path) -> None:
    table, _ = made(dataset)
    table.loc[table["name"] == "case1_day0_slice_0001", ["stomach", "small_bowel", "large_bowel"]] = 0
    table.loc[table["name"] == "case1_day0_slice_0002", "stomach"] = 0
    together = by_split(table).set_index("split").loc["together"]
    assert (together["patients"], together["scans"], together["slices"]) == (4, 4, 24)
    assert (together["empty_slices"], together["stomach_slices"], together["large_bowel_slices"]) == (1, 22, 23)
    assert together["empty_share"] == pytest.approx(1 / 24)
    counts = organs_per_slice(table).groupby("organs")["slices"].sum()
    assert counts.to_dict() == {0: 1, 2: 1, 3: 22}
    columns = ["problem", "stomach", "small_bowel", "large_bowel"]
    broken = table.assign()
    broken.loc[table["name"] == "case1_day0_slice_0003", columns] = ["The mask is damaged; restore it.", 0, 0, 0]
    assert by_split(broken).set_index("split").loc["together", "empty_slices"] == 1  # what cannot be read is not empty
    assert organs_per_slice(broken).groupby("organs")["slices"].sum().to_dict() == {0: 1, 2: 1, 3: 21}
    row = scan_overview(table).set_index("scan").loc["case1_day0"]
    assert (row["slices"], row["annotated"]) == (6, 5)
    manifest = DatasetManifest("x", spacing_mm=(3.0, 1.5, 1.5), scans={"case1_day0": ScanInfo((5, 1, 1), None, 4)})
    sizes = sizes_and_spacings(table, manifest)
    assert sizes.to_numpy().tolist() == [["64 × 64", 8, "3 × 1.5 × 1.5", 3, 18], ["64 × 64", 8, "5 × 1 × 1", 1, 6]]
    assert contested_scans(manifest).to_numpy().tolist() == [["case1_day0", 4]]


def test_scans_without_a_reference_are_counted_apart(dataset: Path) -> None:
    """Two slices of a scan, with a gap; one is a copy of a training slice."""
    for source, number in ((1, 4), (3, 9)):
        image = next((dataset / "train" / "images").glob(f"*_slice_000{source}.png"))
        (dataset / "unlabelled" / "images").mkdir(parents=True, exist_ok=True)
        shutil.copy(image, dataset / "unlabelled" / "images" / f"case88_day0_slice_000{number}.png")
    table, alike = made(dataset)
    counts = by_split(table).set_index("split")
    assert counts.loc["unlabelled", ["patients", "scans", "partial_scans", "slices"]].tolist() == [1, 1, 1, 2]
    assert counts.loc["unlabelled", ["empty_slices", "empty_share", "stomach_slices"]].isna().all()
    assert counts.loc["together", ["scans", "partial_scans", "slices", "empty_slices"]].tolist() == [5, 1, 26, 0]
    assert partial_scans(table) == ["case88_day0"]
    assert set(organs_per_slice(table)["split"]) == set(scan_overview(table)["split"]) == {"train", "valid"}
    assert shared_patients(table).empty
    found = alike_scans(table, alike)
    assert not found.empty
    assert not found["across_splits"].any()  # nothing is scored there, so nothing leaks


def test_patients_on_both_sides_are_named(dataset: Path) -> None:
    table, _ = made(dataset)
    assert shared_patients(table).empty
    table.loc[table["name"] == "case1_day0_slice_0001", "split"] = "valid"
    table.loc[table["name"] == "case1_day0_slice_0002", "split"] = "train"
    (row,) = shared_patients(table).to_dict("records")
    assert row["patient"] == "case1"
    assert row["train_slices"] + row["valid_slices"] == 6
    assert shared_patients(table[table["split"] == "train"]).empty


def test_a_new_picture_makes_the_survey_outdated(dataset: Path) -> None:
    made(dataset)
    os.utime(dataset / "train" / "images", ns=(1, 1))
    assert survey_state(dataset).state == "outdated"


def test_a_dead_process_is_a_failure_and_nothing_is_absent(dataset: Path) -> None:
    assert survey_state(dataset).state == "absent"
    (dataset / ".cache").mkdir(exist_ok=True)
    module._write(dataset, SurveyState("running", 3, 24, pid=2**22 + 1))
    assert "cut off" in survey_state(dataset).message


def test_a_damaged_survey_is_one_sentence(dataset: Path) -> None:
    made(dataset)
    SurveyPaths(dataset).alike.write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match="survey of the data set is damaged"):
        read_survey(dataset)


def test_a_folder_that_holds_no_data_set_fails_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        module.main(str(tmp_path))
    assert "holds no data set" in survey_state(tmp_path).message


@pytest.mark.slow
def test_somebody_who_is_starting_it_is_no_folder_that_cannot_be_written(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "locked", partial(locked, patience_s=0.1))
    lock = SurveyPaths(dataset).folder / ".survey.lock"
    with (
        locked(lock),
        pytest.raises(BusyError, match=r"^Somebody else is at work on the same thing: .*; try again in a moment\.$"),
    ):
        start_survey(dataset)


def test_the_survey_runs_in_a_process_of_its_own(dataset: Path) -> None:
    start_survey(dataset)
    wait_until(lambda: survey_state(dataset).state != "running")
    assert survey_state(dataset).state == "ready"
    assert len(read_survey(dataset)[0]) == 24
