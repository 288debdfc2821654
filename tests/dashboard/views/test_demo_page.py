"""The dashboard's *Demo* page: it starts the demo, says when it is ready, and opens it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.common.text import escape_markdown
from dashboard.demo import models as segment
from dashboard.demo.lazy import DemoProgress
from dashboard.state import SERVER

OpenApp = Callable[..., AppTest]


class StubDemo:
    """A demo that never gets further than it is told."""

    def __init__(self, state: str, problem: str = "") -> None:
        self.progress = DemoProgress(state, problem)  # type: ignore[arg-type]
        self.started = 0

    def start(self) -> None:
        self.started += 1
        self.progress = DemoProgress("starting")


@pytest.fixture(autouse=True)
def a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "choose_model", lambda workspace, name: segment.ModelChoice("stub", folder, "phantoms", True))


def test_opening_the_page_starts_the_demo(open_app: OpenApp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SERVER, "demo", demo := StubDemo("idle"))
    app = open_app(folder, "try_demo")
    assert (demo.started, app.info[0].value) == (1, "The demo is starting; this takes some seconds.")
    assert f"trained on synthetic phantoms only {escape_markdown('(phantoms)')}" in " ".join(each.value for each in app.caption)


def test_a_ready_demo_can_be_opened(open_app: OpenApp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SERVER, "demo", StubDemo("ready"))
    app = open_app(folder, "try_demo")
    assert app.success[0].value == "The demo is ready."
    assert app.get("link_button")[0].proto.url == "/demo/"


def test_a_demo_that_failed_says_why_and_can_be_tried_again(
    open_app: OpenApp, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SERVER, "demo", demo := StubDemo("failed", "There is no trained model here yet; train one."))
    app = open_app(folder, "try_demo")
    assert (demo.started, app.error[0].value) == (0, "There is no trained model here yet; train one.")
    next(button for button in app.button if button.label == "Try again").click().run()
    assert demo.started == 1


def test_without_the_own_server_it_says_what_to_run(open_app: OpenApp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SERVER, "demo", None)
    assert "python -m dashboard" in open_app(folder, "try_demo").info[0].value
