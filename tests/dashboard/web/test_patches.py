"""The patches of Streamlit: each is still needed by the library as it is installed, and does what it is for."""

import pytest
from streamlit.runtime.state.session_state import SessionState

from dashboard.web.patches import read_keys_patiently


class WrittenMeanwhile(dict[str, object]):
    """A session's values, to which another run of the page adds one while they are read for the first time."""

    def __iter__(self):  # type: ignore[no-untyped-def]
        for place, key in enumerate(super().__iter__()):
            if not place and "late" not in self:
                self["late"] = 1
            yield key


def session() -> SessionState:
    return SessionState(_old_state=WrittenMeanwhile(one=1, two=2))  # type: ignore[arg-type]


def test_streamlit_still_reads_keys_that_change_meanwhile() -> None:
    """Where this fails, Streamlit has mended it: delete `read_keys_patiently`."""
    with pytest.raises(RuntimeError, match="changed size"):
        session()._keys()


def test_keys_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionState, "_keys", SessionState._keys)
    read_keys_patiently()
    assert session()._keys() == {"one", "two", "late"}
