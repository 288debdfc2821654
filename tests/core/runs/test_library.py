"""Runs named, promoted, deleted and put back, exported and imported."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import DatasetError, WorkspaceError
from core.runs.library import (
    RunDescription,
    export_run,
    import_run,
    promote,
    promoted,
    read_about,
    restore_run,
    trash_run,
    trashed,
    write_about,
)
from core.runs.registry import RunStatus, open_run, write_status
from core.storage.files import read_json, write_json
from core.storage.workspace import RunPaths, Workspace
from tests.real_scores import real_summary


def make_run(workspace: Workspace, name: str, *, model: bool = True, status: RunStatus | None = None) -> RunPaths:
    paths = workspace.run(name)
    write_status(paths, status or RunStatus("finished", pid=None, epoch=3))
    if model:
        paths.model.mkdir()
        save_file({"weight": np.arange(3, dtype=np.float32)}, paths.model / "model.safetensors")
    paths.checkpoints.mkdir()
    (paths.checkpoints / "last.ckpt").write_bytes(b"optimiser")
    dataset = {"name": "phantoms", "root": "/elsewhere/phantoms"}
    leak = {"kind": "unknown", "leaked": 0, "patients": 1, "text": "unknown"}
    summary = real_summary(run=name, split="valid", dataset=dataset, leak=leak)
    write_json(paths.evaluation("phantoms-valid").summary, summary)
    return paths


def test_title_notes_and_tags_are_kept(workspace: Workspace) -> None:
    paths = make_run(workspace, "r1")
    write_about(paths, RunDescription(" Baseline ", "with 2.5D", (" mr ", "mr", "", "phantoms")))
    assert read_about(paths) == RunDescription("Baseline", "with 2.5D", ("mr", "phantoms"))


def test_a_damaged_note_is_no_note(workspace: Workspace) -> None:
    paths = make_run(workspace, "r1")
    paths.about.write_text('["a list"]')
    assert read_about(paths) == RunDescription()


def test_a_title_that_is_too_long(workspace: Workspace) -> None:
    paths = make_run(workspace, "r1")
    with pytest.raises(WorkspaceError, match=r"^The title of a run is too long: x{40}; use at most 120 characters\.$"):
        write_about(paths, RunDescription("x" * 121))
    assert not paths.about.exists()


def test_the_last_promoted_comes_first(workspace: Workspace) -> None:
    for name in ("r1", "r2", "r3"):
        promote(open_run(make_run(workspace, name).root))
    promote(open_run(workspace.run("r1").root))
    promote(open_run(workspace.run("r3").root), wanted=False)
    assert [run.name for run in promoted(workspace)] == ["r1", "r2"]


def test_only_a_run_with_a_model_is_promoted(workspace: Workspace) -> None:
    paths = make_run(workspace, "r1", model=False)
    with pytest.raises(WorkspaceError, match=r"^Only a run with a model can be promoted: r1; wait until it has finished\.$"):
        promote(open_run(paths.root))


def test_deleted_and_put_back(workspace: Workspace) -> None:
    paths = make_run(workspace, "r1.5")
    kept = trash_run(workspace, "r1.5")
    assert not paths.root.exists()
    assert trashed(workspace) == [kept]
    assert restore_run(workspace, kept) == "r1.5"
    assert open_run(paths.root).has_model
    assert trashed(workspace) == []


def test_the_last_deleted_comes_first(workspace: Workspace) -> None:
    kept = [trash_run(workspace, make_run(workspace, name).root.name) for name in ("b", "c", "a")]
    assert trashed(workspace) == kept[::-1]


def test_a_run_at_work_is_not_deleted(workspace: Workspace) -> None:
    make_run(workspace, "r1", status=RunStatus("running", pid=os.getpid()))
    with pytest.raises(WorkspaceError, match=r"^The run is still at work: r1; stop it first\.$"):
        trash_run(workspace, "r1")


def test_a_run_is_not_put_back_over_another(workspace: Workspace) -> None:
    make_run(workspace, "r1")
    kept = trash_run(workspace, "r1")
    make_run(workspace, "r1")
    with pytest.raises(WorkspaceError, match=r"^Another run has this name now: r1; delete that one first\.$"):
        restore_run(workspace, kept)
    assert trashed(workspace) == [kept]


def test_nothing_outside_the_trash_is_put_back(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"^This is no run in the trash: \.\./runs"):
        restore_run(workspace, "../runs")


def test_exported_and_imported_elsewhere(workspace: Workspace, tmp_path: Path) -> None:
    make_run(workspace, "r1", status=RunStatus("stopped", pid=12345, epoch=3))
    size = export_run(workspace, "r1", tmp_path / "r1.zip")
    assert size == (tmp_path / "r1.zip").stat().st_size
    other = Workspace(tmp_path / "other")
    (other.datasets / "phantoms").mkdir(parents=True)
    paths = import_run(other, tmp_path / "r1.zip", "from-elsewhere")
    run = open_run(paths.root)
    assert run.has_model
    assert run.status is not None
    assert (run.status.state, run.status.epoch, run.status.pid) == ("stopped", 3, None)
    assert not paths.checkpoints.exists()
    dataset = read_json(paths.evaluation("phantoms-valid").summary)["dataset"]
    assert dataset == {"name": "phantoms", "root": str(other.datasets / "phantoms")}
    assert [path.name for path in other.runs.glob("[!.]*")] == ["from-elsewhere"]


def test_a_run_at_work_is_not_exported(workspace: Workspace, tmp_path: Path) -> None:
    make_run(workspace, "r1", status=RunStatus("running", pid=os.getpid()))
    with pytest.raises(WorkspaceError, match=r"^Only a run that has ended can be exported: r1; wait, or stop it first\.$"):
        export_run(workspace, "r1", tmp_path / "r1.zip")
    assert list(tmp_path.glob("*.zip*")) == []


def rewritten(archive: Path, **changes: bytes | None) -> Path:
    """The archive with some entries changed, added, or (None) left out."""
    with zipfile.ZipFile(archive) as zipped:
        content: dict[str, bytes | None] = {name: zipped.read(name) for name in zipped.namelist()}
    content |= {name.replace("__", "/").replace("_json", ".json"): value for name, value in changes.items()}
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, value in content.items():
            if value is not None:
                zipped.writestr(name, value)
    return archive


@pytest.mark.parametrize(
    "changes",
    [{"status_json": b"{}"}, {"status_json": None}, {"hashes_json": None}, {"hashes_json": b"[1]"}, {"extra": b""}],
    ids=["changed", "missing", "no hashes", "odd hashes", "more than stated"],
)
def test_a_damaged_archive_leaves_nothing(workspace: Workspace, tmp_path: Path, changes: dict[str, bytes | None]) -> None:
    make_run(workspace, "r1")
    export_run(workspace, "r1", tmp_path / "r1.zip")
    archive = rewritten(tmp_path / "r1.zip", **changes)
    with pytest.raises(WorkspaceError, match=r"^The archive is no exported run, or is damaged: .*; export it again\.$"):
        import_run(workspace, archive, "r2")
    assert [path.name for path in workspace.runs.glob("[!.]*")] == ["r1"]
    assert list(workspace.runs.glob(".import*")) == []


def test_an_archive_that_leaves_the_folder(workspace: Workspace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as zipped:
        zipped.writestr("../outside", b"")
    with pytest.raises(DatasetError, match="leaves the folder"):
        import_run(workspace, tmp_path / "bad.zip", "r2")
    assert not (workspace.root / "outside").exists()


def test_a_name_that_is_taken(workspace: Workspace, tmp_path: Path) -> None:
    make_run(workspace, "r1")
    export_run(workspace, "r1", tmp_path / "r1.zip")
    with pytest.raises(WorkspaceError, match=r"^There is a run of this name already: r1; choose another name\.$"):
        import_run(workspace, tmp_path / "r1.zip", "r1")
