"""The server's choices: which workspace, and what it refuses, in one sentence."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigError, WorkspaceError
from core.storage.workspace import ENVIRONMENT_VARIABLE
from dashboard import server
from dashboard.server import ServerConfig, choose_workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def test_a_named_workspace_is_opened(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    workspace, is_demo = choose_workspace(ServerConfig(workspace="mine"))
    assert (workspace.root, is_demo) == (tmp_path / "mine", False)


def test_a_missing_workspace_is_one_sentence() -> None:
    with pytest.raises(WorkspaceError, match=r"^The workspace does not exist: .*nowhere; check the path, or make one: .*\.$"):
        choose_workspace(ServerConfig(workspace="nowhere"))


def test_without_a_workspace_it_is_the_demo(tmp_path: Path) -> None:
    workspace, is_demo = choose_workspace(ServerConfig())
    assert (workspace.root, is_demo) == (tmp_path / "workspace-demo", True)


def test_an_own_workspace_wins_over_the_demo_unless_the_demo_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    assert choose_workspace(ServerConfig())[1] is False
    assert choose_workspace(ServerConfig(demo=True))[1] is True
    with pytest.raises(ConfigError, match=r"^--demo opens a workspace of its own: mine; leave out --demo or --workspace\.$"):
        choose_workspace(ServerConfig(demo=True, workspace="mine"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "many"], r"^--port wants a whole number, not 'many'"),
        (["--colour", "red"], r"see python -m dashboard --help\.$"),
        (["--port", "70000"], r"^There is no such port: 70000; use 1 to 65535\.$"),
    ],
)
def test_impossible_options_are_one_sentence(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        server.main(words)


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"^The server cannot listen here \(.*\): 127\.0\.0\.1:{port}; choose another"):
            server.main(["--port", str(port)])


def test_the_command_exits_2_with_one_line_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dashboard", "--workspace", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("The workspace does not exist")
