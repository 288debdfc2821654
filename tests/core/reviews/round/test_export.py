"""What a round said as tables that anybody can read, and what readers made of the masks as data to train on."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import SplitConfig
from core.data.index import load_index
from core.data.masks import decode_rle
from core.errors import MaskError, ReviewError, WorkspaceError
from core.reviews.corrections import save_correction
from core.reviews.round.corrected import FinalMask, final_masks, run_length_csv, write_corrected_dataset
from core.reviews.round.export import COLUMNS, csv_bytes, round_tables, write_tables
from core.reviews.store.events import Finding, FindingKind, Verdict
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from core.storage.files import read_json, sha256_of, sha256_of_array
from core.storage.workspace import Workspace
from tests.core.reviews.judged import add_comment
from tests.core.reviews.rounds import VALID, labels, make_dataset, make_evaluation, subject_of

FIXED, ACCEPTED, DISPUTED = VALID


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def evaluation(place: Workspace) -> Evaluation:
    return make_evaluation(place, make_dataset(place.root), "run1", {FIXED: labels(10), ACCEPTED: labels(12)})


@pytest.fixture
def store(place: Workspace) -> Iterator[ReviewStore]:
    store = ReviewStore.open(place.reviews_db)
    yield store
    store.close()


def corrected(width: int) -> np.ndarray:
    volume = labels(width)
    volume[0] = 0
    return volume


@pytest.fixture
def judged(place: Workspace, store: ReviewStore, evaluation: Evaluation) -> ReviewStore:
    """One scan corrected twice, one accepted by two readers, one with a disputed reference; one entry taken back."""
    subjects = {scan: subject_of(evaluation, scan) for scan in VALID}
    store.add_verdict(subjects[FIXED], reader="Dr A", verdict=Verdict.MAJOR_EDITS, comment="=1+1")
    store.add_finding(subjects[FIXED], reader="Dr A", finding=Finding(FindingKind.MISSED, "stomach", 2, 5, 6, "-cut"))
    whole = store.add_finding(subjects[FIXED], reader="Dr A", finding=Finding(FindingKind.EXTRA, "large_bowel", 3))
    store.withdraw(whole, reader="Dr A")
    for reader, width, seconds in (("Dr A", 14, 60.0), ("Dr B", 16, 30.5)):
        save_correction(place, store, evaluation, FIXED, corrected(width), base="prediction", reader=reader, seconds=seconds)
    for reader in ("Dr A", "Dr B"):
        store.add_verdict(subjects[ACCEPTED], reader=reader, verdict=Verdict.ACCEPT)
    store.add_verdict(subjects[DISPUTED], reader="Dr A", verdict=Verdict.REFERENCE_WRONG, comment="Zoë: größer\nals gezeigt, 3″")
    add_comment(store, subjects[DISPUTED], reader="Dr B", comment="@see")
    store.add_activity(subjects[DISPUTED], reader="Dr B", seconds=12.5)
    return store


def tables_of(store: ReviewStore, evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    return round_tables(evaluation, store.history(run=evaluation.run, evaluation=evaluation.name))


def masks_of(store: ReviewStore, evaluation: Evaluation, **options: object) -> dict[str, FinalMask]:
    return final_masks(evaluation, store.reviews(run=evaluation.run, evaluation=evaluation.name), **options)


def test_every_event_is_a_row_with_its_hashes_and_the_badge(judged: ReviewStore, evaluation: Evaluation) -> None:
    tables = tables_of(judged, evaluation)
    assert {name: len(table) for name, table in tables.items()} == {
        "verdicts": 4, "findings": 2, "comments": 1, "corrections": 2, "activity": 1,
    }  # fmt: skip
    first = tables["verdicts"].iloc[0]
    assert (first["reader"], first["patient"], first["verdict"], first["verdict_label"]) == (
        "Dr A",
        "case2",
        "major_edits",
        "Major edits",
    )
    assert first["mask_sha256"] == evaluation.scan_facts(FIXED)["prediction_sha256"]
    assert first["hash"] == judged.history()[0].hash
    assert set(tables["verdicts"]["leak"]) == {evaluation.badge.text}
    assert str(first["at"].tz) == "UTC"
    assert tables["findings"]["withdrawn"].tolist() == [False, True]
    assert tables["findings"]["x"].tolist() == [5, pd.NA]
    assert tables["corrections"]["seconds"].tolist() == [60.0, 30.5]


def test_a_verdict_that_was_replaced_is_there_but_not_in_force(store: ReviewStore, evaluation: Evaluation) -> None:
    for verdict in (Verdict.REJECT, Verdict.ACCEPT):
        store.add_verdict(subject_of(evaluation, FIXED), reader="Dr A", verdict=verdict)
    assert tables_of(store, evaluation)["verdicts"]["in_force"].tolist() == [False, True]


def test_the_three_formats_say_the_same(judged: ReviewStore, evaluation: Evaluation, tmp_path: Path) -> None:
    tables = tables_of(judged, evaluation)
    files = write_tables(tables, tmp_path / "out", ("csv", "json", "parquet"))
    assert len(files) == 3 * len(COLUMNS)
    for name, table in tables.items():
        read = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
        pd.testing.assert_frame_equal(read, table, check_dtype=False)
        rows = json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))
        assert [row["event"] for row in rows] == table["event"].tolist()
        plain = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        assert plain["event"].tolist() == table["event"].tolist()
        assert pd.to_datetime(plain["at"], format="ISO8601").tolist() == table["at"].tolist()
    comments = [row["comment"] for row in json.loads((tmp_path / "out/verdicts.json").read_text(encoding="utf-8"))]
    assert "Zoë: größer\nals gezeigt, 3″" in comments
    assert "=1+1" in comments


def test_no_cell_of_the_csv_is_a_formula(judged: ReviewStore, evaluation: Evaluation) -> None:
    tables = {name: pd.read_csv(io.BytesIO(csv_bytes(table))) for name, table in tables_of(judged, evaluation).items()}
    assert tables["verdicts"]["comment"].tolist()[0] == "'=1+1"
    assert tables["findings"]["comment"].tolist()[0] == "'-cut"
    assert tables["comments"]["comment"].tolist() == ["'@see"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_whatever_begins_a_formula_gets_an_apostrophe(start: str) -> None:
    read = pd.read_csv(io.BytesIO(csv_bytes(pd.DataFrame({"text": [f"{start}cmd", "a=b"], "number": [-1, 2]}))))
    assert read["text"].tolist()[0].startswith("'")
    assert read["text"].tolist()[1] == "a=b"
    assert read["number"].tolist() == [-1, 2]


def test_a_carriage_return_begins_no_row_of_its_own() -> None:
    read = pd.read_csv(io.BytesIO(csv_bytes(pd.DataFrame({"text": ["one\r=two\r\nthree"]}))))
    assert read["text"].tolist() == ["one\n=two\nthree"]


def test_a_round_without_events_has_empty_tables_that_can_be_written(evaluation: Evaluation, tmp_path: Path) -> None:
    write_tables(round_tables(evaluation, []), tmp_path / "out", ("csv", "json", "parquet"))
    assert json.loads((tmp_path / "out/verdicts.json").read_text()) == []
    assert list(pd.read_csv(tmp_path / "out/findings.csv")) == list(pd.read_parquet(tmp_path / "out/findings.parquet"))


def test_the_mask_that_stands(judged: ReviewStore, evaluation: Evaluation) -> None:
    latest = masks_of(judged, evaluation)
    assert {scan: (mask.kind, mask.event.reader) for scan, mask in latest.items()} == {FIXED: ("correction", "Dr B")}
    assert masks_of(judged, evaluation, reader="Dr A")[FIXED].sha256 == sha256_of_array(corrected(14))
    assert masks_of(judged, evaluation, reader="Dr C") == {}
    assert {scan: mask.kind for scan, mask in masks_of(judged, evaluation, accepted=True).items()} == {
        FIXED: "correction",
        ACCEPTED: "accepted prediction",
    }


def test_a_prediction_that_one_reader_did_not_accept_is_not_taken(judged: ReviewStore, evaluation: Evaluation) -> None:
    judged.add_verdict(subject_of(evaluation, ACCEPTED), reader="Dr C", verdict=Verdict.MINOR_EDITS)
    assert ACCEPTED not in masks_of(judged, evaluation, accepted=True)


def test_the_corrected_data_set(place: Workspace, judged: ReviewStore, evaluation: Evaluation, tmp_path: Path) -> None:
    source = load_index(evaluation.dataset_root)
    made = write_corrected_dataset(place, evaluation, masks_of(judged, evaluation, accepted=True), tmp_path / "made")
    index = load_index(made.root)
    assert index.name == "small-corrected"
    assert (index.patients("train"), index.patients("valid")) == (source.patients("train"), source.patients("valid"))
    np.testing.assert_array_equal(index.scan("valid", FIXED).read_labels(), corrected(16))
    np.testing.assert_array_equal(index.scan("valid", ACCEPTED).read_labels(), labels(12))
    np.testing.assert_array_equal(index.scan("valid", DISPUTED).read_labels(), labels())
    for scan in source.scans("valid"):
        for each in scan.slices:
            assert sha256_of(made.root / "valid/images" / each.image.name) == sha256_of(each.image)
    assert index.scan("valid", FIXED).info == source.scan("valid", FIXED).info
    said = read_json(made.root / "dataset.json")
    assert said["provenance"]["masks"][FIXED]["reader"] == "Dr B"
    assert said["provenance"]["masks"][ACCEPTED]["kind"] == "accepted prediction"
    assert (said["provenance"]["run"], said["provenance"]["leak"]) == ("run1", evaluation.badge.text)
    assert said["source"] == f"{source.manifest.source}; 2 references replaced in review"
    assert said["split"] == source.manifest.split
    assert index.manifest.provenance == said["provenance"]


def test_a_new_split_is_by_patient(place: Workspace, judged: ReviewStore, evaluation: Evaluation, tmp_path: Path) -> None:
    split = SplitConfig(valid_patients=("case3",))
    made = write_corrected_dataset(place, evaluation, masks_of(judged, evaluation), tmp_path / "made", name="again", split=split)
    index = load_index(made.root)
    assert (index.name, index.patients("valid")) == ("again", frozenset({"case3"}))
    np.testing.assert_array_equal(index.scan("train", FIXED).read_labels(), corrected(16))


def test_known_disputed_scans_come_along(place: Workspace, judged: ReviewStore, evaluation: Evaluation, tmp_path: Path) -> None:
    (evaluation.dataset_root / "disputed.txt").write_text("case9_day0 why\n")
    made = write_corrected_dataset(place, evaluation, masks_of(judged, evaluation), tmp_path / "made")
    assert (made.root / "disputed.txt").read_text() == "case9_day0 why\n"


def test_nothing_to_export_is_said(place: Workspace, evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="There are no masks to export"):
        write_corrected_dataset(place, evaluation, {}, tmp_path / "made")


def test_a_damaged_correction_leaves_nothing_behind(
    place: Workspace, judged: ReviewStore, evaluation: Evaluation, tmp_path: Path, damage
) -> None:
    masks = masks_of(judged, evaluation)
    damage(place.corrections / f"{masks[FIXED].sha256}.npy.zst")
    with pytest.raises(MaskError, match="missing or damaged"):
        write_corrected_dataset(place, evaluation, masks, tmp_path / "made")
    assert list(tmp_path.glob("*made*")) == []


def test_an_image_that_changed_since_is_refused(
    place: Workspace, judged: ReviewStore, evaluation: Evaluation, tmp_path: Path
) -> None:
    slices = load_index(evaluation.dataset_root).scan("valid", FIXED).slices
    slices[0].image.write_bytes(slices[1].image.read_bytes())
    with pytest.raises(WorkspaceError, match="has changed since it was evaluated"):
        write_corrected_dataset(place, evaluation, masks_of(judged, evaluation), tmp_path / "made")


def test_run_lengths_give_the_mask_back(place: Workspace, judged: ReviewStore, evaluation: Evaluation) -> None:
    content = run_length_csv(place, evaluation, masks_of(judged, evaluation))
    rows = pd.read_csv(io.BytesIO(content), keep_default_na=False)
    assert rows.columns.tolist() == ["id", "class", "segmentation"]
    assert len(rows) == 4 * 3
    expected = corrected(16)
    for position, number in enumerate(range(1, 5)):
        for class_id, organ in enumerate(("stomach", "small_bowel", "large_bowel"), start=1):
            row = rows[(rows["id"] == f"{FIXED}_slice_{number:04d}") & (rows["class"] == organ)]
            found = decode_rle(row["segmentation"].item(), (40, 48))
            np.testing.assert_array_equal(found, expected[position] == class_id)
