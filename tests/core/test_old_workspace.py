"""A workspace as older versions wrote it opens: its run, its scores, its reviews, and the plan to take the run up again."""

import json
import subprocess

import pytest

from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore
from core.runs.jobs import start
from core.runs.registry import find_evaluation, find_run
from core.storage.workspace import RunPaths, Workspace
from tests.core.reviews.judged import add_comment

STATUS = """{"state": "finished", "pid": null, "started_at": 1767000000.0, "process_created_at": 1767000000.0, "heartbeat_at":
1767000900.0, "epoch": 2, "epochs": 2, "step": 10, "remaining_s": null,
"message": "Finished, but not evaluated: the disk was full."}"""
JOB = """{"words": ["--workspace", "/gone", "--run", "old", "--data", "set", "--epochs=2", "--evaluate=true"],
"queued_at": 1766999999.0, "places": 1}"""
ROW = {"dice": 0.8, "iou": 0.7, "scans": 1, "missed": 0, "false_alarm": 0, "absent": 0, "hd95_mm": 4.0, "nsd_3mm": 0.9}
SCAN = "case1_day0"
EVALUATION = {
    "format": "gutcheck-evaluation/1",
    "dataset": {"name": "set", "root": "/gone/datasets/set", "synthetic": False},
    "split": "valid",
    "created_at": "2026-01-01T00:00:00+00:00",
    "scan_count": 1,
    "patient_count": 1,
    "leak": {"kind": "patient-clean", "leaked": 0, "patients": 1},
    "organs": dict.fromkeys(("stomach", "small_bowel", "large_bowel"), ROW),
    "macro_dice": 0.8,
    "scans": {
        SCAN: {
            "patient": "case1", "slice_numbers": [1, 2], "spacing_mm": [3.0, 1.5, 1.5], "native_size": [266, 266],
            "image_sha256": "a" * 64, "reference_sha256": "c" * 64, "prediction_sha256": "b" * 64,
        }
    },
}  # fmt: skip


@pytest.fixture
def old(workspace: Workspace) -> RunPaths:
    """A run that was trained, but not evaluated; and beside it ``judged``, of which no more than the scores are left."""
    evaluation = workspace.run("judged").evaluation("set-valid")
    evaluation.root.mkdir(parents=True)
    evaluation.summary.write_text(json.dumps(EVALUATION))
    paths = workspace.run("old")
    paths.root.mkdir()
    paths.status.write_text(STATUS)
    paths.job.write_text(JOB)
    paths.manifest.write_text('{"format": "gutcheck-run/1", "splits": {"train": {"patients": ["case2"]}}}')
    return paths


def test_its_run_and_scores_are_read(workspace: Workspace, old: RunPaths) -> None:
    run = find_run(workspace, "old")
    assert (run.name, run.problem, run.status and run.status.state) == ("old", "", "finished")
    evaluation = find_evaluation(workspace, run="judged", evaluation="set-valid", scan=SCAN)
    assert evaluation.badge.text == "patient-clean"
    assert evaluation.summary["all_organs"]["dice"] is None  # its scan table is gone, from which it is computed
    assert evaluation.stored_spacing(SCAN, (133, 266)) == (3.0, 3.0, 1.5)


def test_its_reviews_are_read(workspace: Workspace, old: RunPaths) -> None:
    subject = Subject("judged", "set-valid", SCAN, "a" * 64, "b" * 64)
    store = ReviewStore.open(workspace.reviews_db)
    add_comment(store, subject, reader="Dr A", comment="see the antrum")
    store.add_verdict(subject, reader="Dr A", verdict=Verdict.MINOR_EDITS)
    store.close()
    store = ReviewStore.open(workspace.reviews_db)
    review = store.reviews(run="judged", evaluation="set-valid")[SCAN]
    assert [event.payload["comment"] for event in review.remarks] == ["see the antrum"]
    assert (review.state, store.verify()) == ("Minor edits", None)
    store.close()


def test_it_is_taken_up_again(workspace: Workspace, old: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is queued; nothing is started here."""
    assert start.lacks_evaluation(old, start.read_status(old))
    monkeypatch.setattr(start, "_spawn", lambda *_: subprocess.Popen(["true"]))
    start.resume_training(workspace, "old")
    job = start.read_job(old)
    assert job.words == ("--workspace", str(workspace.root), "--resume", "old", "--evaluate=true")
    assert start.read_status(old).state == "queued"
