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
    from streamlit.runtime.scriptrunner_utils import script_requests as library

    requests: Any = library.ScriptRequests
    begin, request, on_yield, on_ready = (
        requests.__init__,
        requests._request_rerun_locked,
        requests.on_scriptrunner_yield,
        requests.on_scriptrunner_ready,
    )
    pending, idle = library.ScriptRequestType.RERUN, library.ScriptRequestType.CONTINUE

    def __init__(self: Any) -> None:
        begin(self)
        self._lock, self._waiting = threading.RLock(), deque()

    def is_own(data: library.RerunData) -> bool:
        widgets = data.widget_states.widgets if data.widget_states else ()
        return data.is_history_navigation or any(library._has_active_trigger_value(each) for each in widgets)

    def _request_rerun_locked(self: Any, data: library.RerunData) -> bool:
        if self._state != pending:
            return bool(request(self, data))
        first = self._rerun_data
        last = self._waiting.pop() if self._waiting else None
        if is_own(last or first) and len(self._waiting) + bool(last) < MOST_WAITING:
            self._waiting.extend([last] if last else [])
            self._state = idle  # so that the library takes it as the first of its kind
            request(self, data)
            self._waiting.append(self._rerun_data)
        else:
            self._rerun_data = last or first
            request(self, data)
            if last is None:
                return True
            self._waiting.append(self._rerun_data)
        self._rerun_data = first
        return True

    def taking(take: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def taken(self: Any) -> Any:
            with self._lock:
                found = take(self)
                if self._waiting and self._state == idle:
                    self._state, self._rerun_data = pending, self._waiting.popleft()
                return found

        return taken

    requests.__init__, requests._request_rerun_locked = __init__, _request_rerun_locked
    requests.on_scriptrunner_yield, requests.on_scriptrunner_ready = taking(on_yield), taking(on_ready)
