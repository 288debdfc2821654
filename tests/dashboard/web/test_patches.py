"""The patches of Streamlit: each is still needed by the library as it is installed, and does what it is for."""

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.state.session_state import SessionState

from dashboard.web.patches import finish_callbacks


class Runner:
    """Runs a page, and is to stop for a newer message wherever it heeds one."""

    _execing = True

    def heed(self) -> None:
        if self._execing:
            raise StopException


def click(runner: Runner) -> None:
    """What a run begins with: its callbacks."""
    SafeSessionState(SessionState(), runner.heed).on_script_will_rerun(WidgetStates())


def test_streamlit_still_stops_before_the_callbacks() -> None:
    """Where this fails, Streamlit has mended it: delete `finish_callbacks`."""
    with pytest.raises(StopException):
        click(Runner())


def test_callbacks_are_finished_before_another_message_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SafeSessionState, "on_script_will_rerun", SafeSessionState.on_script_will_rerun)
    finish_callbacks()
    runner = Runner()
    click(runner)
    with pytest.raises(StopException):
        runner.heed()
