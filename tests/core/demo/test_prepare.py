"""The embedded demo: its state is true even when its process died, and a second start does nothing."""

import os
import sys
from pathlib import Path

import pytest

from core.demo import prepare as demo
from core.demo.prepare import DemoState, demo_state, main, make_demo, start_demo
from core.errors import WorkspaceError
from core.runs import library
from core.storage.files import write_json
from core.storage.workspace import Workspace
from tests.patience import wait_until


def write_state(workspace: Workspace, **content: object) -> None:
    write_json(workspace.root / "demo.json", content)


def test_a_folder_without_a_demo(workspace: Workspace) -> None:
    assert demo_state(workspace) == DemoState("absent")


def test_a_state_of_another_version_is_none(workspace: Workspace) -> None:
    write_state(workspace, state="ready", news=1)
    assert demo_state(workspace) == DemoState("absent")


def test_a_preparation_whose_process_is_gone_has_failed(workspace: Workspace) -> None:
    write_state(workspace, state="preparing", step="Making synthetic patients", pid=2**22 + 1)
    state = demo_state(workspace)
    assert (state.state, state.message) == (
        "failed", "Preparing the demo was cut off; start the dashboard again to go on.",
    )  # fmt: skip


def test_a_process_that_ends_without_a_word_is_noticed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    start_demo(workspace)
    wait_until(lambda: demo_state(workspace).state == "failed")


@pytest.mark.parametrize("state", ["ready", "preparing"])
def test_a_demo_that_stands_or_is_being_made_is_not_started_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    write_state(workspace, state=state, pid=os.getpid())
    monkeypatch.setattr(demo.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    start_demo(workspace)


def test_without_the_run_that_the_repository_carries(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace.dataset(demo.DATASET).mkdir(parents=True)
    monkeypatch.setattr(library, "CARRIED_RUN", tmp_path / "none")
    with pytest.raises(WorkspaceError, match=r"^The demo's run is missing: .*/none; run: make demo-weights\.$"):
        main(str(workspace.root))
    assert demo_state(workspace).message.startswith("The demo's run is missing")


def test_steps_that_stand_are_not_done_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.dataset(demo.DATASET).mkdir(parents=True)
    write_json(workspace.run(demo.RUN).evaluation(f"{demo.DATASET}-{demo.SPLIT}").summary, {})
    monkeypatch.setattr(demo, "prepare_phantom", lambda *_, **__: pytest.fail("made again"))
    monkeypatch.setattr(library, "CARRIED_RUN", workspace.root)
    reported: list[DemoState] = []
    make_demo(workspace, reported.append)
    assert reported == [DemoState("ready")]
