"""The 3D panel: nothing is read before its switch is on, and then both sides are shown."""

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.registry import Evaluation
from tests.browser.small_workspace import SCANS, small_workspace
from tests.dashboard.conftest import TIMEOUT_S


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return small_workspace(tmp_path_factory.mktemp("in-3d"))


def page(run: str, name: str, scan: str) -> None:
    from pathlib import Path

    from core.runs.registry import open_run
    from dashboard.components.review.in_3d import panel_in_3d

    panel_in_3d(open_run(Path(run)).evaluation(name), scan)


def test_it_waits_for_the_switch_and_then_shows_both(evaluation: Evaluation) -> None:
    run = str(evaluation.paths.root.parents[1])
    app = AppTest.from_function(page, kwargs={"run": run, "name": evaluation.name, "scan": SCANS[0]}).run(timeout=TIMEOUT_S)
    assert not app.exception
    assert len(app.get("component_instance")) == 0
    app.toggle(key="in-3d").set_value(True).run(timeout=TIMEOUT_S)
    assert not app.exception
    assert [each.value for each in app.markdown] == ["**Reference**", "**Prediction**"]
    assert len(app.get("component_instance")) == 2
