"""Every change to private parts of Streamlit, each with the reason; a test fails once the library no longer needs it."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

MOST_WAITING = 100
"""Clicks of a session that wait for their run; what comes beyond that is merged with the last, as Streamlit does."""


def patch_streamlit(on_history: Callable[[], None]) -> None:
    """Apply all of them, for this process.

    Args:
        on_history: called in a session's run that Back or Forward asked for, before the page is drawn.
    """
    finish_callbacks(on_history)
    keep_clicks_apart()


def finish_callbacks(on_history: Callable[[], None]) -> None:
    """Let what a click asks for be done to its end, whatever message the browser sends meanwhile.

    Streamlit ends a run where it next touches the session's state once another message has come, also before and within the
    run's callbacks (1.67, ``SafeSessionState``): a verdict was stored but the page stayed, or the click was never heard.
    Together with ``runner.fastReruns`` off, by which a session's runs come one after the other, no click is lost.
    """
    from streamlit.runtime.state.safe_session_state import SafeSessionState

    once = SafeSessionState.on_script_will_rerun

    def on_script_will_rerun(self: SafeSessionState, *args: Any, is_history_navigation: bool = False, **kwargs: Any) -> None:
        runner: Any = self._yield_callback.__self__  # type: ignore[attr-defined]
        runner._execing, before = False, runner._execing  # as long as this is off, the runner heeds no other message
        try:
            once(self, *args, is_history_navigation=is_history_navigation, **kwargs)
            if is_history_navigation:
                on_history()
        finally:
            runner._execing = before

    SafeSessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[method-assign]


def keep_clicks_apart() -> None:
    """Give each click, and each Back, a run of its own, in the order in which they came.

    Streamlit merges what comes while a run is at work, calls back the newest click first, and forgets that one was Back
    (1.67, ``ScriptRequests``): of two quick verdicts the earlier one stood.
    """
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

    requests: Any = ScriptRequests
    begin, request = requests.__init__, requests._request_rerun_locked

    def __init__(self: Any) -> None:
        begin(self)
        self._lock, self._waiting = threading.RLock(), deque()

    def _request_rerun_locked(self: Any, data: RerunData) -> bool:
        if self._state != ScriptRequestType.RERUN:
            return bool(request(self, data))
        queue = deque([self._rerun_data, *self._waiting])
        if _asks(queue[-1]) and len(queue) <= MOST_WAITING:
            self._state = ScriptRequestType.CONTINUE  # so that the library takes it as the first of its kind
        else:
            self._rerun_data = queue.pop()
        request(self, data)
        queue.append(self._rerun_data)
        self._rerun_data, self._waiting = queue.popleft(), queue
        return True

    requests.__init__, requests._request_rerun_locked = __init__, _request_rerun_locked
    requests.on_scriptrunner_yield = _taking(requests.on_scriptrunner_yield)
    requests.on_scriptrunner_ready = _taking(requests.on_scriptrunner_ready)


def _asks(data: Any) -> bool:
    """Whether a message is a click, or Back: more than the fields and the address as they are now."""
    from streamlit.runtime.scriptrunner_utils.script_requests import _has_active_trigger_value

    widgets = data.widget_states.widgets if data.widget_states else ()
    return data.is_history_navigation or any(_has_active_trigger_value(state) for state in widgets)


def _taking(take: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``take`` the message whose run begins, and let the next one step up."""
    from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

    def taken(self: Any) -> Any:
        with self._lock:
            request = take(self)
            if self._waiting and self._state == ScriptRequestType.CONTINUE:
                self._state, self._rerun_data = ScriptRequestType.RERUN, self._waiting.popleft()
            return request

    return taken
