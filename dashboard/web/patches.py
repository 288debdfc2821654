"""Every change to private parts of Streamlit, each with the reason; a test fails once the library no longer needs it."""

from contextlib import suppress


def read_keys_patiently() -> None:
    """Keep a page from failing where Streamlit reads a session's keys while the run before, on its way out, still writes one.

    Each run of a page has its own lock on the session's state, so a quick reader's key may meet the end of the last run
    (Streamlit 1.67, ``SessionState._compact_state``: "dictionary changed size during iteration").
    """
    from streamlit.runtime.state.session_state import SessionState

    once = SessionState._keys

    def keys(self: SessionState) -> set[str]:
        for _ in range(100):
            with suppress(RuntimeError):
                return once(self)
        return once(self)

    SessionState._keys = keys  # type: ignore[method-assign]
