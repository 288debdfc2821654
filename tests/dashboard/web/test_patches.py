"""The patches of Streamlit: each is still needed by the library as it is installed, and does what it is for."""

from collections.abc import Iterator

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.state.session_state import SessionState

from dashboard.web import patches
from dashboard.web.patches import finish_callbacks, keep_clicks_apart


class Runner:
    """Runs a page, and is to stop for a newer message wherever it heeds one."""

    _execing = True

    def heed(self) -> None:
        if self._execing:
            raise StopException


def click(runner: Runner, *, is_history_navigation: bool = False) -> None:
    """What a run begins with: its callbacks."""
    state = SafeSessionState(SessionState(), runner.heed)
    state.on_script_will_rerun(WidgetStates(), is_history_navigation=is_history_navigation)


def test_streamlit_still_stops_before_the_callbacks() -> None:
    """Where this fails, Streamlit has mended it: delete `finish_callbacks`."""
    with pytest.raises(StopException):
        click(Runner())


def test_callbacks_are_finished_before_another_message_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SafeSessionState, "on_script_will_rerun", SafeSessionState.on_script_will_rerun)
    went: list[str] = []
    finish_callbacks(lambda: went.append("back"))
    runner = Runner()
    click(runner)
    assert went == []
    click(runner, is_history_navigation=True)
    assert went == ["back"]
    with pytest.raises(StopException):
        runner.heed()


def pressed(name: str, comment: str = "") -> RerunData:
    """A click, with what stands in the comment's field at that moment."""
    states = WidgetStates()
    states.widgets.add(id="comment", string_value=comment)
    states.widgets.add(id=name, trigger_value=True)
    return RerunData(widget_states=states)


def told(address: str, *, by_history: bool = False) -> RerunData:
    return RerunData(query_string=address, widget_states=WidgetStates(), is_history_navigation=by_history)


def runs_of(requests: ScriptRequests) -> Iterator[tuple[list[str], str, bool]]:
    """What is clicked, the address, and whether it is Back, of each run that comes of the requests."""
    while (request := requests.on_scriptrunner_yield()) is not None:
        data = request.rerun_data
        names = [each.id for each in data.widget_states.widgets if each.trigger_value]
        yield names, data.query_string, data.is_history_navigation


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("__init__", "_request_rerun_locked", "on_scriptrunner_yield", "on_scriptrunner_ready"):
        monkeypatch.setattr(ScriptRequests, name, getattr(ScriptRequests, name))
    keep_clicks_apart()


def asked(*messages: RerunData) -> ScriptRequests:
    requests = ScriptRequests()
    for message in messages:
        assert requests.request_rerun(message)
    return requests


def test_streamlit_still_calls_back_the_newest_click_first() -> None:
    """Where this fails, Streamlit has mended it: delete `keep_clicks_apart`."""
    assert list(runs_of(asked(pressed("reject"), pressed("minor")))) == [(["minor", "reject"], "", False)]


@pytest.mark.usefixtures("apart")
def test_each_click_has_a_run_of_its_own_in_order() -> None:
    requests = asked(told("a"), pressed("reject", "first"), told("b"), told("c"), pressed("minor", "second"), pressed("minor"))
    assert list(runs_of(requests)) == [(["reject"], "", False), (["minor"], "", False), (["minor"], "", False)]
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP


@pytest.mark.usefixtures("apart")
def test_back_is_a_run_of_its_own() -> None:
    runs = list(runs_of(asked(told("a"), told("b", by_history=True), told("b"), told("c"))))
    assert runs == [([], "b", True), ([], "c", False)]


@pytest.mark.usefixtures("apart")
def test_a_click_carries_what_stood_in_the_fields_then() -> None:
    requests = asked(pressed("reject", "first"), pressed("minor", "second"))
    first = requests.on_scriptrunner_yield().rerun_data.widget_states.widgets  # type: ignore[union-attr]
    assert [each.string_value for each in first if each.id == "comment"] == ["first"]


@pytest.mark.usefixtures("apart")
def test_what_waits_is_bounded_and_nothing_waits_for_who_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "MOST_WAITING", 3)
    assert len(list(runs_of(asked(*[pressed(f"button {number}") for number in range(10)])))) == 4
    requests = asked(pressed("reject"), pressed("minor"))
    requests.request_stop()
    assert not requests.request_rerun(pressed("late"))
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP
