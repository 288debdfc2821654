"""Names that can be file names, and where everything lies."""

from pathlib import Path

import pytest

from core.errors import WorkspaceError
from core.storage.workspace import EvaluationPaths, RunPaths, Workspace, check_name

REFUSED = ["", ".", "..", ".hidden", "a/b", "a\\b", "/etc/passwd", "a\0b", "a b", "a\n", "-rf", "é", "a" * 121, "../a"]


@pytest.mark.parametrize("name", ["a", "run-20261122-141530", "uw_madison.v1+x", "9", "a" * 120])
def test_names_that_can_be(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(WorkspaceError, match=r"(?s)^This is no run: .*; use letters, digits, _ \. \+ - \(at most 120\)\.$"):
        check_name(name, "run")


@pytest.mark.parametrize("name", REFUSED)
def test_no_path_is_made_of_a_refused_name(name: str, workspace: Workspace) -> None:
    for make in (workspace.run, workspace.dataset, RunPaths(Path("r")).evaluation, EvaluationPaths(Path("e")).mask):
        with pytest.raises(WorkspaceError, match="This is no "):
            make(name)


def test_a_long_name_is_shown_cut() -> None:
    with pytest.raises(WorkspaceError) as caught:
        check_name("a" * 10_000)
    assert len(str(caught.value)) < 250


def test_layout() -> None:
    workspace = Workspace(Path("/w"))
    run = workspace.run("r1")
    evaluation = run.evaluation("uw-valid")
    assert workspace.dataset("uw") == Path("/w/datasets/uw")
    assert workspace.reviews_db == Path("/w/reviews.db")
    assert {path.name for path in (run.config, run.manifest, run.status, run.metrics, run.log, run.checkpoints, run.model)} == {
        "config.yaml", "manifest.json", "status.json", "metrics.csv", "train.log", "checkpoints", "model",
    }  # fmt: skip
    assert evaluation.summary == Path("/w/runs/r1/evaluations/uw-valid/evaluation.json")
    assert evaluation.scans.parent == evaluation.slices.parent == evaluation.root
    assert evaluation.mask("case1_day0") == evaluation.root / "masks" / "case1_day0.npy.zst"


def test_locate_prefers_the_folder_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GUTCHECK_WORKSPACE", str(tmp_path / "env"))
    assert Workspace.locate(tmp_path / "given").root == tmp_path / "given"
    assert Workspace.locate().root == tmp_path / "env"


def test_locate_defaults_to_workspace_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Workspace.locate().root == tmp_path / "workspace"
