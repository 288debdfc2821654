"""The registry: what a run's files say, corrected for processes that died and files that are damaged."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from core.data.identity import parse_slice_name
from core.data.index import DatasetIndex, group_scans
from core.data.leakage import LeakBadge
from core.data.manifest import DatasetManifest
from core.data.scan import SliceFile
from core.errors import WorkspaceError
from core.runs.registry import (
    DIED,
    RunStatus,
    badge_for,
    find_evaluation,
    find_run,
    is_working,
    list_runs,
    open_run,
    read_status,
    write_status,
)
from core.runs.status import HEARTBEAT_LIMIT_S
from core.storage.files import write_json
from core.storage.processes import HOST
from core.storage.workspace import CARRIED_RUN, PROJECT_ROOT, RunPaths, Workspace, model_folder
from tests.patience import wait_until
from tests.real_scores import real_summary

SUMMARY = real_summary(
    dataset={"name": "tiny", "root": "/data/tiny", "synthetic": False},
    split="valid",
    leak={"kind": "leaked", "leaked": 1, "patients": 2, "text": "leaked (1 of 2 patients)"},
)


@pytest.fixture
def paths(workspace: Workspace) -> RunPaths:
    paths = workspace.run("r1")
    (paths.root / "model").mkdir(parents=True)
    return paths


def write_raw(paths: RunPaths, **content: Any) -> None:
    paths.status.write_text(json.dumps(content))


@pytest.fixture
def zombie():
    child = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    yield child.pid
    child.wait()


def test_status_round_trip_with_a_heartbeat(paths: RunPaths) -> None:
    before = time.time()
    write_status(paths, RunStatus("finished", epoch=3, epochs=3, step=12, message="Done."))
    status = read_status(paths)
    assert (status.state, status.epoch, status.step, status.message) == ("finished", 3, 12, "Done.")
    assert before <= status.heartbeat_at <= time.time()


def test_fields_of_a_later_version_are_left_out(paths: RunPaths) -> None:
    write_raw(paths, state="finished", news=1)
    assert read_status(paths) == RunStatus("finished")


def test_a_failed_evaluation_was_the_beginning_of_a_message_before(paths: RunPaths) -> None:
    write_json(paths.status, {"state": "finished", "message": "Finished, but not evaluated: The disk is full."})
    assert read_status(paths) == RunStatus("finished", message="The disk is full.", evaluation_failed=True)


@pytest.mark.parametrize("state", ["queued", "running", "stopping"])
def test_a_live_process_is_as_it_says(paths: RunPaths, state: Any) -> None:
    write_status(paths, RunStatus(state, pid=os.getpid(), process_created_at=psutil.Process().create_time()))
    assert read_status(paths).state == state


def test_a_process_that_is_gone_has_failed(paths: RunPaths) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    write_status(paths, RunStatus("running", pid=child.pid, remaining_s=60.0, epoch=2))
    status = read_status(paths)
    assert (status.state, status.message, status.remaining_s, status.epoch) == ("failed", DIED, None, 2)


def test_a_zombie_has_failed(paths: RunPaths, zombie: int) -> None:
    write_status(paths, RunStatus("running", pid=zombie))
    assert read_status(paths).state == "failed"


def test_a_process_id_that_came_round_again_has_failed(paths: RunPaths) -> None:
    write_status(paths, RunStatus("running", pid=os.getpid(), process_created_at=psutil.Process().create_time() - 60))
    assert read_status(paths).state == "failed"


@pytest.mark.parametrize(
    ("age_s", "state"),
    [(HEARTBEAT_LIMIT_S - 60, "running"), (HEARTBEAT_LIMIT_S + 60, "failed"), (-3600, "running"), (-1e9, "failed")],
)
def test_without_a_process_id_the_heartbeat_counts(paths: RunPaths, age_s: float, state: str) -> None:
    write_raw(paths, state="running", heartbeat_at=time.time() - age_s)
    assert read_status(paths).state == state


@pytest.mark.parametrize(("age_s", "state"), [(HEARTBEAT_LIMIT_S - 60, "running"), (HEARTBEAT_LIMIT_S + 60, "failed")])
@pytest.mark.parametrize("pid", [2**22 + 1, os.getpid()], ids=["gone here", "alive here"])
def test_of_another_machine_only_the_heartbeat_counts(paths: RunPaths, pid: int, age_s: float, state: str) -> None:
    """Neither is a process of ours that has its number alive, nor one that we lack dead."""
    write_raw(paths, state="running", pid=pid, host="gpu-node-7", heartbeat_at=time.time() - age_s)
    status = read_status(paths)
    assert (status.state, status.local_pid, status.is_elsewhere) == (state, None, True)


def test_another_machine_s_run_that_has_ended_is_at_work_while_its_heart_beats(paths: RunPaths) -> None:
    ended = RunStatus("finished", pid=os.getpid(), host="gpu-node-7", heartbeat_at=time.time())
    assert is_working(ended)
    assert not is_working(replace(ended, heartbeat_at=time.time() - HEARTBEAT_LIMIT_S - 1))
    assert not is_working(replace(ended, pid=None))


def test_what_this_process_says(paths: RunPaths) -> None:
    write_status(paths, RunStatus("running", host="gpu-node-7").of_this_process())
    status = read_status(paths)
    assert (status.host, status.local_pid, status.is_elsewhere) == (HOST, os.getpid(), False)
    assert status.process_created_at == psutil.Process().create_time()


def test_a_status_without_a_machine_is_of_this_one(paths: RunPaths) -> None:
    write_raw(paths, state="running", pid=2**22 + 1, heartbeat_at=time.time())
    assert read_status(paths).state == "failed"


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_an_end_needs_no_process(paths: RunPaths, state: Any) -> None:
    write_status(paths, RunStatus(state, pid=2**22 + 1))
    assert read_status(paths).state == state


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"state": "sleeping"}',
        '{"state": ["running"]}',
        '{"state": "running", "pid": "x"}',
        '{"state": "running", "pid": -4}',
        '{"state": "running", "heartbeat_at": "x"}',
        '{"state": "finished", "started_at": "x"}',
        '{"state": "running", "host": 7}',
    ],
)
def test_a_status_that_is_not_as_expected(paths: RunPaths, content: str) -> None:
    paths.status.write_text(content)
    sentence = rf"^status\.json is not as expected: {paths.status}; start the run again\.$"
    with pytest.raises(WorkspaceError, match=sentence):
        read_status(paths)
    assert open_run(paths.root).problem.startswith("status.json is not as expected")


def test_a_damaged_run_is_listed_with_what_is_wrong(workspace: Workspace, paths: RunPaths) -> None:
    paths.status.write_text("{")
    write_status(workspace.run("r2"), RunStatus("finished", started_at=5.0))
    runs = list_runs(workspace)
    assert [(run.name, run.status is None) for run in runs] == [("r2", False), ("r1", True)]
    assert runs[1].problem == f"A file is not readable JSON: {paths.status}; restore it, or make it again."


def test_runs_are_listed_newest_first_without_hidden_folders_and_files(workspace: Workspace) -> None:
    for name, started_at in (("old", 1.0), ("new", 3.0), ("middle", 2.0), (".new.1234.partial", 9.0)):
        write_status(RunPaths(workspace.runs / name), RunStatus("finished", started_at=started_at))
    (workspace.runs / "notes.txt").touch()
    assert [run.name for run in list_runs(workspace)] == ["new", "middle", "old"]


def test_an_empty_workspace_has_no_runs(workspace: Workspace) -> None:
    assert list_runs(workspace) == []


def test_find_run_by_name_and_by_folder(workspace: Workspace, paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_run(workspace, "r1").paths.root == paths.root
    assert find_run(workspace, str(paths.root)).name == "r1"
    monkeypatch.chdir(workspace.runs)
    assert find_run(Workspace(Path("/nowhere")), "r1").paths.root == paths.root


def test_no_such_run_names_those_that_exist(workspace: Workspace, paths: RunPaths) -> None:
    with pytest.raises(WorkspaceError, match=r"^There is no such run: r9; runs here: r1\.$"):
        find_run(workspace, "r9")
    with pytest.raises(WorkspaceError, match=r"^There is no such run: some/where; runs here: r1\.$"):
        find_run(workspace, "some/where")


def test_no_run_at_all_says_how_to_make_one(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"^There is no such run: r9; runs here: none yet; run: python -m training fit\.$"):
        find_run(workspace, "r9")


@pytest.mark.parametrize("name", ["", "..", "a" * 300, "a\0b"])
def test_names_that_no_run_can_have(workspace: Workspace, name: str) -> None:
    with pytest.raises(WorkspaceError, match="This is no run"):
        find_run(workspace, name)


def test_a_run_without_its_files(paths: RunPaths) -> None:
    run = open_run(paths.root)
    assert run.manifest() is None
    assert run.metrics().empty
    assert run.evaluations() == []
    assert not run.has_model


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n3,4,5\n", "\xff\xfe"])
def test_metrics_that_are_damaged_are_none(paths: RunPaths, content: str) -> None:
    paths.metrics.write_bytes(content.encode("latin-1"))
    assert open_run(paths.root).metrics().empty


def test_metrics(paths: RunPaths) -> None:
    paths.metrics.write_text("epoch,dice\n0,0.5\n1,0.6\n")
    assert open_run(paths.root).metrics()["dice"].tolist() == [0.5, 0.6]


def test_evaluations_that_are_damaged_are_left_out(paths: RunPaths) -> None:
    for name, content in {
        "tiny-valid": SUMMARY,
        "no-leak": SUMMARY | {"leak": None},
        "no-split": {key: value for key, value in SUMMARY.items() if key != "split"},
        "no-scans": SUMMARY | {"scans": []},
        "a-list": [],
        "no-organs": SUMMARY | {"organs": {}},
        "one-number": SUMMARY | {"all_organs": 5},
        ".hidden": SUMMARY,
    }.items():
        write_json(paths.evaluations / name / "evaluation.json", content)
    (paths.evaluations / "broken").mkdir()
    (paths.evaluations / "broken" / "evaluation.json").write_text("{")
    (found,) = open_run(paths.root).evaluations()
    assert (found.name, found.run, found.split, found.dataset_root) == ("tiny-valid", "r1", "valid", Path("/data/tiny"))
    assert found.badge == LeakBadge("leaked", 1, 2)


def test_one_evaluation(paths: RunPaths) -> None:
    write_json(paths.evaluation("tiny-valid").summary, SUMMARY)
    evaluation = open_run(paths.root).evaluation("tiny-valid")
    assert evaluation.scan_facts("case1_day0") == {"patient": "case1"}
    with pytest.raises(WorkspaceError, match=r"^The evaluation tiny-valid of r1 has no such scan: x; choose one of its scans\.$"):
        evaluation.scan_facts("x")
    with pytest.raises(WorkspaceError, match=r"^Run r1 has no such evaluation: other; evaluations here: tiny-valid\.$"):
        open_run(paths.root).evaluation("other")


def test_an_evaluation_is_found_by_names_alone(workspace: Workspace, paths: RunPaths) -> None:
    none_yet = r"evaluations here: none yet; run: python -m training evaluate\.$"
    with pytest.raises(WorkspaceError, match=none_yet):
        find_evaluation(workspace, run="r1", evaluation="tiny-valid")
    write_json(paths.evaluation("tiny-valid").summary, SUMMARY)
    assert find_evaluation(workspace, run="r1", evaluation="tiny-valid", scan="case1_day0").run == "r1"
    with pytest.raises(WorkspaceError, match="has no such scan: /etc/passwd"):
        find_evaluation(workspace, run="r1", evaluation="tiny-valid", scan="/etc/passwd")
    for run, evaluation in ((str(paths.root), "tiny-valid"), ("../r1", "tiny-valid"), ("r1", "../tiny-valid")):
        with pytest.raises(WorkspaceError, match=r"^This is no (run|evaluation)"):
            find_evaluation(workspace, run=run, evaluation=evaluation)
    with pytest.raises(WorkspaceError, match=r"^There is no such run: demo; runs here: r1\.$"):
        find_evaluation(workspace, run="demo", evaluation="tiny-valid")


def test_demo_is_the_embedded_run_where_none_has_that_name(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT_ROOT)
    for name in ("demo", "core/demo_run", "core/demo_run/model", "/elsewhere/core/demo_run"):
        run = find_run(workspace, name)
        assert (run.name, run.paths.root, run.has_model) == ("demo", CARRIED_RUN, True)
    own = workspace.run("demo").root
    own.mkdir(parents=True)
    assert find_run(workspace, "demo").paths.root == own


def test_demo_is_the_embedded_model_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert {model_folder(name) for name in ("demo", "/other/core/demo_run/model")} == {str(CARRIED_RUN / "model")}
    assert [model_folder(name) for name in ("b0", "a/demo")] == ["b0", "a/demo"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert model_folder("demo") == "demo"


OLD = {name: value for name, value in SUMMARY.items() if name != "all_organs"}
OLD |= {"macro_dice": 0.5, "macro_dice_interval": None, "conventions": {"unit": "one scan"}}
"""As it was before the headline over all organs was a mean over scans."""


def test_an_older_evaluation_s_headline_is_found_anew_from_its_scans(paths: RunPaths) -> None:
    rows = [
        ("case1", "case1_day0", 1.0, "scored"),
        ("case2", "case2_day0", 0.6, "scored"),
        ("case2", "case2_day0", 0.0, "missed"),
    ]
    write_json(paths.evaluation("tiny-valid").summary, OLD)
    pd.DataFrame(rows, columns=["patient", "scan", "dice", "outcome"]).to_parquet(paths.evaluation("tiny-valid").scans)
    summary = open_run(paths.root).evaluation("tiny-valid").summary
    assert summary["all_organs"]["dice"] == pytest.approx((1.0 + 0.3) / 2)
    assert "averaged over scans" in summary["conventions"]["all_organs"]


def test_an_older_evaluation_without_its_scans_has_no_headline(paths: RunPaths) -> None:
    write_json(paths.evaluation("tiny-valid").summary, OLD)
    assert open_run(paths.root).evaluation("tiny-valid").summary["all_organs"]["dice"] is None


@pytest.mark.parametrize("content", [None, b"", b"PAR1 broken PAR1"])
def test_tables_that_are_missing_or_damaged(paths: RunPaths, content: bytes | None) -> None:
    write_json(paths.evaluation("tiny-valid").summary, SUMMARY)
    evaluation = open_run(paths.root).evaluation("tiny-valid")
    if content is not None:
        evaluation.paths.scans.write_bytes(content)
        evaluation.paths.slices.write_bytes(content)
    for read in (evaluation.scans, evaluation.slices):
        with pytest.raises(
            WorkspaceError, match=r"^A table of the evaluation is missing or damaged: .*\.parquet; evaluate the run again\.$"
        ):
            read()


def test_badge_from_the_run_s_manifest() -> None:
    manifest = {"splits": {"train": {"patients": ["case1", "case2"]}}}
    assert badge_for(manifest, index_of("case3"), "valid").text == "patient-clean"
    assert badge_for(manifest, index_of("case2", "case3"), "valid").text == "leaked (1 of 2 patients)"


@pytest.mark.parametrize(
    "manifest", [None, {}, {"splits": None}, {"splits": {"train": {}}}, {"splits": {"train": {"patients": "case1"}}}]
)
def test_badge_without_a_manifest_that_tells(manifest: dict[str, Any] | None) -> None:
    assert badge_for(manifest, index_of("case1"), "valid").text == "unknown"


def test_badge_is_unknown_where_a_name_tells_no_patient() -> None:
    manifest = {"splits": {"train": {"patients": ["case1"], "unparsed": 0}}}
    assert badge_for(manifest, index_of("case2", "IMG0007"), "valid").text == "unknown"
    manifest["splits"]["train"]["unparsed"] = 3
    assert badge_for(manifest, index_of("case2"), "valid").text == "unknown"


def index_of(*names: str) -> DatasetIndex:
    """An index whose validation split has one slice of each patient; a name that is no ``caseN`` stays unparsed."""
    manifest = DatasetManifest("made")
    stems = [f"{name}_day0_slice_0001" if name.startswith("case") else name for name in names]
    slices = [SliceFile(parse_slice_name(stem), Path("image"), Path("mask")) for stem in stems]
    return DatasetIndex(Path("made"), manifest, {"valid": group_scans(slices, manifest)})


def test_an_evaluation_to_be_shared_reads_its_scans_on_demand_and_cannot_be_changed(paths: RunPaths) -> None:
    file = paths.evaluation("tiny-valid").summary
    write_json(file, SUMMARY)
    whole = open_run(paths.root).evaluation("tiny-valid")
    shared = whole.without_facts()
    assert "scans" not in shared.summary
    assert shared.facts == whole.facts == whole.summary["scans"]
    with pytest.raises(TypeError):
        shared.summary["split"] = "train"  # type: ignore[index]
    with pytest.raises(TypeError):
        shared.facts["other"] = {}  # type: ignore[index]
    file.write_text("{")
    with pytest.raises(WorkspaceError, match="missing or damaged"):
        _ = shared.facts
