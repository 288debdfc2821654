"""The reports of a scan and of a round say what the store says, for empty, ordinary and broken ones."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.data.index import load_index
from core.errors import GutCheckError, WorkspaceError
from core.reports.pictures import ShownScan, panel, worst_positions
from core.reports.round_report import interval_text, round_report
from core.reports.scan_report import scan_report
from core.reviews.corrections import save_correction
from core.reviews.store.events import Finding, FindingKind, Verdict
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace
from tests.core.reviews.rounds import VALID, labels, make_dataset, make_evaluation, subject_of

FIRST, SECOND, THIRD = VALID


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def evaluation(place: Workspace) -> Evaluation:
    narrow = labels(12)
    narrow[2] = 0
    return make_evaluation(place, make_dataset(place.root), "run1", {FIRST: narrow})


@pytest.fixture
def store(place: Workspace, evaluation: Evaluation) -> Iterator[ReviewStore]:
    """Two readers, who disagree on one scan and dispute another; a finding, a correction, active time."""
    store = ReviewStore.open(place.reviews_db)
    subjects = {scan: subject_of(evaluation, scan) for scan in VALID}
    store.add_verdict(subjects[FIRST], reader="Dr A", verdict=Verdict.REJECT, comment="<b>cut</b> & more")
    store.add_verdict(subjects[FIRST], reader="Dr B", verdict=Verdict.MINOR_EDITS)
    store.add_verdict(subjects[SECOND], reader="Dr A", verdict=Verdict.REFERENCE_WRONG, comment="other organ")
    store.add_finding(subjects[FIRST], reader="Dr A", finding=Finding(FindingKind.MISSED, "stomach", 3, 10, 9, "all of it"))
    store.add_activity(subjects[FIRST], reader="Dr A", seconds=150)
    save_correction(place, store, evaluation, FIRST, labels(), base="prediction", reader="Dr A", seconds=90)
    yield store
    store.close()


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[html.index("<body>") :]))


def test_a_scan_s_report(place: Workspace, evaluation: Evaluation, store: ReviewStore) -> None:
    html = scan_report(place, evaluation, FIRST, store.scan_review(subject_of(evaluation, FIRST)))
    text = text_of(html)
    assert f"Scan {FIRST}: Readers disagree" in text
    assert f"Leak: {evaluation.badge.text}" in text
    assert "&lt;b&gt;cut&lt;/b&gt; &amp; more" in html
    assert "1 Dr A Missed Stomach 3 column 10, row 9 all of it" in text
    assert "Slice 3: prediction (findings 1)" in text
    assert "Minutes of Dr A 2.5" in text
    # Slices 1 and 2 and 4 differ by the narrower stomach, slice 3 altogether; three pictures each.
    assert html.count("<img") == 4 * 3
    facts = evaluation.scan_facts(FIRST)
    assert all(facts[f"{kind}_sha256"] in text for kind in ("image", "reference", "prediction"))


def test_a_scan_that_nobody_judged(place: Workspace, evaluation: Evaluation) -> None:
    text = text_of(scan_report(place, evaluation, THIRD, ScanReview()))
    assert "Nobody has judged this scan yet." in text
    assert "No findings." in text
    assert "Reference and prediction agree on every slice." in text


def test_a_scan_that_is_not_there(place: Workspace, evaluation: Evaluation) -> None:
    with pytest.raises(WorkspaceError, match="no such scan"):
        scan_report(place, evaluation, "case9_day9", ScanReview())


def test_a_scan_whose_files_changed_is_not_reported(place: Workspace, evaluation: Evaluation) -> None:
    slices = load_index(evaluation.dataset_root).scan("valid", FIRST).slices
    slices[0].image.write_bytes(slices[1].image.read_bytes())
    with pytest.raises(WorkspaceError, match="has changed since it was evaluated"):
        scan_report(place, evaluation, FIRST, ScanReview())


def test_a_round_s_report(place: Workspace, evaluation: Evaluation, store: ReviewStore) -> None:
    html = round_report(place, evaluation, store.reviews(run=evaluation.run, evaluation=evaluation.name))
    text = text_of(html)
    assert "Scans 3 Judged 2 Waiting 1 Readers 2 Verdicts 3" in text
    assert "Corrections 1 Minutes a scan, median 2.5 Minutes of correction a corrected scan, median 1.5" in text
    assert "Reject 1 1 0" in text
    assert "Dr A: Reject, Dr B: Minor edits 2" in text
    assert f"{SECOND} Dr A other organ" in text
    assert "because a reader calls their reference wrong: 1." in text
    assert "Not enough verdicts: 0 accepted and 2 not, of 1 patient;" in text
    assert html.count("<img") == 3
    assert "plotly.js" not in html


def test_a_round_that_nobody_began(place: Workspace, evaluation: Evaluation) -> None:
    text = text_of(round_report(place, evaluation, {}, pictures=1))
    assert "Nobody has judged a scan yet." in text
    assert "No scan has verdicts of two readers yet." in text
    assert "No verdict on the four-point scale yet." in text
    assert "2 more scans are in the table alone." in text


def test_a_scan_without_its_files_is_named_and_the_others_are_shown(place: Workspace, evaluation: Evaluation, damage) -> None:
    damage(evaluation.paths.mask(FIRST))
    html = round_report(place, evaluation, {})
    assert html.count("<img") == 2
    assert f"{FIRST}: A predicted mask is damaged" in text_of(html)


def test_a_damaged_table_is_one_sentence(place: Workspace, evaluation: Evaluation, damage) -> None:
    damage(evaluation.paths.scans)
    with pytest.raises(GutCheckError, match="missing or damaged"):
        round_report(place, evaluation, {})


def test_the_worst_slices_are_those_with_most_differing_voxels(evaluation: Evaluation) -> None:
    assert worst_positions(evaluation.slices(), FIRST, 1) == [2]
    assert worst_positions(evaluation.slices(), FIRST, 9) == [0, 1, 2, 3]
    assert worst_positions(evaluation.slices(), THIRD, 4) == []


def test_a_finding_is_ringed_where_it_is() -> None:
    volume = np.zeros((1, 40, 80), np.uint8)
    shown = ShownScan(volume, volume, volume, None, [1])
    plain, ringed = panel(shown, volume, 0, side=160), panel(shown, volume, 0, [("1", 20, 10)], side=160)
    rows, columns = np.nonzero((ringed != plain).any(axis=-1))
    # The picture is twice as large: the ring of radius 9 lies around column 41, row 21; its number is to the right.
    assert ringed.shape == (80, 160, 3)
    assert columns.min() in range(29, 33)
    assert rows.min() in range(9, 13)
    assert (ringed[21, 41] == 0).all()


def test_intervals_for_people() -> None:
    assert interval_text(0.8125, 0.75, 0.8614).replace("\N{NO-BREAK SPACE}", " ") == "0.812 (0.750 to 0.861)"
    assert interval_text(-0.125, -0.5, 1.0, digits=1).replace("\N{NO-BREAK SPACE}", " ") == "-0.1 (-0.5 to 1.0)"
    assert (interval_text(0.5, None, None), interval_text(None, None, None)) == ("0.500", "–")
