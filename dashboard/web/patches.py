"""Every change to private parts of Streamlit, each with the reason; a test fails once the library no longer needs it."""

from typing import Any


def finish_callbacks() -> None:
    """Let what a click asks for be done to its end, whatever message the browser sends meanwhile.

    Streamlit ends a run where it next touches the session's state once another message has come, also before and within the
    run's callbacks (1.67, ``SafeSessionState``): a verdict was stored but the page stayed, or the click was never heard.
    Together with ``runner.fastReruns`` off, by which a session's runs come one after the other, no click is lost.
    """
    from streamlit.runtime.state.safe_session_state import SafeSessionState

    once = SafeSessionState.on_script_will_rerun

    def on_script_will_rerun(self: SafeSessionState, *args: Any, **kwargs: Any) -> None:
        runner: Any = self._yield_callback.__self__  # type: ignore[attr-defined]
        runner._execing, before = False, runner._execing  # as long as this is off, the runner heeds no other message
        try:
            once(self, *args, **kwargs)
        finally:
            runner._execing = before

    SafeSessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[method-assign]
